"""Candidates of one rank, and which of them can be used now; looked at anew ten times a second, not at each call."""

from collections.abc import Sequence
from itertools import accumulate

from tollway.gateway.routing.health import Health
from tollway.gateway.routing.plan import Candidate

FRESH_S = 0.1
"""For how long health scores are taken to be the same. A circuit that opens or closes is seen at once."""


class Tier:
    """What one call after another may choose from before the next tier is looked at."""

    __slots__ = ("_epoch", "_looked_s", "every", "ready", "sums")

    def __init__(self, every: Sequence[Candidate]) -> None:
        self.every = tuple(every)
        self.ready: tuple[Candidate, ...] = ()
        """Those that can be used now."""
        self.sums: Sequence[float] = ()
        """Running sums of their effective weights."""
        self._looked_s, self._epoch = float("-inf"), -1

    def look(self, health: Health, now_s: float) -> tuple[Candidate, ...]:
        """Those that can be used now (monotonic seconds)."""
        if self._epoch != health.epoch or not 0 <= now_s - self._looked_s < FRESH_S:
            self.ready = tuple(one for one in self.every if health.usable(one, now_s))
            self.sums = shares(self.ready)
            self._looked_s, self._epoch = now_s, health.epoch
        return self.ready


def shares(candidates: Sequence[Candidate]) -> Sequence[float]:
    """Running sums of effective weights."""
    return tuple(accumulate(one.weight for one in candidates))
