"""What providers on this wire do to a body to make it their own: leave out, rename, retouch turns."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec

from tollway.core.errors import BadRequest
from tollway.gateway.dialect import Body

Turn = dict[str, Any]
"""One message; its values are Python objects, or `msgspec.Raw` spans when the body passes through."""

_read_turns = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode


def without(body: Body, names: Collection[str]) -> Body:
    """The body without these fields."""
    return {name: value for name, value in body.items() if name not in names}


def renamed(body: Body, names: Mapping[str, str]) -> Body:
    """The body with fields under other names; a field that already has the new name wins."""
    said = without(body, names)
    for old, new in names.items():
        if old in body:
            said.setdefault(new, body[old])
    return said


def present(body: Body, names: Collection[str]) -> tuple[str, ...]:
    """Which of these fields the body has, in its own order."""
    return tuple(name for name in body if name in names)


def retouched(messages: Any, change: Callable[[int, Turn], Turn]) -> Any:
    """`messages` with every turn changed, told its place; what is no list of objects is left as it is."""
    if isinstance(messages, msgspec.Raw):
        try:
            turns: list[Turn] = list(_read_turns(messages))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return messages
    elif isinstance(messages, list) and all(isinstance(turn, dict) for turn in messages):
        turns = messages
    else:
        return messages
    return [change(place, turn) for place, turn in enumerate(turns)]


def word(value: Any) -> str | None:
    """A field that may be a string, whichever way it is held."""
    if isinstance(value, msgspec.Raw):
        try:
            value = msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadRequest(f"messages: not valid JSON: {error}", field="messages") from error
    return value if isinstance(value, str) else None


def with_role(turn: Turn, old: str, new: str) -> Turn:
    """The turn under another role, if it has the old one."""
    return {**turn, "role": new} if word(turn.get("role")) == old else turn
