"""When a second channel is asked while the first is silent: after the usual time, and never too often."""

import math
from bisect import bisect_left
from itertools import accumulate

from tollway.core.health import HealthRules

_STEP = 1.1
_LEAST_S, _MOST_S = 0.001, 300.0
_BUCKETS = math.ceil(math.log(_MOST_S / _LEAST_S) / math.log(_STEP)) + 1
_EDGES = tuple(_LEAST_S * _STEP**number for number in range(_BUCKETS))
ENOUGH = 50
"""Times heard before anything is concluded from them."""
_LOOK_EVERY = 32
_HALVE_AT = 2048
"""So many times heard, and the older ones count half: what is usual changes."""
MOST_MODELS = 4096
BURST = 10.0
"""Hedges that may be saved up."""


class Times:
    """How long first words take, in buckets a tenth apart."""

    __slots__ = ("_counts", "_heard", "_quantile", "usual_s")

    def __init__(self, quantile: float) -> None:
        self._counts = [0.0] * _BUCKETS
        self._heard = 0
        self._quantile = quantile
        self.usual_s = 0.0
        """The quantile; 0 while too little was heard."""

    def heard(self, seconds: float) -> None:
        """A first word took so long, or at least so long."""
        self._counts[min(bisect_left(_EDGES, seconds), _BUCKETS - 1)] += 1.0
        self._heard += 1
        if self._heard >= ENOUGH and not self._heard % _LOOK_EVERY:
            self._look()

    def _look(self) -> None:
        sums = list(accumulate(self._counts))
        self.usual_s = _EDGES[bisect_left(sums, self._quantile * sums[-1])]
        if self._heard >= _HALVE_AT:
            self._counts = [count / 2 for count in self._counts]
            self._heard = _HALVE_AT // 2


class Hedging:
    """The budget of extra calls, what is usual for each model, and what came of it."""

    def __init__(self, rules: HealthRules) -> None:
        self._share, self._quantile = rules.hedge_share, rules.hedge_quantile
        self._saved = 0.0
        self._times: dict[str, Times] = {}
        self.calls = self.sent = self.won = 0
        """Streams begun; second channels asked; those that spoke first."""
        self.absorbed_nano_usd = 0
        """What the losers cost at least: the estimated price of their prompts."""

    def begun(self, model: str) -> float:
        """A stream of `model` begins; after how many seconds of silence to hedge it, 0: not at all."""
        self.calls += 1
        if self._saved < BURST:
            self._saved += self._share
        times = self._times.get(model)
        return times.usual_s if times is not None and self._saved >= 1.0 else 0.0

    def heard(self, model: str, seconds: float) -> None:
        """The first word of an asked channel took so long, or at least so long."""
        times = self._times.get(model)
        if times is None:
            if len(self._times) >= MOST_MODELS:
                self._times.clear()
            times = self._times[model] = Times(self._quantile)
        times.heard(seconds)

    def take(self) -> bool:
        """Whether one more extra call is within the budget; it is spent then."""
        if self._saved < 1.0:
            return False
        self._saved -= 1.0
        self.sent += 1
        return True
