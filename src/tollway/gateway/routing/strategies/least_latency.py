"""The quicker of two drawn at random comes first (power of two choices); what nobody measured gets the next turn."""

import math
from collections.abc import Iterator, Sequence

from tollway.gateway.routing.plan import Candidate
from tollway.gateway.routing.strategy import Observations, Strategy


def order(candidates: Sequence[Candidate], seen: Observations) -> Iterator[Sequence[Candidate]]:
    """Two choices, not the very best, so that not every call of every process runs to the same channel at once."""
    due = seen.due(candidates)
    if due is not None:
        yield (due,)
    rest = candidates if due is None else [one for one in candidates if one is not due]
    if len(rest) > 2:
        one, other = _two_of(rest, seen.draw)
        best = one if _wait_ms(one, seen) <= _wait_ms(other, seen) else other
        yield (best,)
        rest = [one for one in rest if one is not best]
    for one in sorted(rest, key=lambda one: _wait_ms(one, seen)):
        yield (one,)


def _wait_ms(one: Candidate, seen: Observations) -> float:
    ttfb_ms = seen.ttfb_ms(one) or math.inf
    return ttfb_ms / max(seen.headroom(one), 0.01) if seen.is_limited else ttfb_ms


def _two_of(candidates: Sequence[Candidate], draw: float) -> tuple[Candidate, Candidate]:
    """Two different ones, each pair as likely as any other."""
    others = len(candidates) - 1
    first, second = divmod(int(draw * (others + 1) * others), others)
    return candidates[first], candidates[second if second < first else second + 1]


strategy = Strategy("least_latency", order)
