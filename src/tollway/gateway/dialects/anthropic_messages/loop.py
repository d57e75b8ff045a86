"""Tells of a tool loop whose thoughts are lost: the vendor, asked to think by a budget, wants them back first."""

from typing import Any

import msgspec

from tollway.gateway.dialect import Body, Target

_THOUGHTS = frozenset({"thinking", "redacted_thinking"})
_encode = msgspec.json.Encoder().encode


class _Typed(msgspec.Struct, frozen=True, gc=False):
    """As much of a block, or of the thinking config, as matters here."""

    type: str


class _Turn(msgspec.Struct, frozen=True, gc=False):
    role: str
    content: msgspec.Raw


_read_typed = msgspec.json.Decoder(_Typed).decode
_read_turns = msgspec.json.Decoder(list[_Turn]).decode
_read_blocks = msgspec.json.Decoder(list[_Typed] | str).decode


def loses_thoughts(body: Body) -> bool:
    """Whether thinking is asked for by a budget in the middle of a tool loop that does not begin with a thought.

    False for what cannot be read: the vendor will say what is wrong with it.
    """
    thinking, messages = body.get("thinking"), body.get("messages")
    if thinking is None or messages is None:
        return False
    try:
        return _read_typed(_bytes(thinking)).type == "enabled" and _broken(_bytes(messages))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def unthinkable(body: Body, target: Target) -> tuple[str, ...]:
    """What a provider of this dialect must leave out: thinking is refused in a tool loop that another provider's answer
    began without thoughts of Claude's."""
    return ("thinking",) if loses_thoughts(body) else ()


def without_thinking(body: Body, target: Target) -> Body:
    """The accent of the same: the body without it, where it would be refused."""
    return {name: value for name, value in body.items() if name != "thinking"} if loses_thoughts(body) else body


def _bytes(value: Any) -> bytes:
    return bytes(value) if isinstance(value, msgspec.Raw) else _encode(value)


def _broken(messages: bytes) -> bool:
    if b'"tool_result"' not in messages:
        return False
    turns = _read_turns(messages)
    ahead = len(turns)
    while ahead and turns[ahead - 1].role == "user":
        ahead -= 1
    if not any(kind == "tool_result" for turn in turns[ahead:] for kind in _kinds(turn)):
        return False
    first = ahead
    while first and turns[first - 1].role == "assistant":
        first -= 1
    said = [kind for turn in turns[first:ahead] for kind in _kinds(turn)]
    return bool(said) and said[0] not in _THOUGHTS


def _kinds(turn: _Turn) -> list[str]:
    blocks = _read_blocks(turn.content)
    return ["text"] if isinstance(blocks, str) else [block.type for block in blocks]
