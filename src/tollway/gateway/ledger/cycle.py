"""The monthly cycles of a plan: they begin on the anchor's day of the month, or on the month's last, in UTC."""

import calendar
from datetime import UTC, datetime
from typing import NamedTuple


class Cycle(NamedTuple):
    """One month of a plan, in Unix seconds: the start belongs to it, the end to the next."""

    start_s: float
    end_s: float


def cycle(anchor_s: float, now_s: float) -> Cycle:
    """The cycle that `now_s` is in, counted from the anchor; the first one when it is before the anchor.

    Every start is computed from the anchor itself, so one that began on the 31st is on the 31st again after February.
    """
    anchor, now = _utc(anchor_s), _utc(now_s)
    months = max(0, (now.year - anchor.year) * 12 + now.month - anchor.month)
    if months and now_s < _later(anchor, months):
        months -= 1
    return Cycle(_later(anchor, months), _later(anchor, months + 1))


def first_day(start_s: float) -> str:
    """The day, in UTC, on which a cycle begins: `2026-11-21`."""
    return f"{_utc(start_s):%Y-%m-%d}"


def _utc(at_s: float) -> datetime:
    return datetime.fromtimestamp(at_s, UTC)


def _later(anchor: datetime, months: int) -> float:
    """So many months after the anchor, clipped to the last day of the month."""
    years, month = divmod(anchor.month - 1 + months, 12)
    year = anchor.year + years
    day = min(anchor.day, calendar.monthrange(year, month + 1)[1])
    return anchor.replace(year=year, month=month + 1, day=day).timestamp()
