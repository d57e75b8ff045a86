"""Candidates of one rank, and which of them can be used now; looked at anew ten times a second, not at each call."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from tollway.gateway.routing.health import Health
from tollway.gateway.routing.keys import chooses
from tollway.gateway.routing.plan import Candidate

FRESH_S = 0.1
"""For how long health scores are taken to be the same. A circuit that opens or closes is seen at once."""
MOST = 256
"""Conclusions kept at once."""
T = TypeVar("T")


class Tier:
    """What one call after another may choose from before the next tier is looked at."""

    __slots__ = ("_concluded", "_epoch", "_looked_s", "every", "has_turns", "name", "ready")

    def __init__(self, name: str, every: Sequence[Candidate]) -> None:
        self.name = name
        """Tells whose turns are counted; the same in the next router."""
        self.every = tuple(every)
        self.has_turns = any(chooses(one.channel) for one in self.every)
        """Some channel says which of its keys comes first."""
        self.ready: tuple[Candidate, ...] = ()
        """Those that can be used now."""
        self._looked_s, self._epoch = float("-inf"), -1
        self._concluded: dict[tuple[str, int], tuple[Sequence[Candidate], Any]] = {}

    def look(self, health: Health, now_s: float) -> tuple[Candidate, ...]:
        """Those that can be used now (monotonic seconds)."""
        if self._epoch != health.epoch or not 0 <= now_s - self._looked_s < FRESH_S:
            self.ready = tuple(one for one in self.every if health.usable(one, now_s))
            self._looked_s, self._epoch = now_s, health.epoch
            self._concluded.clear()
        return self.ready

    def once(self, what: str, candidates: Sequence[Candidate], make: Callable[[Sequence[Candidate]], T]) -> T:
        """`make(candidates)`, worked out once until the next look; `what` names the conclusion."""
        key = what, id(candidates)
        found = self._concluded.get(key)
        if found is None:
            if len(self._concluded) >= MOST:
                self._concluded.clear()
            found = self._concluded[key] = (candidates, make(candidates))  # kept alive, so its id stays its own
        result: T = found[1]
        return result
