"""A user's account statement: what was there, what came and went, what is left."""

import csv
import io
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

from tollway.core.ids import UserId
from tollway.core.money import NANO_PER_CREDIT, credits_of
from tollway.gateway.ledger.store.movements import CHARGES, Moved, Movement, movements
from tollway.kit.iso8601 import iso
from tollway.ports import Database

COLUMNS = ("at", "kind", "credit", "description", "author", "reference", "credits", "balance")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a spreadsheet takes for the beginning of a formula."""
_SAYS = {CHARGES: "calls of the day"}


class Line(NamedTuple):
    """One movement, and what was there after it."""

    movement: Movement
    balance: int


class Statement(NamedTuple):
    """The account of one user in a time; amounts in nano-dollars."""

    user: UserId
    begins_s: float | None
    """None: from the very beginning."""
    ends_s: float | None
    """None: until now."""
    opening: int
    lines: list[Line]
    closing: int
    books: int | None
    """What the books say he has now, when the statement reaches until now: the closing balance, or something is wrong.
    """

    @property
    def exact(self) -> bool:
        """Whether the statement ends where the books are."""
        return self.books in (None, self.closing)


async def statement(
    database: Database, user: UserId, begins_s: float | None = None, ends_s: float | None = None
) -> Statement:
    """The statement of a user from `begins_s` until before `ends_s`, all of it as of one moment."""
    begins = -1.0 if begins_s is None else begins_s
    ends = float(2**53) if ends_s is None else ends_s
    moved = await database.read(lambda tx: movements(tx, user, begins, ends))
    return _drawn_up(user, (begins_s, ends_s), moved)


def _drawn_up(user: UserId, time: tuple[float | None, float | None], moved: Moved) -> Statement:
    lines, balance = [], moved.opening
    for movement in moved.lines:
        balance += movement.amount
        lines.append(Line(movement, balance))
    return Statement(user, *time, moved.opening, lines, balance, moved.books if time[1] is None else None)


def six_places(amount: int) -> str:
    """Nano-dollars as credits with all their digits: a millionth of a credit is a nano-dollar."""
    whole, rest = divmod(abs(amount), NANO_PER_CREDIT)
    return f"{'-' if amount < 0 else ''}{whole}.{rest:06d}"


def as_csv(told: Statement) -> str:
    """The statement for a spreadsheet, none of whose texts can be taken for a formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerow([_time(told.begins_s), "opening", "", "opening balance", "", "", "", six_places(told.opening)])
    for row in _rows(told):
        writer.writerow(row)
    writer.writerow([_time(told.ends_s), "closing", "", "closing balance", "", "", "", six_places(told.closing)])
    return out.getvalue()


def _rows(told: Statement) -> Iterator[list[str]]:
    for one, balance in told.lines:
        texts = [one.kind, one.pot, _SAYS.get(one.kind, one.reason), one.author, one.reference]
        yield [iso(one.at), *map(harmless, texts), six_places(one.amount), six_places(balance)]


def harmless(text: str) -> str:
    """The text, marked as such where a spreadsheet would run it."""
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


def _time(at_s: float | None) -> str:
    return "" if at_s is None or not math.isfinite(at_s) else iso(at_s)


def show_statement(told: Statement) -> dict[str, Any]:
    """The statement as JSON."""
    return {
        "user_id": told.user,
        "from": iso(told.begins_s),
        "to": iso(told.ends_s),
        "opening": _both(told.opening),
        "lines": [_show_line(line) for line in told.lines],
        "closing": _both(told.closing),
        "exact": told.exact,
    }


def _show_line(line: Line) -> dict[str, Any]:
    one = line.movement
    return {
        "at": iso(one.at),
        "entry": one.entry,
        "kind": one.kind,
        "credit": one.pot,
        "description": _SAYS.get(one.kind, one.reason),
        "author": one.author,
        "reference": one.reference,
        **_both(one.amount),
        "balance": _both(line.balance),
    }


def _both(amount: int) -> dict[str, Any]:
    return {"credits": credits_of(amount), "nano_usd": amount}
