"""What this very request will cost the least comes first, counting what a warm cache saves."""

from collections.abc import Iterable, Sequence
from functools import partial

from tollway.gateway.routing.plan import Candidate, Cost
from tollway.gateway.routing.strategy import WELL, Observations, Strategy

Part = tuple[bool, Sequence[Candidate]]
"""Candidates of one price card, and whether they are unwell."""


def order(candidates: Sequence[Candidate], seen: Observations) -> Iterable[Sequence[Candidate]]:
    """One group for each price; what is unwell comes after all that is well: a failed try costs time."""
    parts = seen.once("cards", candidates, partial(_parted, seen))
    warm = seen.warmest(candidates)
    if warm:
        cold = [(unwell, [one for one in part if one not in warm]) for unwell, part in parts]
        parts = [*((seen.score(one) < WELL, (one,)) for one in warm), *(each for each in cold if each[1])]
    if len(parts) == 1:
        return (parts[0][1],)
    ranks: dict[tuple[bool, float], Sequence[Candidate]] = {}
    for unwell, part in parts:
        rank = unwell, seen.price(part[0])
        ranks[rank] = [*ranks[rank], *part] if rank in ranks else part
    return [ranks[rank] for rank in sorted(ranks)]


def _parted(seen: Observations, candidates: Sequence[Candidate]) -> Sequence[Part]:
    parts: dict[tuple[bool, Cost], list[Candidate]] = {}
    for one in candidates:
        parts.setdefault((seen.score(one) < WELL, one.cost), []).append(one)
    return [(unwell, part) for (unwell, _), part in parts.items()]


strategy = Strategy("cheapest", order, remembers=True)
