"""Carries seals through the only slots Messages has for them: thinking signatures and redacted data (relay.md 6.21c).

Our own family's seals travel as they are. A foreign one is wrapped by `Opaque`; a seal that belongs to a tool call
(Gemini hangs its thoughts there) travels as a redacted_thinking block just before the tool_use block it belongs to.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from tollway.core.chat import Part, Reasoning, ToolCall
from tollway.gateway.dialect import Opaque

FAMILY = "anthropic"
UNSEALED = "none"
"""Family of the placeholder under a thought that nobody sealed."""
_ON_TOOL = "+tool"
MARK = "relay1."
"""How every wrapped seal begins; the vendor would refuse it."""


def wrap(family: str, seal: str, opaque: Opaque | None) -> str:
    """A seal as it may stand in a signature or in redacted data; empty when there is no way to carry it."""
    if family == FAMILY:
        return seal
    return opaque.seal(family, seal) if opaque else ""


def placeholder(opaque: Opaque | None) -> str:
    """A signature for a thought that has none."""
    return wrap(UNSEALED, "", opaque)


def wrap_tool(call_id: str, family: str | None, seal: str | None, opaque: Opaque | None) -> str:
    """Redacted data that carries a tool call's seal; empty when there is none to carry."""
    if not seal or not family or family == FAMILY or opaque is None:
        return ""
    return opaque.seal(family + _ON_TOOL, f"{call_id} {seal}")


def read_thinking(text: str, signature: str | None, opaque: Opaque) -> Reasoning:
    """A thinking block as a thought of whoever sealed it."""
    if not signature:
        return Reasoning(text)
    opened = opaque.unseal(signature)
    if opened is None:
        return Reasoning(text, signature=signature, family=FAMILY)
    family, seal = opened
    return Reasoning(text) if family == UNSEALED else Reasoning(text, signature=seal, family=family)


def read_redacted(data: str, opaque: Opaque) -> Reasoning:
    """A redacted_thinking block; one that belongs to a tool call keeps its mark until `settle`."""
    opened = opaque.unseal(data)
    if opened is None:
        return Reasoning(redacted=data, family=FAMILY)
    return Reasoning(redacted=opened[1], family=opened[0])


def settle(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Hang seals that travelled beside a tool call on the call again."""
    seals: dict[str, tuple[str, str]] = {}
    kept: list[Part] = []
    for part in parts:
        if isinstance(part, Reasoning) and part.family is not None and part.family.endswith(_ON_TOOL):
            call_id, _, seal = (part.redacted or "").partition(" ")
            seals[call_id] = (part.family.removesuffix(_ON_TOOL), seal)
        elif isinstance(part, ToolCall) and part.id in seals:
            family, seal = seals[part.id]
            kept.append(msgspec.structs.replace(part, signature=seal, family=family))
        else:
            kept.append(part)
    return tuple(kept)


def foreign(block: Any) -> bool:
    """Whether a content block holds a seal that we wrapped, so that the vendor must not see it."""
    if not isinstance(block, dict):
        return False
    seal = block.get("signature") if block.get("type") == "thinking" else block.get("data")
    kind = block.get("type")
    return kind in ("thinking", "redacted_thinking") and isinstance(seal, str) and seal.startswith(MARK)
