"""Writes points in time as clients read them."""

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
