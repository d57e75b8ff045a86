"""`reasoning_details[]`: where seals of thoughts travel in a format without a slot for them (relay.md 6.21)."""

from typing import Any

import msgspec

from tollway.core.chat import Reasoning
from tollway.gateway.dialect import Opaque

FAMILY = "openai"
_encode = msgspec.json.Encoder().encode
_TEXT_OF = {"reasoning.text": "text", "reasoning.summary": "summary", "thinking": "thinking"}


class Seal(msgspec.Struct, frozen=True):
    """One entry understood: a seal, its family, and what it hangs on."""

    text: str = ""
    family: str | None = None
    signature: str | None = None
    redacted: str | None = None
    call_id: str | None = None
    """The tool call that carries this seal."""
    on_text: bool = False
    """The seal hangs on the words of the answer, not on a thought."""


def detail(seal: Seal, opaque: Opaque | None) -> dict[str, Any] | None:
    """The entry that carries `seal`; None when there is nothing to carry, or no way to carry another family's seal."""
    value = seal.redacted if seal.redacted is not None else seal.signature
    if value is None:
        return None
    if seal.family != FAMILY:
        if opaque is None or seal.family is None:
            return None
        value = opaque.seal(seal.family, value)
    elif value.startswith("{"):
        return _own_entry(value, seal)
    return _entry(value, seal)


def _entry(value: str, seal: Seal) -> dict[str, Any]:
    if seal.redacted is not None:
        return {"type": "redacted_thinking", "data": value}
    if seal.call_id is not None:
        return {"type": "tool_call", "id": seal.call_id, "signature": value}
    if seal.on_text:
        return {"type": "text", "signature": value}
    return {"type": "thinking", "thinking": seal.text, "signature": value}


def _own_entry(value: str, seal: Seal) -> dict[str, Any] | None:
    """An entry of OpenRouter's, kept whole in the seal but for its text."""
    try:
        entry = msgspec.json.decode(value, type=dict[str, Any])
    except msgspec.DecodeError:
        return None
    slot = _TEXT_OF.get(entry.get("type", ""))
    return {**entry, slot: seal.text} if slot and seal.redacted is None else entry


def seals(entries: Any, opaque: Opaque | None = None) -> list[Seal]:
    """What `reasoning_details` says; entries that cannot be understood are passed over."""
    if not isinstance(entries, list):
        return []
    found = [_seal(entry, opaque) for entry in entries if isinstance(entry, dict)]
    return [seal for seal in found if seal is not None]


def _seal(entry: dict[str, Any], opaque: Opaque | None) -> Seal | None:
    kind = str(entry.get("type", ""))
    slot = _TEXT_OF.get(kind)
    text = entry.get(slot) if slot else None
    words = text if isinstance(text, str) else ""
    hidden = kind in ("redacted_thinking", "reasoning.encrypted")
    value = entry.get("data") if hidden else entry.get("signature")
    if not isinstance(value, str) or not value:
        return Seal(text=words) if words else None
    if kind.startswith("reasoning."):
        rest = {name: item for name, item in entry.items() if name != slot}
        value = _encode(rest).decode()
        return Seal(text=words, family=FAMILY, redacted=value) if hidden else Seal(words, FAMILY, value)
    family: str = FAMILY
    if value.startswith("relay1."):
        opened = opaque.unseal(value) if opaque else (FAMILY, value)
        if opened is None:
            return Seal(text=words) if words else None
        family, value = opened
    if hidden:
        return Seal(family=family, redacted=value)
    call_id = entry.get("id") if kind == "tool_call" else None
    return Seal(words, family, value, call_id=call_id if isinstance(call_id, str) else None, on_text=kind == "text")


def thoughts(told: str, details: list[Seal]) -> list[Reasoning]:
    """Reasoning parts from `reasoning_content` and what `reasoning_details` adds to it."""
    carried = [seal for seal in details if seal.call_id is None and not seal.on_text]
    signed = [seal for seal in carried if seal.redacted is None]
    parts: list[Reasoning] = []
    if told and not any(seal.text for seal in signed):
        first = next((seal for seal in signed if seal.signature), None)
        parts.append(
            Reasoning(told, first.signature if first else None, family=first.family if first else None),
        )
        carried = [seal for seal in carried if seal is not first]
    for seal in carried:
        if seal.text or seal.signature or seal.redacted:
            parts.append(Reasoning(seal.text, seal.signature, seal.redacted, seal.family))
    return parts
