"""What a strategy sees of the world during one call."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from statistics import median_low
from typing import Any, Protocol, TypeVar
from zlib import crc32

from tollway.core.ids import LaneId
from tollway.core.routing import USUAL_ROUTING, RoutingRules
from tollway.gateway.routing.affinity import Bonds
from tollway.gateway.routing.complexity import ANYTHING, Table, Wish, table_of, wish_of
from tollway.gateway.routing.health import Health
from tollway.gateway.routing.keys import KeyTurns
from tollway.gateway.routing.memory import Memory, Warm
from tollway.gateway.routing.plan import Candidate
from tollway.gateway.routing.prefix import Prompt
from tollway.gateway.routing.question import Question
from tollway.gateway.routing.tier import Tier

BYTES_PER_TOKEN = 4
UNKNOWN = Warm(LaneId(""), "", 0.0)
"""Nobody has looked yet."""
T = TypeVar("T")
_SPAN = float(2**64 + 1)
LARGEST = 2**64 - 1
SPREAD = 0x9E3779B97F4A7C15
"""The golden ratio of all numbers up to the largest: what differs in one bit comes to lie far apart."""


class Room(Protocol):
    """What limits how much a candidate may take on."""

    def headroom(self, one: Candidate, now_s: float) -> float:
        """What is left, 0 (full) to 1 (nothing in use, or no limit)."""

    def wait_s(self, one: Candidate, now_s: float) -> float:
        """Seconds until one more request may fit; 0 when there is room."""


class Engines(Protocol):
    """What local engines say of themselves, as last heard."""

    def pressure(self, one: Candidate, now_s: float) -> float:
        """How busy the engine behind a candidate is: 0 idle or unknown, 1 or more overloaded."""


@dataclass(slots=True)
class Signals:
    """Where observations come from; they live on when the router is replaced by a new one."""

    health: Health = field(default_factory=Health)
    memory: Memory = field(default_factory=Memory)
    rules: RoutingRules = USUAL_ROUTING
    limits: Room | None = None
    """The limits that channels state of themselves; who has no headroom is not tried."""
    engines: Engines | None = None
    turns: KeyTurns = field(default_factory=KeyTurns)
    """Which key of a channel comes first."""
    bonds: Bonds | None = None
    """Conversations that stay with a channel."""
    table: Table = field(init=False)

    def __post_init__(self) -> None:
        self.table = table_of(self.rules.auto)


class _Last:
    """What was worked out some calls ago."""

    __slots__ = ("calls", "value")

    def __init__(self) -> None:
        self.calls = 0
        """For which it still holds."""
        self.value: Any = None


class Seen:
    """`Observations` of one call; each thing is worked out when a strategy asks for it."""

    __slots__ = (
        "_asked",
        "_call_id",
        "_due",
        "_now_s",
        "_prompt",
        "_signals",
        "_tier",
        "_tokens",
        "_turn",
        "_warm",
        "_wish",
    )

    def __init__(self, signals: Signals, call_id: str, now_s: float, asked: Question | None) -> None:
        self._wish: Wish | None = None
        self._due: tuple[Candidate | None] | None = None
        self._turn = -1
        self._signals, self._call_id, self._now_s, self._asked = signals, call_id, now_s, asked
        self._tier: Tier | None = None
        self._prompt: Prompt | None = None
        self._warm: Warm | None = UNKNOWN
        self._tokens: tuple[int, int] | None = None

    def wants(self, wish: Wish) -> None:
        """What the question needs, where that is known already."""
        self._wish = wish

    def enter(self, tier: Tier) -> None:
        """The candidates of this tier are ordered next."""
        self._tier, self._turn, self._due = tier, -1, None

    @property
    def caller(self) -> str:
        """The key that asks; empty where nobody does."""
        return self._asked.caller.key if self._asked is not None else ""

    # -- chance and turns --------------------------------------------------------------------------------------

    @property
    def draw(self) -> float:
        """A number from 0 up to 1 that the call's id decides."""
        return (crc32(self._call_id.encode()) * SPREAD & LARGEST) / _SPAN

    def lot(self, one: Candidate) -> float:
        """A number above 0 and below 1 that the call's id and the lane decide."""
        return (_number(f"{self._call_id}:{one.lane}") + 1) / _SPAN

    @property
    def turn(self) -> int:
        """How many calls have chosen among these candidates before this one."""
        if self._turn < 0:
            self._turn = self._signals.memory.turn(self._tier.name if self._tier is not None else "")
        return self._turn

    # -- health ------------------------------------------------------------------------------------------------

    def once(self, what: str, candidates: Sequence[Candidate], make: Callable[[Sequence[Candidate]], T]) -> T:
        """`make(candidates)`, where that hangs on nothing of this call: worked out once for many calls."""
        return make(candidates) if self._tier is None else self._tier.once(what, candidates, make)

    def lately(self, what: str, candidates: Sequence[Candidate], make: Callable[[Sequence[Candidate]], T]) -> T:
        """`make(candidates)`, worked out for one call in about as many as there are candidates."""
        last = self.once(what, candidates, lambda _: _Last())
        if last.calls <= 0:
            last.value, last.calls = make(candidates), len(candidates) - 2
        last.calls -= 1
        value: T = last.value
        return value

    def shares(self, candidates: Sequence[Candidate]) -> Sequence[float]:
        """Running sums of the candidates' effective weights: weight times health score."""
        return self.once("shares", candidates, self._shares)

    def _shares(self, candidates: Sequence[Candidate]) -> Sequence[float]:
        return tuple(accumulate(one.weight * self.score(one) for one in candidates))

    def score(self, one: Candidate) -> float:
        """Health, from 0.05 to 1."""
        return self._signals.health.score(one)

    def ttfb_ms(self, one: Candidate) -> float:
        """Moving average of the time to the first token; 0 while nobody has measured it."""
        return self._signals.health.ttfb_ms(one)

    def usual_ttfb_ms(self, candidates: Sequence[Candidate]) -> float:
        """The median over those that were measured; 0 when none was."""
        return self.once("usual_ttfb_ms", candidates, self._usual_ttfb_ms)

    def _usual_ttfb_ms(self, candidates: Sequence[Candidate]) -> float:
        known = [ttfb_ms for one in candidates if (ttfb_ms := self.ttfb_ms(one))]
        return median_low(known) if known else 0.0

    def due(self, candidates: Sequence[Candidate]) -> Candidate | None:
        """One that has to be measured (again), if this call is the one to do it."""
        if self._due is None:
            unmeasured = self.once("unmeasured", candidates, self._unmeasured)
            self._due = (self._signals.memory.due(unmeasured, candidates, self._now_s),)
        found = self._due[0]
        return found if found is None or found in candidates else None

    def _unmeasured(self, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        return [one for one in candidates if not self.ttfb_ms(one)]

    # -- limits and prices -------------------------------------------------------------------------------------

    @property
    def is_limited(self) -> bool:
        """Whether anything at all limits anybody."""
        return self._signals.limits is not None or self._signals.engines is not None

    def headroom(self, one: Candidate) -> float:
        """What is left of its limits (requests and tokens a minute, calls at once, an engine's queue), 0 to 1."""
        limits, engines = self._signals.limits, self._signals.engines
        left = 1.0 if limits is None or not one.limited else limits.headroom(one, self._now_s)
        return left if engines is None else min(left, max(0.0, 1.0 - engines.pressure(one, self._now_s)))

    def pressure(self, one: Candidate) -> float:
        """How busy the local engine behind it is: 0 idle, unknown or no local engine, 1 or more overloaded."""
        engines = self._signals.engines
        return 0.0 if engines is None else engines.pressure(one, self._now_s)

    def price(self, one: Candidate) -> float:
        """Nano-dollars this request is expected to cost there, what its cache holds at the price of a cache read."""
        return one.cost.of(*self.tokens, self.warm(one))

    @property
    def tokens(self) -> tuple[int, int]:
        """Input and output tokens that this request is reckoned to take."""
        if self._tokens is None:
            self._tokens = self._expected()
        return self._tokens

    def _expected(self) -> tuple[int, int]:
        usual = self._signals.rules.usual_output
        if self._asked is None:
            return usual, usual
        most = self._asked.envelope.max_output
        return self._asked.size // BYTES_PER_TOKEN, usual if most is None else min(usual, most)

    # -- caches ------------------------------------------------------------------------------------------------

    def warm(self, one: Candidate) -> float:
        """How much of this prompt the provider's cache behind this lane holds, as far as we know, 0 to 1."""
        warm = self._warmth() if self._warm is UNKNOWN else self._warm
        return warm.share if warm is not None and warm.lane == one.lane and warm.model == one.model.id else 0.0

    def warmest(self, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        """Those that are warm at all, the warmest first."""
        warm = self._warmth() if self._warm is UNKNOWN else self._warm
        if warm is None:
            return ()
        one = self.once("ways", candidates, _by_way).get((warm.lane, warm.model))
        return () if one is None else (one,)

    def _warmth(self) -> Warm | None:
        asked, warm = self._asked, None
        if asked is not None:
            prompt = self._prompt = Prompt(asked, asked.envelope.model or "")
            warm = self._signals.memory.warm(prompt, self._now_s)
        self._warm = warm
        return warm

    def answered(self, one: Candidate) -> None:
        """It has answered: its cache is warm from here on."""
        if self._warm is UNKNOWN:
            self._warmth()
        if self._prompt is not None:
            self._signals.memory.note(self._prompt, one, self._now_s)

    def misfit(self, one: Candidate) -> int:
        """How far its model is from what the question needs: 0 for the very model, more for others."""
        if self._wish is None:
            asked = self._asked
            self._wish = wish_of(asked) if asked is not None else ANYTHING
        return self._wish.misfit(one.model, self._signals.table)


def _by_way(candidates: Sequence[Candidate]) -> Mapping[tuple[str, str], Candidate]:
    return {(one.lane, one.model.id): one for one in candidates}


def _number(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
