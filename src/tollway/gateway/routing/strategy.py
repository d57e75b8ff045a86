"""A strategy: a pure ordering of candidates, best first."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from tollway.gateway.routing.plan import Candidate


class Observations(Protocol):
    """All that a strategy may look at besides the candidates; the same answers during the whole of one call."""

    @property
    def draw(self) -> float:
        """A number from 0 up to 1 that the call's id decides."""

    def lot(self, one: Candidate) -> float:
        """A number above 0 and below 1 that the call's id and the lane decide."""

    def shares(self, candidates: Sequence[Candidate]) -> Sequence[float]:
        """Running sums of the candidates' effective weights: weight times health score."""


Order = Callable[[Sequence[Candidate], Observations], Iterable[Sequence[Candidate]]]
"""Groups of equals, best first, which together hold each candidate exactly once. Lazy where order is dear: most calls
look at the first only."""


@dataclass(frozen=True, slots=True)
class Strategy:
    """One way to order candidates. Where it ranks several alike, the next strategy of a chain decides."""

    name: str
    order: Order


def arranged(
    candidates: Sequence[Candidate], chain: Sequence[Strategy], seen: Observations, at: int = 0
) -> Iterator[Candidate]:
    """The candidates in the order of the chain's strategies, each deciding what those before it left open."""
    if at == len(chain):
        yield from candidates
        return
    for group in chain[at].order(candidates, seen):
        if len(group) == 1:
            yield group[0]
        else:
            yield from arranged(group, chain, seen, at + 1)
