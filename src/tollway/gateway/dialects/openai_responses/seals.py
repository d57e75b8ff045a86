"""Reasoning items: thoughts in summaries, and whoever's seal in `encrypted_content` (relay.md 6.21).

The vendor's own encrypted thoughts are kept as OpenRouter spells them (`reasoning.encrypted`, with the item's id), so
that both of the family's wires understand them. Another family's seal travels wrapped by `Opaque`; so does the seal
of a tool call or of words, in an item of its own just before what it belongs to.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from tollway.core.chat import Part, Reasoning, Text, ToolCall
from tollway.gateway.dialect import Opaque

FAMILY = "openai"
MARK = "relay1."
"""How every wrapped seal begins; the vendor would refuse it."""
_FORMAT = "openai-responses-v1"
_ENCRYPTED = "reasoning.encrypted"
_encode = msgspec.json.Encoder().encode


class Carried(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a wrapped seal holds."""

    signature: str | None = None
    redacted: str | None = None
    call_id: str | None = None
    """The tool call that bears the signature."""
    on_text: bool = False
    """The words that follow bear the signature."""


_read_carried = msgspec.json.Decoder(Carried).decode


class Owned(msgspec.Struct, frozen=True):
    """A seal that travels beside the part it belongs to."""

    family: str
    signature: str
    call_id: str | None


Thought = Reasoning | Owned


def own_seal(encrypted: str, item_id: str | None) -> str:
    """The vendor's encrypted thought as it is kept in the canonical form."""
    entry: dict[str, Any] = {"type": _ENCRYPTED, "data": encrypted, "format": _FORMAT}
    return _encode(entry | ({"id": item_id} if item_id else {})).decode()


def read_item(item: dict[str, Any], opaque: Opaque | None) -> Thought | None:
    """What a reasoning item holds; None when it holds nothing, or a seal that we cannot open and no words."""
    words = summary_of(item)
    sealed = item.get("encrypted_content")
    if not isinstance(sealed, str) or not sealed:
        return Reasoning(words) if words else None
    if not sealed.startswith(MARK):
        item_id = item.get("id")
        kept = own_seal(sealed, item_id if isinstance(item_id, str) else None)
        return Reasoning(words, redacted=kept, family=FAMILY)
    opened = opaque.unseal(sealed) if opaque is not None else None
    if opened is None:
        return Reasoning(words) if words else None
    family, payload = opened
    try:
        carried = _read_carried(payload.encode())
    except msgspec.DecodeError:  # sealed by us, but for another dialect's slot
        return Reasoning(words) if words else None
    if carried.signature and (carried.call_id or carried.on_text):
        return Owned(family, carried.signature, carried.call_id)
    return Reasoning(words, carried.signature, carried.redacted, family)


def summary_of(item: dict[str, Any]) -> str:
    """The readable words of a reasoning item: its summary, or the thought itself where a model shows it."""
    for name in ("summary", "content"):
        parts = item.get(name)
        texts = [part.get("text") for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
        words = "\n\n".join(text for text in texts if isinstance(text, str) and text)
        if words:
            return words
    return ""


def settle(parts: Sequence[Part | Owned]) -> tuple[Part, ...]:
    """Hang seals that travelled by themselves on the calls and words they belong to."""
    of_calls = {part.call_id: part for part in parts if isinstance(part, Owned) and part.call_id}
    kept: list[Part] = []
    of_text: Owned | None = None
    for part in parts:
        if isinstance(part, Owned):
            of_text = of_text if part.call_id else part
        elif isinstance(part, ToolCall) and part.id in of_calls:
            seal = of_calls[part.id]
            kept.append(msgspec.structs.replace(part, signature=seal.signature, family=seal.family))
        elif isinstance(part, Text) and of_text is not None:
            kept.append(msgspec.structs.replace(part, signature=of_text.signature, family=of_text.family))
            of_text = None
        else:
            kept.append(part)
    return tuple(kept)


def encrypted_of(part: Reasoning) -> tuple[str, str | None] | None:
    """(encrypted_content, id of its item) for the vendor itself; None for any thought it has not sealed."""
    kept = part.redacted
    if part.family != FAMILY or not kept:
        return None
    if not kept.startswith("{"):
        return kept, None
    try:
        entry = msgspec.json.decode(kept, type=dict[str, Any])
    except msgspec.DecodeError:
        return None
    data, item_id = entry.get("data"), entry.get("id")
    if entry.get("type") != _ENCRYPTED or entry.get("format", _FORMAT) != _FORMAT or not isinstance(data, str):
        return None
    return data, item_id if isinstance(item_id, str) else None


def wrapped(part: Reasoning, opaque: Opaque | None) -> tuple[str, str | None] | None:
    """(encrypted_content, id of its item) for a caller, whoever sealed the thought; None when nothing is to be kept."""
    if part.family is None or not (part.signature or part.redacted):
        return None
    own = encrypted_of(part)
    if own is not None:
        return own
    sealed = carry(part.family, Carried(part.signature, part.redacted), opaque)
    return (sealed, None) if sealed else None


def carry(family: str, carried: Carried, opaque: Opaque | None) -> str:
    """A wrapped seal; empty when there is no way to carry it."""
    return opaque.seal(family, _encode(carried).decode()) if opaque is not None else ""


def seal_of(part: Text | ToolCall, opaque: Opaque | None) -> str:
    """The wrapped seal of a call or of words; empty when it bears none."""
    if not part.signature or not part.family:
        return ""
    if isinstance(part, ToolCall):
        return carry(part.family, Carried(part.signature, call_id=part.id), opaque)
    return carry(part.family, Carried(part.signature, on_text=True), opaque)
