"""Reads the points in time that people state: a date, or a time in ISO 8601, UTC unless it says otherwise."""

from datetime import UTC, date, datetime, timedelta
from typing import overload

from tollway.core.errors import BadRequest

_DATE_LENGTH = len("2027-01-31")


@overload
def moment(text: str, field: str) -> float: ...
@overload
def moment(text: str | None, field: str) -> float | None: ...
def moment(text: str | None, field: str) -> float | None:
    """Unix seconds; a date is its first moment. None stays None. Raises BadRequest naming `field`."""
    if text is None:
        return None
    try:
        stated = datetime.fromisoformat(text.strip())
        return (stated if stated.tzinfo else stated.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError) as error:
        problem = f"{text[:60]!r} is no time: write 2027-01-31 or 2027-01-31T12:00Z"
        raise BadRequest(f"{field}: {problem}", field=field) from error


def day_after(text: str | None, field: str) -> float | None:
    """The end of a time, not itself included: a date is meant to its end, so it is the first moment of the next."""
    if text is None or len(text.strip()) > _DATE_LENGTH:
        return moment(text, field)
    try:
        return moment((date.fromisoformat(text.strip()) + timedelta(days=1)).isoformat(), field)
    except (ValueError, OverflowError):
        return moment(text, field)
