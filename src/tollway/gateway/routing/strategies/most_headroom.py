"""Whoever has most left of its limits (requests and tokens a minute, calls at once) comes first."""

from collections.abc import Iterable, Sequence

from tollway.gateway.routing.plan import Candidate
from tollway.gateway.routing.strategy import Observations, Strategy

STEPS = 100
"""Differences of less than one part in so many are none."""


def order(candidates: Sequence[Candidate], seen: Observations) -> Iterable[Sequence[Candidate]]:
    """One group for each hundredth of headroom."""
    if not seen.is_limited:
        return (candidates,)
    return seen.lately("headroom", candidates, lambda every: _parted(every, seen))


def _parted(candidates: Sequence[Candidate], seen: Observations) -> Sequence[Sequence[Candidate]]:
    found: dict[int, list[Candidate]] = {}
    for one in candidates:
        found.setdefault(int(seen.headroom(one) * STEPS), []).append(one)
    return tuple(found[step] for step in sorted(found, reverse=True))


strategy = Strategy("most_headroom", order)
