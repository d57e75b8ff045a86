"""What routing remembers from one call to the next; it lives on when the router is replaced by a new one."""

from collections import OrderedDict
from collections.abc import Sequence

import msgspec

from tollway.core.ids import LaneId
from tollway.core.routing import USUAL_ROUTING, RoutingRules
from tollway.gateway.routing.plan import Candidate
from tollway.gateway.routing.prefix import HEAD_SHARE, Prompt

ALIKE = 8
"""Conversations told apart that begin with the same words."""
EVERY = 20
"""At most one call in so many measures again what was measured long ago."""
MOST_COUNTERS = 10_000
MOST_UNTOLD = 500
"""Beginnings kept for other processes until they are told; what comes after pushes out the oldest."""


class Warm(msgspec.Struct, frozen=True, gc=False):
    """Where a prompt is believed to be in a cache."""

    lane: LaneId
    model: str
    share: float
    """How much of it, 0 to 1."""


class Known(msgspec.Struct, frozen=True, gc=False):
    """Who has answered a prompt, and when."""

    lane: LaneId
    model: str
    at_s: float
    end: int
    """Bytes of its turns, ..."""
    check: int
    """... and their number."""


class Memory:
    """Whose cache is warm, whose turn it is, who was chosen last. Bounded; all times are monotonic seconds."""

    __slots__ = ("_calls", "_chosen", "_known", "_rules", "_turns", "shared", "untold")

    def __init__(self, rules: RoutingRules = USUAL_ROUTING, shared: bool = False) -> None:
        """`shared`: what is answered here is kept in `untold`, for other processes."""
        self._rules, self.shared = rules, shared
        self.untold: dict[int, Known] = {}
        """What was answered here since somebody took it."""
        self._known: OrderedDict[int, tuple[Known, ...]] = OrderedDict()
        """By the number of a name, a beginning or instructions; of each the latest first."""
        self._turns: dict[str, int] = {}
        self._chosen: dict[tuple[str, str], float] = {}
        self._calls = 0

    def copy(self) -> "Memory":
        """One to look at, that takes nobody's turn."""
        other = Memory(self._rules, self.shared)
        other._known, other._turns = OrderedDict(self._known), dict(self._turns)
        other._chosen, other._calls = dict(self._chosen), self._calls
        return other

    def __len__(self) -> int:
        """Beginnings remembered."""
        return len(self._known)

    # -- whose cache is warm -----------------------------------------------------------------------------------

    def warm(self, prompt: Prompt, now_s: float) -> Warm | None:
        """Who has answered the latest beginning of this prompt that is known; None when nobody has."""
        known = self._known
        if prompt.name_key in known:
            for one in self._fresh(prompt.name_key, now_s):
                return Warm(one.lane, one.model, 1.0)
        if prompt.talk_key in known:
            for one in self._fresh(prompt.talk_key, now_s):
                if one.end <= prompt.end and one.check == prompt.check(one.end):
                    return Warm(one.lane, one.model, prompt.share(one.end))
        for key, end in ((prompt.head_key, prompt.first), (prompt.aside_key, 0)):
            if key in known and prompt.share(end) >= HEAD_SHARE:
                for one in self._fresh(key, now_s):
                    return Warm(one.lane, one.model, prompt.share(end))
        return None

    def _fresh(self, key: int, now_s: float) -> Sequence[Known]:
        """What is known there and not too long ago, the latest first."""
        found, oldest_s = self._known[key], now_s - self._rules.affinity_ttl_s
        if found[-1].at_s < oldest_s:
            found = tuple(one for one in found if one.at_s >= oldest_s)
            if found:
                self._known[key] = found
            else:
                del self._known[key]
        return found

    def note(self, prompt: Prompt, one: Candidate, now_s: float) -> None:
        """It has answered this prompt."""
        known, most = self._known, self._rules.affinity_entries
        if not most:
            return
        entry = Known(one.lane, one.model.id, now_s, prompt.end, prompt.check(prompt.end))
        for key in (prompt.aside_key, prompt.head_key, prompt.name_key):
            if key:
                known.pop(key, None)
                known[key] = (entry,)
        key = prompt.talk_key
        known[key] = (entry, *known.pop(key)[: ALIKE - 1]) if key in known else (entry,)
        while len(known) > most:
            known.popitem(last=False)
        if self.shared:
            self._tell(prompt, entry)

    def _tell(self, prompt: Prompt, entry: Known) -> None:
        untold = self.untold
        for key in (prompt.aside_key, prompt.head_key, prompt.name_key, prompt.talk_key):
            if key:
                untold.pop(key, None)
                untold[key] = entry
        while len(untold) > MOST_UNTOLD:
            del untold[next(iter(untold))]

    def adopt(self, key: int, entry: Known) -> None:
        """Another process says that this was answered there."""
        known = self._known
        found = {(one.end, one.check): one for one in known.get(key, ())}
        same = found.get((entry.end, entry.check))
        if same is not None and same.at_s >= entry.at_s:
            return
        found[entry.end, entry.check] = entry
        known[key] = tuple(sorted(found.values(), key=lambda one: one.at_s, reverse=True)[:ALIKE])
        known.move_to_end(key)
        while len(known) > self._rules.affinity_entries:
            known.popitem(last=False)

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
