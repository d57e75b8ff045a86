"""What this very request will cost the least comes first, counting what a warm cache saves."""

from collections.abc import Iterable, Sequence

from tollway.gateway.routing.plan import Candidate
from tollway.gateway.routing.strategy import WELL, Observations, Strategy


def order(candidates: Sequence[Candidate], seen: Observations) -> Iterable[Sequence[Candidate]]:
    """One group for each price; what is unwell comes after all that is well: a failed try costs time."""
    warm = seen.warmest(candidates)
    cold = [one for one in candidates if one not in warm] if warm else candidates
    parts: list[Sequence[Candidate]] = [*((one,) for one in warm), *seen.alike(cold)]
    if len(parts) == 1:
        return parts
    ranks: dict[tuple[bool, float], list[Candidate]] = {}
    for part in parts:
        ranks.setdefault((seen.score(part[0]) < WELL, seen.price(part[0])), []).extend(part)
    return [ranks[rank] for rank in sorted(ranks)]


strategy = Strategy("cheapest", order, remembers=True)
