"""How every way to every model is doing, and which of them rest."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from tollway.core.errors import Fault
from tollway.core.health import HealthRules
from tollway.core.ids import LaneId
from tollway.core.model import Model
from tollway.gateway.routing.blame import Blame, blame_of
from tollway.gateway.routing.circuit import Circuit, Why
from tollway.gateway.routing.hedging import Hedging

MOST = 20_000
"""Records kept at once; names of models may come from callers."""


class Way(Protocol):
    """One lane to one model."""

    @property
    def lane(self) -> LaneId:
        """Channel and key."""

    @property
    def model(self) -> Model:
        """As sold."""


W = TypeVar("W", bound=Way)


class Health:
    """Every circuit. All times are monotonic seconds."""

    __slots__ = (
        "_calm",
        "_circuits",
        "_keywords",
        "_open",
        "_suspects",
        "all_well",
        "epoch",
        "hedging",
        "news",
        "opened",
        "rules",
    )

    def __init__(self, rules: HealthRules | None = None) -> None:
        self.rules = rules or HealthRules()
        self.hedging = Hedging(self.rules) if self.rules.hedge else None
        """None: no call is hedged."""
        self._keywords = tuple(word.lower() for word in self.rules.keywords)
        self._circuits: dict[tuple[str, str], Circuit] = {}
        self._open: dict[tuple[str, str], Circuit] = {}
        self.all_well = True
        """Every circuit is closed."""
        self.epoch = 0
        """Counts the changes of what may be tried, so that others need look only when there was one."""
        self._suspects: dict[str, Circuit] = {}
        """Lanes whose key was accused, not yet by enough."""
        self._calm = True
        """All are well and nobody is accused: good answers prove nothing."""
        self.opened: Counter[tuple[LaneId, Why]] = Counter()
        """How often circuits of a lane have opened here, and why."""
        self.news: set[tuple[str, str]] = set()
        """Circuits that have opened or closed since somebody took this set."""

    # -- asked by the router -----------------------------------------------------------------------------------

    def usable(self, way: Way, now_s: float) -> bool:
        """Whether it may be tried now."""
        if self.all_well:
            return True
        return all(circuit.admits(now_s) for circuit in self._troubles(way))

    def ready(self, ways: Sequence[W], now_s: float) -> Sequence[W]:
        """Those that may be tried now; when all circuits are open, all that are not merely told to wait (429).

        Empty: every one of them was told to wait.
        """
        if self.all_well:
            return ways
        usable = [way for way in ways if self.usable(way, now_s)]
        return usable or [way for way in ways if not self.limited(way, now_s)]

    def limited(self, way: Way, now_s: float) -> bool:
        """Whether its provider told us, by 429, to wait beyond `now_s`."""
        return any(one.why is Why.RATE_LIMITED and now_s < one.until_s for one in self._troubles(way))

    def rests_until(self, way: Way) -> float:
        """When its rest ends; 0 when it does not rest."""
        return max((one.until_s for one in self._troubles(way)), default=0.0)

    def why(self, way: Way) -> Why | None:
        """Why it is not well; None when it is."""
        return next((one.why for one in self._troubles(way)), None)

    def lane_rests_until(self, lane: str) -> float:
        """When the longest rest in this lane, or in any lane of this channel, ends; 0 when there is none."""
        keys = f"{lane}#"
        ours = (one for one in self._open.values() if one.lane == lane or one.lane.startswith(keys))
        return max((one.until_s for one in ours), default=0.0)

    def score(self, way: Way) -> float:
        """From 0.05 to 1: 0.7 of it success, 0.3 speed."""
        circuit = self._circuits.get((way.lane, way.model.id))
        return 1.0 if circuit is None else circuit.score

    def ttfb_ms(self, way: Way) -> float:
        """Moving average of the time to a stream's first word, else to a whole answer; 0 while unknown."""
        circuit = self._circuits.get((way.lane, way.model.id))
        return 0.0 if circuit is None else (circuit.ttfb_s or circuit.whole_s) * 1000

    # -- told by dispatch --------------------------------------------------------------------------------------

    def claim(self, way: Way, who: str, now_s: float) -> bool:
        """`who` tries it now. False: its circuit is open, or half-open and tried by somebody else."""
        found = self._troubles(way)
        if not all(circuit.admits(now_s) for circuit in found):
            return False
        for circuit in found:
            circuit.claim(who, now_s)
            self.epoch += 1
        return True

    def release(self, way: Way, who: str) -> None:
        """`who` found nothing out."""
        for circuit in self._troubles(way):
            circuit.release(who)
            self.epoch += 1

    def heard(self, way: Way, ttfb_s: float) -> None:
        """The first word of a stream came, `ttfb_s` after it was asked for."""
        (self._circuits.get((way.lane, way.model.id)) or self.of(way.lane, way.model.id)).heard(ttfb_s)
        if not self._calm:
            self._acquit(way.lane)

    def waited(self, way: Way, seconds: float) -> None:
        """Its first word was waited for so long in vain: it takes that long at least."""
        circuit = self.of(way.lane, way.model.id)
        if seconds > circuit.ttfb_s:
            circuit.slow(seconds)

    def answered(self, way: Way, now_s: float, took_s: float = 0.0) -> None:
        """An answer came to its good end; `took_s` is told of whole answers, of streams `heard` was."""
        circuit = self._circuits.get((way.lane, way.model.id)) or self.of(way.lane, way.model.id)
        circuit.answered(now_s, took_s)
        if not self._calm:
            self._acquit(way.lane)

    def failed(self, way: Way, fault: Fault, now_s: float, user: str, *, may_disable: bool = True) -> None:
        """An attempt failed, on behalf of `user`. What is the caller's own fault changes nothing.

        Without `may_disable` nothing that is said of the key takes it out of service until a probe passes: it rests
        as after any other failure.
        """
        blame = blame_of(fault, self._keywords)
        if not may_disable and blame & (Blame.KEY | Blame.WORDS):
            blame = blame & Blame.LIMITED or Blame.FAILURE
        circuit = self.of(way.lane, way.model.id)
        if blame & Blame.FAILURE:
            circuit.failed(now_s, fault.retry_after_s)
        if blame & Blame.LIMITED:
            circuit.limit(now_s, fault.retry_after_s)
        if blame & Blame.MODEL:
            circuit.accuse(user, now_s, Why.MODEL_REFUSED)
        if blame & Blame.KEY:
            self.of(way.lane, "").refuse(now_s, Why.UNPAID if fault.status == 402 else Why.KEY_REFUSED)
        if blame & Blame.WORDS:
            whole = self._suspects[way.lane] = self.of(way.lane, "")
            self._calm = False
            whole.accuse(user, now_s, Why.KEYWORD)

    # -- records -----------------------------------------------------------------------------------------------

    def of(self, lane: LaneId, model: str) -> Circuit:
        """The record of a lane's model; with an empty model, of what holds for the whole lane."""
        circuit = self._circuits.get((lane, model))
        if circuit is None:
            if len(self._circuits) >= MOST:
                self._forget_some()
            circuit = self._circuits[(lane, model)] = Circuit(lane, model, self.rules, self._changed)
        return circuit

    def __iter__(self) -> Iterator[Circuit]:
        return iter(tuple(self._circuits.values()))

    @property
    def open(self) -> Iterable[Circuit]:
        """Those that are not closed."""
        return tuple(self._open.values())

    def drop(self, circuit: Circuit) -> None:
        """It leads nowhere here: its record is closed, which is no news for processes that have other channels."""
        circuit.close()
        self.news.discard((circuit.lane, circuit.model))

    def forget(self) -> None:
        """Everybody is well."""
        for circuit in self.open:
            circuit.close()
        self._circuits.clear()
        self._suspects.clear()
        self._calm = True
        self.epoch += 1

    def _troubles(self, way: Way) -> list[Circuit]:
        found = self._open.get((way.lane, way.model.id)), self._open.get((way.lane, ""))
        return [circuit for circuit in found if circuit is not None]

    def _acquit(self, lane: LaneId) -> None:
        """A good answer proves the key, too."""
        suspect = self._suspects.pop(lane, None)
        if suspect is not None:
            suspect.accusers = []
        whole = self._open.get((lane, ""))
        if whole is not None:
            whole.close()
        self._calm = not self._open and not self._suspects

    def _changed(self, circuit: Circuit) -> None:
        key = (circuit.lane, circuit.model)
        if circuit.opened and circuit.why is not None:
            self.opened[circuit.lane, circuit.why] += 1
        if circuit.why is None:
            self._open.pop(key, None)
        else:
            self._open[key] = circuit
        self.all_well = not self._open
        self._calm = self.all_well and not self._suspects
        self.epoch += 1
        self.news.add(key)

    def _forget_some(self) -> None:
        """The older half of those that are closed."""
        closed = [key for key, circuit in self._circuits.items() if circuit.why is None]
        for key in closed[: len(closed) // 2 + 1]:
            del self._circuits[key]
