"""Writes points in time as clients read them, and reads theirs."""

from datetime import UTC, datetime
from typing import overload


@overload
def iso(at_s: float) -> str: ...
@overload
def iso(at_s: None) -> None: ...
@overload
def iso(at_s: float | None) -> str | None: ...
def iso(at_s: float | None) -> str | None:
    """Unix seconds in ISO 8601, UTC, to the millisecond; None stays None."""
    if at_s is None:
        return None
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_of(text: str) -> float | None:
    """A time in ISO 8601 as Unix seconds, UTC where it names no zone; None when it is none."""
    try:
        at = datetime.fromisoformat(text.strip())
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
