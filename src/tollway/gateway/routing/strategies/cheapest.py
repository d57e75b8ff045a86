"""What this very request will cost the least comes first, counting what a warm cache saves."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from tollway.gateway.routing.plan import Candidate, Cost
from tollway.gateway.routing.strategy import WELL, Observations, Strategy

Rank = tuple[bool, float]
"""Whether somebody is unwell, and the price."""


class Cards(NamedTuple):
    """Candidates by their price cards, the cheaper first."""

    groups: Sequence[Sequence[Candidate]]
    """Of one card each, and either all well or all unwell."""
    settled: bool
    """No request changes the order, unless a cache is warm: no card is cheaper in one thing and dearer in another."""


def order(candidates: Sequence[Candidate], seen: Observations) -> Iterable[Sequence[Candidate]]:
    """One group for each price; what is unwell comes after all that is well: a failed try costs time."""
    cards: Cards = seen.once("cards", candidates, lambda every: _cards(every, seen))
    warm = seen.warmest(candidates)
    if cards.settled and len(warm) < 2:
        return _placed(warm[0], cards.groups, seen) if warm else cards.groups
    ranks: dict[Rank, list[Candidate]] = {}
    for group in cards.groups:
        cold = [one for one in group if one not in warm]
        if cold:
            ranks.setdefault(_rank(cold[0], seen), []).extend(cold)
    for one in warm:
        ranks.setdefault(_rank(one, seen), []).append(one)
    return [ranks[rank] for rank in sorted(ranks)]


def _placed(
    warm: Candidate, groups: Sequence[Sequence[Candidate]], seen: Observations
) -> Iterator[Sequence[Candidate]]:
    """The groups, with the one that is warm taken from its own and put where it now belongs."""
    its_rank, is_placed = _rank(warm, seen), False
    for group in groups:
        cold = next((one for one in group if one is not warm), None)
        if cold is None:
            continue
        if not is_placed and its_rank <= _rank(cold, seen):
            is_placed = True
            yield (warm,)
        yield [one for one in group if one is not warm] if warm in group else group
    if not is_placed:
        yield (warm,)


def _rank(one: Candidate, seen: Observations) -> Rank:
    return seen.score(one) < WELL, seen.price(one)


def _cards(candidates: Sequence[Candidate], seen: Observations) -> Cards:
    found: dict[tuple[bool, Cost], list[Candidate]] = {}
    for one in candidates:
        found.setdefault((seen.score(one) < WELL, one.cost), []).append(one)
    names = sorted(found)
    settled = all(one[0] != other[0] or one[1].never_above(other[1]) for one, other in pairwise(names))
    return Cards(tuple(tuple(found[name]) for name in names), settled)


strategy = Strategy("cheapest", order, remembers=True)
