"""How one way to one model has been doing, and whether it may be tried now."""

import enum
from collections.abc import Callable

from tollway.core.health import HealthRules
from tollway.core.ids import LaneId

FLOOR = 0.05
"""The worst score: enough to be tried now and then."""
SUCCESS_SHARE = 0.7


class Why(enum.StrEnum):
    """What opened a circuit."""

    FAILURES = "failures"
    """Too many in a row."""
    AVAILABILITY = "availability"
    """Too many of all."""
    RATE_LIMITED = "rate_limited"
    """The provider said 429."""
    ASKED_TO_WAIT = "asked_to_wait"
    """The provider said when to come back."""
    KEY_REFUSED = "key_refused"
    """401: until a probe passes."""
    UNPAID = "unpaid"
    """402: until a probe passes."""
    KEYWORD = "keyword"
    """Several callers were told, in words that accuse the key, that it is of no use: until a probe passes."""
    MODEL_REFUSED = "model_refused"
    """Several callers were told that this model is not to be had there."""


TESTED = frozenset({Why.KEY_REFUSED, Why.UNPAID, Why.KEYWORD})
"""Where channels are probed, only a probe closes these: no caller's call is spent on finding out."""

ASKED = frozenset({Why.RATE_LIMITED, Why.ASKED_TO_WAIT})
"""The provider said for how long: that is no measure of ours."""


