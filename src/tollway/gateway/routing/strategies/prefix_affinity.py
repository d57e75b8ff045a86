"""Whoever's cache holds most of this prompt comes first, unless it is slow, full or unwell."""

from collections.abc import Iterable, Iterator, Sequence

from tollway.gateway.routing.plan import Candidate
from tollway.gateway.routing.strategy import FULL, WELL, Observations, Strategy

SLOW = 2.5
"""A warm channel is left when it takes so many times as long to the first token as is usual."""
NOT_SLOW_MS = 500.0
"""Nobody is left for less than this."""


def order(candidates: Sequence[Candidate], seen: Observations) -> Iterable[Sequence[Candidate]]:
    """The warm ones, the warmest first; then all others together."""
    warm = seen.warmest(candidates)
    return _warm_first(warm, candidates, seen) if warm else (candidates,)


def _warm_first(
    warm: Sequence[Candidate], candidates: Sequence[Candidate], seen: Observations
) -> Iterator[Sequence[Candidate]]:
    usual_ms = seen.usual_ttfb_ms(candidates)
    kept = [one for one in warm if _worth(one, seen, usual_ms)]
    for one in kept:
        yield (one,)
    yield [one for one in candidates if one not in kept] if kept else candidates


def _worth(one: Candidate, seen: Observations, usual_ms: float) -> bool:
    if seen.score(one) < WELL or seen.headroom(one) < FULL:
        return False
    return seen.ttfb_ms(one) <= max(NOT_SLOW_MS, SLOW * usual_ms)


strategy = Strategy("prefix_affinity", order, remembers=True)
