"""The model that suits the question best comes first: a small one for a greeting, a large one for a proof."""

from collections.abc import Iterable, Sequence

from tollway.gateway.routing.plan import Candidate
from tollway.gateway.routing.strategy import Observations, Strategy


def order(candidates: Sequence[Candidate], seen: Observations) -> Iterable[Sequence[Candidate]]:
    """One group for each step away from the very model."""
    if seen.once("one_model", candidates, _is_one_model):
        return (candidates,)
    found: dict[int, list[Candidate]] = {}
    for one in candidates:
        found.setdefault(seen.misfit(one), []).append(one)
    return [found[step] for step in sorted(found)]


def _is_one_model(candidates: Sequence[Candidate]) -> bool:
    return len({one.model.id for one in candidates}) == 1


strategy = Strategy("by_complexity", order)