class Circuit:
    """The record of one (lane, model); without a model, of what holds for the whole lane.

    Closed: calls pass. Open: none until `until_s`. Then half-open: one call, or one probe, may try.
    """

    __slots__ = (
        "_bad", "_bad_before", "_changed", "_good", "_good_before", "_next_limit_s", "_next_rest_s", "_rules",
        "_since_s", "accusers", "lane", "model", "opened", "prober", "streak", "success", "ttfb_s", "until_s", "used_s",
        "whole_s", "why",
    )  # fmt: skip

    def __init__(self, lane: LaneId, model: str, rules: HealthRules, changed: Callable[["Circuit"], None]) -> None:
        self.lane, self.model, self._rules, self._changed = lane, model, rules, changed
        self.success = 1.0
        """Moving average of good answers."""
        self.ttfb_s = 0.0
        """Moving average of the time to a stream's first word; 0 while unknown."""
        self.whole_s = 0.0
        """Moving average of the time to a whole answer; 0 while unknown."""
        self.streak = 0
        """Failures since the last good answer."""
        self.why: Why | None = None
        """Why it is open; None: closed."""
        self.until_s = 0.0
        """Monotonic second at which the rest ends."""
        self.opened = False
        """Its last change was to open: from being closed, or by a trial that failed; not on another process's word."""
        self.prober: object = None
        """Who tries it while it is half-open."""
        self.accusers: list[tuple[float, str]] = []
        self.used_s = 0.0
        """When it last said anything."""
        self._next_rest_s, self._next_limit_s = rules.cooldown_s, rules.rate_limit_s
        self._since_s = 0.0
        self._good = self._bad = self._good_before = self._bad_before = 0

    # -- may it be tried ---------------------------------------------------------------------------------------

    def admits(self, now_s: float) -> bool:
        """Closed, or half-open with nobody trying it."""
        return self.why is None or (self.prober is None and self._may_try(now_s))

    def claim(self, who: object, now_s: float) -> bool:
        """Try it: True when closed, or when `who` is the one that may find out whether it is well again."""
        if self.why is None:
            return True
        if not self._may_try(now_s) or (self.prober is not None and self.prober != who):
            return False
        self.prober = who
        return True

    def _may_try(self, now_s: float) -> bool:
        return now_s >= self.until_s and not (self._rules.probe and self.why in TESTED)

    def release(self, who: object) -> None:
        """`who` found nothing out."""
        if self.prober == who:
            self.prober = None

    # -- what was found ----------------------------------------------------------------------------------------

    def heard(self, ttfb_s: float) -> None:
        """The first word of a stream came."""
        old_s = self.ttfb_s
        self.ttfb_s = old_s + self._rules.alpha * (ttfb_s - old_s) if old_s else ttfb_s
        if self.why is not None:
            self.close()

    def slow(self, seconds: float) -> None:
        """A first word was not awaited any longer."""
        self.ttfb_s += self._rules.alpha * (seconds - self.ttfb_s) if self.ttfb_s else seconds

    def answered(self, now_s: float, took_s: float = 0.0) -> None:
        """A good answer came to its end; `took_s` is told of whole answers."""
        rules = self._rules
        if now_s - self._since_s >= rules.window_s / 2:
            self._turn_window(now_s)
        self._good += 1
        self.used_s = now_s
        if self.success != 1.0:
            self.success += rules.alpha * (1.0 - self.success)
        if took_s:
            old_s = self.whole_s
            self.whole_s = old_s + rules.alpha * (took_s - old_s) if old_s else took_s
        if self.streak:
            self.streak = 0
        if self.accusers:
            self.accusers = []
        if self.why is not None:
            self.close()
        self._next_rest_s, self._next_limit_s = rules.cooldown_s, rules.rate_limit_s

    def failed(self, now_s: float, wait_s: float | None = None) -> None:
        """It failed for reasons of its own; `wait_s` is what the provider asked for."""
        rules = self._rules
        if now_s - self._since_s >= rules.window_s / 2:
            self._turn_window(now_s)
        self._bad += 1
        self.used_s = now_s
        self.success -= rules.alpha * self.success
        self.streak += 1
        if self.why is not None:
            if now_s >= self.until_s:  # one that began before the rest tells nothing new
                self.trial_failed(now_s, wait_s)
        elif wait_s:
            self._open(Why.ASKED_TO_WAIT, now_s, wait_s)
        elif self.streak >= rules.failure_threshold:
            self._open(Why.FAILURES, now_s)
        elif self._calls >= rules.min_calls and self._availability < rules.min_availability:
            self._open(Why.AVAILABILITY, now_s)

    def trial_failed(self, now_s: float, wait_s: float | None = None) -> None:
        """Whoever tried it found it unwell: it rests again, twice as long, or as long as the provider asked."""
        if self.why is not None:
            self._open(self.why, now_s, wait_s)

    def limit(self, now_s: float, wait_s: float | None) -> None:
        """The provider said 429: no failure, but a rest of `wait_s`, or of its own length when it does not say."""
        rules = self._rules
        self.used_s = now_s
        if wait_s is None:
            wait_s = self._next_limit_s
            if now_s >= self.until_s:
                self._next_limit_s = min(2 * wait_s, rules.cooldown_max_s)
        until_s = now_s + min(wait_s, rules.retry_after_max_s)
        if wait_s > 0 and (self.why is None or until_s > self.until_s):
            self._rest(self.why or Why.RATE_LIMITED, until_s, opened=self.why is None or now_s >= self.until_s)

    def refuse(self, now_s: float, why: Why = Why.KEY_REFUSED) -> None:
        """The key is not accepted; said again in the midst of a rest, it tells nothing new."""
        if self.why is None or now_s >= self.until_s:
            self._open(why, now_s)

    def accuse(self, user: str, now_s: float, why: Why) -> None:
        """A caller was told that the key, or the model there, is of no use: believed when several were."""
        rules = self._rules
        oldest_s, most = now_s - rules.keyword_window_s, 4 * rules.keyword_failures
        self.accusers = [*(one for one in self.accusers[-most:] if one[0] > oldest_s), (now_s, user)]
        callers = {who for _, who in self.accusers}
        if len(self.accusers) >= rules.keyword_failures and len(callers) >= rules.keyword_callers:
            self.refuse(now_s, why)

    def close(self) -> None:
        """It is well: what went before is forgotten, so that one failure does not open it again."""
        self.why, self.until_s, self.prober, self.streak = None, 0.0, None, 0
        self._good = self._bad = self._good_before = self._bad_before = 0
        self.accusers = []
        self.opened = False
        self._changed(self)

    def adopt(self, why: Why, until_s: float, now_s: float) -> None:
        """Another process found it open; if we find it so, too, it rests twice as long."""
        if why not in ASKED:
            self._next_rest_s = max(self._next_rest_s, min(2 * (until_s - now_s), self._rules.cooldown_max_s))
        self._rest(why, until_s, opened=False)

    # -- what strategies look at -------------------------------------------------------------------------------

    @property
    def score(self) -> float:
        """From 0.05 to 1: mostly success, partly speed."""
        ttfb_s = self.ttfb_s
        target_s = self._rules.target_ttfb_s
        fast = 1.0 if ttfb_s <= target_s else target_s / ttfb_s
        return max(FLOOR, SUCCESS_SHARE * self.success + (1.0 - SUCCESS_SHARE) * fast)

    def state(self, now_s: float) -> str:
        """`closed`, `open` or `half_open`."""
        if self.why is None:
            return "closed"
        return "open" if now_s < self.until_s else "half_open"

    @property
    def window(self) -> tuple[int, int]:
        """Good and bad answers of late."""
        return self._good + self._good_before, self._bad + self._bad_before

    # -- inside ------------------------------------------------------------------------------------------------

    @property
    def _calls(self) -> int:
        return self._good + self._good_before + self._bad + self._bad_before

    @property
    def _availability(self) -> float:
        return (self._good + self._good_before) / self._calls

    def _turn_window(self, now_s: float) -> None:
        """Two halves, so that what is older than the window is forgotten without a timer."""
        is_near = now_s - self._since_s < self._rules.window_s
        self._good_before, self._bad_before = (self._good, self._bad) if is_near else (0, 0)
        self._good = self._bad = 0
        self._since_s = now_s

    def _open(self, why: Why, now_s: float, wait_s: float | None = None) -> None:
        rules = self._rules
        rest_s = min(wait_s, rules.retry_after_max_s) if wait_s else self._next_rest_s
        self._next_rest_s = min(2 * self._next_rest_s, rules.cooldown_max_s)
        self._rest(why, now_s + rest_s, opened=True)

    def _rest(self, why: Why, until_s: float, *, opened: bool) -> None:
        self.why, self.until_s, self.prober, self.opened = why, until_s, None, opened
        self._changed(self)
