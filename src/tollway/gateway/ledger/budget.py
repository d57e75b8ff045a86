"""When a budget begins anew: days, weeks and months of a time zone, or never."""

import functools
from datetime import date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

KINDS = ("day", "week", "month", "total")


class Period(NamedTuple):
    """One period of a budget, in Unix seconds: the start belongs to it, the end to the next."""

    label: str
    """The first day by the zone's calendar (`2026-11-21`; `2026-11` for months, `-` for ever)."""
    start_s: float
    end_s: float | None
    """None when it never ends."""


def period(kind: str, tz: str, now_s: float) -> Period:
    """The period of a kind (`day`, `week`, `month`, `total`) that `now_s` is in, by the clocks of the zone `tz`.

    Weeks begin on Mondays. Raises ValueError for another kind and ZoneInfoNotFoundError for an unknown zone.
    """
    if kind == "total":
        return Period("-", 0.0, None)
    zone = _zone(tz)
    today = datetime.fromtimestamp(now_s, zone).date()
    if kind == "day":
        first, after = today, today + timedelta(days=1)
    elif kind == "week":
        first = today - timedelta(days=today.weekday())
        after = first + timedelta(days=7)
    elif kind == "month":
        first = today.replace(day=1)
        after = (first + timedelta(days=31)).replace(day=1)
    else:
        raise ValueError(f"no such period: {kind!r}; there are {', '.join(KINDS)}")
    label = f"{first:%Y-%m}" if kind == "month" else first.isoformat()
    return Period(label, _begins(first, zone), _begins(after, zone))


def purse(level: str, kind: str, label: str) -> str:
    """The owner's name under which a level's budget of one period is kept."""
    return f"{level}/{kind}/{label}"


def _begins(day: date, zone: ZoneInfo) -> float:
    """The first moment of a day.

    A midnight that clocks skip is read by the offset before the gap, which is the moment the gap ends; of a midnight
    that comes twice this is the first.
    """
    return datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()


@functools.lru_cache(maxsize=256)
def _zone(tz: str) -> ZoneInfo:
    return ZoneInfo(tz)
