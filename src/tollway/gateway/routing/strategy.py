"""A strategy: a pure ordering of candidates, best first."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from tollway.gateway.routing.plan import Candidate

T = TypeVar("T")
WELL = 0.5
"""The health score below which a candidate is not preferred for anything else."""
FULL = 0.05
"""A candidate with less headroom than this is not preferred for anything else."""


class Observations(Protocol):
    """All that a strategy may look at besides the candidates; the same answers during the whole of one call."""

    @property
    def draw(self) -> float:
        """A number from 0 up to 1 that the call's id decides."""

    def lot(self, one: Candidate) -> float:
        """A number above 0 and below 1 that the call's id and the lane decide."""

    @property
    def turn(self) -> int:
        """How many calls have chosen among these candidates before this one."""

    def once(self, what: str, candidates: Sequence[Candidate], make: Callable[[Sequence[Candidate]], T]) -> T:
        """`make(candidates)`, where that hangs on nothing of this call: worked out once for many calls."""

    def lately(self, what: str, candidates: Sequence[Candidate], make: Callable[[Sequence[Candidate]], T]) -> T:
        """`make(candidates)`, where that changes a little with each call: worked out for one call in some."""

    def shares(self, candidates: Sequence[Candidate]) -> Sequence[float]:
        """Running sums of the candidates' effective weights: weight times health score."""

    def score(self, one: Candidate) -> float:
        """Health, from 0.05 to 1."""

    def ttfb_ms(self, one: Candidate) -> float:
        """Moving average of the time to the first token; 0 while nobody has measured it."""

    def usual_ttfb_ms(self, candidates: Sequence[Candidate]) -> float:
        """The median over those that were measured; 0 when none was."""

    def due(self, candidates: Sequence[Candidate]) -> Candidate | None:
        """One that has to be measured (again), if this call is the one to do it."""

    @property
    def is_limited(self) -> bool:
        """Whether anything at all limits anybody."""

    def headroom(self, one: Candidate) -> float:
        """What is left of its limits (requests and tokens a minute, calls at once, an engine's queue), 0 to 1."""

    def pressure(self, one: Candidate) -> float:
        """How busy the local engine behind it is: 0 idle, unknown or no local engine, 1 or more overloaded."""

    def price(self, one: Candidate) -> float:
        """Nano-dollars this request is expected to cost there, what its cache holds at the price of a cache read."""

    def warm(self, one: Candidate) -> float:
        """How much of this prompt the provider's cache behind this lane holds, as far as we know, 0 to 1."""

    def warmest(self, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        """Those that are warm at all, the warmest first."""

    def misfit(self, one: Candidate) -> int:
        """How far its model is from what the question needs: 0 for the very model, more for others."""


Order = Callable[[Sequence[Candidate], Observations], Iterable[Sequence[Candidate]]]
"""Groups of equals, best first, which together hold each candidate exactly once. Lazy where order is dear: most calls
look at the first only."""


@dataclass(frozen=True, slots=True)
class Strategy:
    """One way to order candidates. Where it ranks several alike, the next strategy of a chain decides."""

    name: str
    order: Order
    remembers: bool = False
    """Goes by where earlier prompts were answered, so that has to be noted."""


def arranged(
    candidates: Sequence[Candidate], chain: Sequence[Strategy], seen: Observations, at: int = 0
) -> Iterator[Candidate]:
    """The candidates in the order of the chain's strategies, each deciding what those before it left open."""
    while at < len(chain):
        groups = chain[at].order(candidates, seen)
        at += 1
        if isinstance(groups, tuple) and len(groups) == 1:  # it decides nothing here
            candidates = groups[0]
            continue
        for group in groups:
            if len(group) == 1:
                yield group[0]
            elif group:
                yield from arranged(group, chain, seen, at)
        return
    yield from candidates
