"""What routing remembers from one call to the next; it lives on when the router is replaced by a new one."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

from tollway.core.ids import LaneId
from tollway.core.routing import USUAL_ROUTING, RoutingRules
from tollway.gateway.routing.plan import Candidate
from tollway.gateway.routing.prefix import Mark

HEAD_SHARE = 0.5
"""A common head alone makes a lane warm only for prompts of which it is at least so much."""
EVERY = 20
"""At most one call in so many measures again what was measured long ago."""
MOST_COUNTERS = 10_000
MOST_UNTOLD = 500
"""Prefixes kept for other processes until they are told; what comes after pushes out the oldest."""


class Warm(NamedTuple):
    """Who has answered a prompt, and when."""

    lane: LaneId
    model: str
    at_s: float


class Memory:
    """Whose cache is warm, whose turn it is, who was chosen last. Bounded; all times are monotonic seconds."""

    __slots__ = ("_calls", "_chosen", "_prefixes", "_rules", "_turns", "shared", "untold")

    def __init__(self, rules: RoutingRules = USUAL_ROUTING, shared: bool = False) -> None:
        """`shared`: prefixes are the same in other processes, and kept for them in `untold`."""
        self._rules, self.shared = rules, shared
        self.untold: dict[int, Warm] = {}
        """Prefixes that were answered here since somebody took them."""
        self._prefixes: OrderedDict[int, Warm] = OrderedDict()
        self._turns: dict[str, int] = {}
        self._chosen: dict[tuple[str, str], float] = {}
        self._calls = 0

    def copy(self) -> "Memory":
        """One to look at, that takes nobody's turn."""
        other = Memory(self._rules, self.shared)
        other._prefixes, other._turns = OrderedDict(self._prefixes), dict(self._turns)
        other._chosen, other._calls = dict(self._chosen), self._calls
        return other

    def __len__(self) -> int:
        """Prefixes remembered."""
        return len(self._prefixes)

    # -- whose cache is warm -----------------------------------------------------------------------------------

    def warm(self, marks: Sequence[Mark], now_s: float) -> dict[tuple[str, str], float]:
        """How much of a prompt (its marks, longest first) each (lane, model) is believed to hold, 0 to 1."""
        found: dict[tuple[str, str], float] = {}
        for mark in marks:
            entry = self._prefixes.get(mark.digest)
            if entry is None or (mark.is_head and mark.share < HEAD_SHARE):
                continue
            if now_s - entry.at_s > self._rules.affinity_ttl_s:
                del self._prefixes[mark.digest]
            else:
                found.setdefault((entry.lane, entry.model), mark.share)
        return found

    def note(self, marks: Sequence[Mark], one: Candidate, now_s: float) -> None:
        """It has answered this prompt: remember the whole of it, its first turn and its head."""
        if not marks or not self._rules.affinity_entries:
            return
        entry = Warm(one.lane, one.model.id, now_s)
        turns = [mark for mark in marks if not mark.is_head]
        kept = {marks[0], *turns[:2], *turns[-1:], *[mark for mark in marks if mark.is_head][:1]}
        for mark in kept:
            self._prefixes[mark.digest] = entry
            self._prefixes.move_to_end(mark.digest)
            if self.shared:
                self._tell(mark.digest, entry)
        self._trim()

    def adopt(self, digest: int, entry: Warm) -> None:
        """Another process says that this prompt was answered there."""
        known = self._prefixes.get(digest)
        if known is None or known.at_s < entry.at_s:
            self._prefixes[digest] = entry
            self._prefixes.move_to_end(digest)
            self._trim()

    def _tell(self, digest: int, entry: Warm) -> None:
        untold = self.untold
        untold.pop(digest, None)
        untold[digest] = entry
        if len(untold) > MOST_UNTOLD:
            del untold[next(iter(untold))]

    def _trim(self) -> None:
        while len(self._prefixes) > self._rules.affinity_entries:
            self._prefixes.popitem(last=False)

    # -- whose turn it is --------------------------------------------------------------------------------------

    def turn(self, whose: str) -> int:
        """A number that grows by one with each asking, beginning at 0."""
        if len(self._turns) > MOST_COUNTERS:
            self._turns.clear()
        number = self._turns.get(whose, 0)
        self._turns[whose] = number + 1
        return number

    # -- who was chosen last -----------------------------------------------------------------------------------

    def due(self, unmeasured: Sequence[Candidate], every: Sequence[Candidate], now_s: float) -> Candidate | None:
        """One that nobody has measured or is measuring; else, for one call in twenty, the one that was chosen longest
        ago, if that is long ago. Whoever asks is taken to choose it."""
        chosen = self._chosen
        for one in unmeasured:
            if (one.lane, one.model.id) not in chosen:
                self.chosen(one, now_s)
                return one
        self._calls += 1
        if self._calls < EVERY:
            return None
        self._calls = 0
        oldest = min(every, key=lambda one: chosen.get((one.lane, one.model.id), 0.0))
        if now_s - chosen.get((oldest.lane, oldest.model.id), 0.0) < self._rules.remeasure_s:
            return None
        self.chosen(oldest, now_s)
        return oldest

    def chosen(self, one: Candidate, now_s: float) -> None:
        """It comes first for a call that begins now."""
        if len(self._chosen) > MOST_COUNTERS:
            self._chosen.clear()
        self._chosen[(one.lane, one.model.id)] = now_s
