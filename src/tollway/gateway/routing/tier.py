"""Candidates of one rank, and which of them can be used now; looked at anew ten times a second, not at each call."""

from collections.abc import Sequence
from itertools import accumulate
from statistics import median_low

from tollway.gateway.routing.health import Health
from tollway.gateway.routing.plan import Candidate, Cost
from tollway.gateway.routing.strategy import WELL

FRESH_S = 0.1
"""For how long health scores are taken to be the same. A circuit that opens or closes is seen at once."""


class Tier:
    """What one call after another may choose from before the next tier is looked at."""

    __slots__ = ("_alike", "_epoch", "_looked_s", "_sums", "_ttfb_ms", "_unmeasured", "every", "name", "ready")

    def __init__(self, name: str, every: Sequence[Candidate]) -> None:
        self.name = name
        """Tells whose turns are counted; the same in the next router."""
        self.every = tuple(every)
        self.ready: tuple[Candidate, ...] = ()
        """Those that can be used now."""
        self._looked_s, self._epoch = float("-inf"), -1
        self._forget()

    def _forget(self) -> None:
        self._sums: Sequence[float] | None = None
        self._alike: Sequence[Sequence[Candidate]] | None = None
        self._unmeasured: Sequence[Candidate] | None = None
        self._ttfb_ms = -1.0

    def look(self, health: Health, now_s: float) -> tuple[Candidate, ...]:
        """Those that can be used now (monotonic seconds)."""
        if self._epoch != health.epoch or not 0 <= now_s - self._looked_s < FRESH_S:
            self.ready = tuple(one for one in self.every if health.usable(one, now_s))
            self._looked_s, self._epoch = now_s, health.epoch
            self._forget()
        return self.ready

    def sums(self, health: Health) -> Sequence[float]:
        """`shares` of those that are ready."""
        if self._sums is None:
            self._sums = shares(self.ready, health)
        return self._sums

    def alike(self, health: Health) -> Sequence[Sequence[Candidate]]:
        """`alike` of those that are ready."""
        if self._alike is None:
            self._alike = alike(self.ready, health)
        return self._alike

    def ttfb_ms(self, health: Health) -> float:
        """`usual_ttfb_ms` of those that are ready."""
        if self._ttfb_ms < 0:
            self._ttfb_ms = usual_ttfb_ms(self.ready, health)
        return self._ttfb_ms

    def unmeasured(self, health: Health) -> Sequence[Candidate]:
        """Those whose time to the first token nobody knows."""
        if self._unmeasured is None:
            self._unmeasured = [one for one in self.ready if not health.ttfb_ms(one)]
        return self._unmeasured


def shares(candidates: Sequence[Candidate], health: Health) -> Sequence[float]:
    """Running sums of effective weights: weight times health score."""
    return tuple(accumulate(one.weight * health.score(one) for one in candidates))


def alike(candidates: Sequence[Candidate], health: Health) -> Sequence[Sequence[Candidate]]:
    """Parts of one price each, what is unwell apart from the others."""
    parts: dict[tuple[Cost, bool], list[Candidate]] = {}
    for one in candidates:
        parts.setdefault((one.cost, health.score(one) < WELL), []).append(one)
    return tuple(parts.values())


def usual_ttfb_ms(candidates: Sequence[Candidate], health: Health) -> float:
    """The median time to the first token over those that were measured; 0 when none was."""
    known = [ttfb_ms for one in candidates if (ttfb_ms := health.ttfb_ms(one))]
    return median_low(known) if known else 0.0
