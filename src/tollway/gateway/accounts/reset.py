"""When a vendor that said 429 wants to be asked again: reset headers first, then Retry-After."""

import re
from collections.abc import Mapping

from tollway.gateway.remedy import retry_after_s
from tollway.kit.iso8601 import seconds_of

LONGEST_S = 8 * 86_400.0
"""Nobody rests longer: subscriptions are counted in weeks at most."""
SHORTEST_S = 1.0
_RESET = re.compile(rb"(?:^|-)reset(?:-|$)")
_LENGTH = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_EPOCH_S, _EPOCH_MS = 1e9, 1e12
"""Numbers above these are moments, in seconds and in milliseconds."""


def wait_s(headers: Mapping[bytes, bytes], now_s: float) -> float | None:
    """Seconds until the vendor wants to be asked again; None when it does not say.

    Of several reset headers those count whose limit is used up, the latest of them; where none says so, the soonest.
    `now_s`: Unix seconds, for headers that name a moment.
    """
    waits = {name: wait for name, value in headers.items() if (wait := _wait(name, value, now_s)) > 0}
    spent = [wait for name, wait in waits.items() if _is_spent(name, headers)]
    if spent:
        found: float | None = max(spent)
    else:
        found = min(waits.values(), default=None)
    if found is None:
        found = retry_after_s(headers)
    return None if found is None else min(max(found, SHORTEST_S), LONGEST_S)


def _wait(name: bytes, value: bytes, now_s: float) -> float:
    """Seconds from now; 0 when the header says nothing of use."""
    if not _RESET.search(name):
        return 0.0
    text = value.decode("latin-1").strip()
    try:
        number = float(text)
    except ValueError:
        at_s = seconds_of(text)
        return _length(text) if at_s is None else at_s - now_s
    if not 0 <= number < 1e15:
        return 0.0
    if number < _EPOCH_S:
        return number
    return (number / 1000 if number >= _EPOCH_MS else number) - now_s


def _length(text: str) -> float:
    """`6m0s`, `350ms`; 0 for anything else."""
    parts = _LENGTH.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return 0.0
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def _is_spent(reset: bytes, headers: Mapping[bytes, bytes]) -> bool:
    """Whether the limit this header belongs to is used up, as the headers beside it say."""
    before, _, _ = reset.partition(b"reset")
    after = reset[len(before) + len(b"reset") :].removesuffix(b"-after-seconds").removesuffix(b"-at")
    left = headers.get(before + b"remaining" + after, b"")
    used = headers.get(before + b"used-percent" + after, b"")
    status = headers.get(before + b"status" + after, b"")
    return left.strip() == b"0" or _at_least(used, 100.0) or status.strip() in (b"rejected", b"exceeded")


def _at_least(value: bytes, least: float) -> bool:
    try:
        return float(value) >= least
    except ValueError:
        return False
