"""Each candidate comes first as often as its weight times its health says; weight 0 comes last."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from tollway.gateway.routing.plan import Candidate
from tollway.gateway.routing.strategy import Observations, Strategy


def order(candidates: Sequence[Candidate], seen: Observations) -> Iterator[Sequence[Candidate]]:
    """A weighted permutation that the call's id decides: the first by one draw, the others, when somebody asks for
    them, by a lot each (Efraimidis and Spirakis 2006). What is not among the candidates takes no share."""
    sums = seen.shares(candidates)
    total = sums[-1]
    first = -1
    if total > 0:
        first = bisect_right(sums, seen.draw * total)
        yield (candidates[first],)
    rest = [(one, sums[at] - (sums[at - 1] if at else 0.0)) for at, one in enumerate(candidates) if at != first]
    rest.sort(key=lambda pair: _lot(pair[1], seen.lot(pair[0])), reverse=True)
    for one, _ in rest:
        yield (one,)


def _lot(weight: float, lot: float) -> float:
    return lot ** (1.0 / weight) if weight > 0 else lot - 1.0


strategy = Strategy("weighted", order)
