"""What changes from one price card to another, field by field, and which changes can only be a slip."""

from decimal import Decimal
from typing import NamedTuple

from tollway.gateway.price_list import PriceRow

JUMP = 5
"""A price that grows more than so many times, or shrinks to less than that part, is taken for a slip."""

_PARENT = {
    **dict.fromkeys(("cache_read", "cache_write_5m", "cache_write_1h", "image_in", "audio_in"), "input"),
    **dict.fromkeys(("image_out", "audio_out"), "output"),
    "long_input": "input",
    "long_output": "output",
}
"""A class left out costs what its parent costs."""
_LONE = ("per_image", "long_context_over")
"""Where nothing stands there is nothing to compare with: these begin or cease to be."""
_IN_ORDER = ("input", "output", *_PARENT, *_LONE)


class Change(NamedTuple):
    """One field of a card, before and after."""

    field: str
    """As in TOML: `input`, `per_tool_call.web_search`."""
    old: Decimal | None
    """US dollars (a number of tokens for `long_context_over`); None when the card did not state it."""
    new: Decimal | None
    percent: Decimal | None
    """By how much what is really charged changes; None when it was nothing before."""
    jump: bool
    """More than anybody would mean; see `JUMP`."""


def changes(old: PriceRow, new: PriceRow) -> list[Change]:
    """Every field that changes; none when the cards say the same."""
    found = [_of_field(name, old, new) for name in _IN_ORDER if getattr(old, name) != getattr(new, name)]
    tools = old.per_tool_call.keys() | new.per_tool_call.keys()
    found += [
        _of_tool(name, old.per_tool_call.get(name), new.per_tool_call.get(name))
        for name in sorted(tools)
        if old.per_tool_call.get(name) != new.per_tool_call.get(name)
    ]
    if old.image_model != new.image_model:
        found.append(Change("image_model", Decimal(old.image_model), Decimal(new.image_model), None, False))
    return found


def is_jump(old: Decimal, new: Decimal) -> bool:
    """Whether a price grows or shrinks out of all proportion; from or to nothing always is."""
    return old != new and (new > old * JUMP or new * JUMP < old)


def _of_field(name: str, old: PriceRow, new: PriceRow) -> Change:
    before, after = getattr(old, name), getattr(new, name)
    if name in _LONE:
        return _lone(name, before, after)
    was, will_be = _charged(name, old), _charged(name, new)
    return Change(name, before, after, _percent(was, will_be), is_jump(was, will_be))


def _charged(name: str, row: PriceRow) -> Decimal:
    own: Decimal | None = getattr(row, name)
    inherited: Decimal = getattr(row, _PARENT.get(name, name))
    return inherited if own is None else own


def _lone(name: str, before: Decimal | int | None, after: Decimal | int | None) -> Change:
    old = None if before is None else Decimal(before)
    new = None if after is None else Decimal(after)
    if old is None or new is None:  # a picture's price takes the place of its tokens', or gives it back
        return Change(name, old, new, None, name == "per_image")
    return Change(name, old, new, _percent(old, new), is_jump(old, new))


def _of_tool(name: str, old: Decimal | None, new: Decimal | None) -> Change:
    """A tool that had no price was not sold before; one that loses it would be free."""
    field = f"per_tool_call.{name}"
    if old is None:
        return Change(field, old, new, None, False)
    will_be = Decimal(0) if new is None else new
    return Change(field, old, new, _percent(old, will_be), is_jump(old, will_be))


def _percent(old: Decimal, new: Decimal) -> Decimal | None:
    return None if not old else ((new - old) / old * 100).quantize(Decimal("0.01"))
