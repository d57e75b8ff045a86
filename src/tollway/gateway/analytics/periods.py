"""Days and months in UTC, as the daily sums count them."""

from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

DAY_S = 86_400
_EPOCH = date(1970, 1, 1)


class Span(NamedTuple):
    """Days since 1970, both included."""

    first: int
    last: int


def day_of(at_s: float) -> int:
    """The day a moment belongs to."""
    return int(at_s // DAY_S)


def written(day: int) -> str:
    """`2026-11-21`."""
    return (_EPOCH + timedelta(days=day)).isoformat()


def month_of(at_s: float) -> tuple[float, float]:
    """Unix seconds of the beginning and the end of the calendar month."""
    begins = datetime.fromtimestamp(at_s, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return begins.timestamp(), (begins + timedelta(days=32)).replace(day=1).timestamp()


def latest(days: int, now_s: float) -> Span:
    """The latest so many days, today included."""
    today = day_of(now_s)
    return Span(today - days + 1, today)
