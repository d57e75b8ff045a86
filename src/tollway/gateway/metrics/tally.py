"""Counts calls: those that ended, from their receipts and off their path; those refused, where they are refused."""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from tollway.core.errors import TollwayError
from tollway.core.receipt import CALLER_LEFT, CUT_OFF, Attempt, Reason, Receipt
from tollway.core.usage import UsageSource
from tollway.gateway.metrics.times import ANSWERS_MS, FIRST_WORDS_MS, Times

MOST = 20_000
"""Combinations of surface, model and channel that are counted apart; further ones are counted together."""
OTHER = "other"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_HUMP = re.compile(r"(?<!^)(?=[A-Z])")
_BLAMELESS = {CUT_OFF: "hedged", CALLER_LEFT: "caller_left"}
_OUTCOMES = {
    0: "no_answer", 200: "bad_answer", 401: "refused_key", 402: "refused_key", 403: "refused_key", 429: "rate_limited",
}  # fmt: skip
STATUS = {Reason.COMPLETED: "200", Reason.EMPTY: "200", Reason.CLIENT_GONE: "499", Reason.UPSTREAM_CUT: "502"}
"""What a call's end is counted as. A stream that breaks off has said 200 in its head, and is a failure all the same; a
caller who leaves is counted as web servers do."""


class Kind(NamedTuple):
    """Which calls are counted together."""

    surface: str
    model: str
    """As sold."""
    provider: str
    """Empty where no channel was tried."""
    channel: str
    stream: bool
    ended: str
    """`completed` and so on, as receipts say."""
    status: str


class Cell:
    """What calls of one kind came to. Money is in nano-dollars."""

    __slots__ = (
        "absorbed", "anomalies", "cached", "calls", "charge", "cost", "durations", "estimated", "first_words", "held",
        "input", "output", "overrun", "paid", "providers", "reasoning", "stored",
    )  # fmt: skip

    def __init__(self) -> None:
        self.calls = self.cost = self.charge = self.held = self.overrun = self.absorbed = 0
        self.input = self.output = self.cached = self.stored = self.reasoning = 0
        self.estimated = 0
        """Calls whose tokens we counted ourselves."""
        self.anomalies = 0
        """Calls that cost more than they were believed to."""
        self.paid = 0
        """Calls that a pool's paid key answered."""
        self.durations, self.providers = Times(ANSWERS_MS), Times(ANSWERS_MS)
        self.first_words = Times(FIRST_WORDS_MS)


class Tally:
    """Everything counted since the process began. Belongs to the event loop; whoever reads elsewhere takes copies."""

    def __init__(self) -> None:
        self.cells: dict[Kind, Cell] = {}
        self._usual: dict[tuple[str, str, str, bool], Cell] = {}
        """The cells of calls that one channel answered at once: nearly all."""
        self.attempts: Counter[tuple[str, str, str]] = Counter()
        """By channel, provider and what became of them."""
        self.retries: Counter[tuple[str, str]] = Counter()
        """By provider that was left, and why."""
        self.fallbacks: Counter[tuple[str, str, str]] = Counter()
        """By provider left, provider turned to, and why."""
        self.keys: Counter[tuple[str, str]] = Counter()
        """Attempts by provider and key, of channels with several."""
        self.interruptions: Counter[tuple[str, str, str]] = Counter()
        """Streams that did not come to their end, by model, provider and stage."""
        self.stops: Counter[tuple[str, str, str]] = Counter()
        """Answers that we ended early, by model, provider and why."""
        self.routes: Counter[tuple[str, str, str, str]] = Counter()
        """Requests that came to no call, by route, method, status class and whether a stream was asked."""
        self.route_times: dict[tuple[str, str, str], Times] = {}
        self.refusals: Counter[tuple[str, str]] = Counter()
        """By route and reason."""
        self.crowded: Counter[str] = Counter()
        """Calls refused because too many were running, by plan."""

    # -- calls that ended --------------------------------------------------------------------------------------

    def ended(self, receipts: Iterable[Receipt]) -> None:
        """Calls have come to their terminal entries."""
        usual = self._usual
        for receipt in receipts:
            attempts = receipt.attempts
            if len(attempts) != 1 or receipt.reason is not Reason.COMPLETED or receipt.stop:
                self._unusual(receipt)
                continue
            attempt = attempts[0]
            if attempt.key:
                self.keys[attempt.provider, attempt.key] += 1
            cell = usual.get((receipt.surface, receipt.model, attempt.channel, receipt.stream))
            if cell is None or attempt.fallback:
                cell = self._cell(receipt, attempt)
                if attempt.fallback:
                    cell.paid += 1
                elif len(usual) < MOST:
                    usual[(receipt.surface, receipt.model, attempt.channel, receipt.stream)] = cell
            _count(cell, receipt, attempt)

    def _cell(self, receipt: Receipt, attempt: Attempt | None) -> Cell:
        provider, channel = (attempt.provider, attempt.channel) if attempt is not None else ("", "")
        kind = Kind(
            receipt.surface, receipt.model, provider, channel, receipt.stream, receipt.reason.value,
            STATUS.get(receipt.reason) or _status_of(attempt),
        )  # fmt: skip
        cell = self.cells.get(kind)
        if cell is None:
            if len(self.cells) >= MOST:
                kind = Kind(receipt.surface, OTHER, OTHER, OTHER, receipt.stream, kind.ended, kind.status)
            cell = self.cells.setdefault(kind, Cell())
        return cell

    def _unusual(self, receipt: Receipt) -> None:
        """A call that failed, broke off, or was answered by another channel than the first."""
        attempts, model = receipt.attempts, receipt.model
        if not receipt.surface:
            return  # found dead: nothing is known of it
        answered = attempts[-1] if attempts and not attempts[-1].fault else None
        last = answered or next((one for one in reversed(attempts) if one.fault != CUT_OFF), None)
        cell = self._cell(receipt, last)
        _count(cell, receipt, answered)
        provider = last.provider if last is not None else ""
        if last is not None and last.fallback:
            cell.paid += 1
        for attempt in attempts:
            cell.absorbed += attempt.absorbed_nano_usd
            if attempt.key:
                self.keys[attempt.provider, attempt.key] += 1
            if attempt.fault:
                self.attempts[attempt.channel, attempt.provider, outcome_of(attempt)] += 1
        in_turn = [one for one in attempts if one.fault != CUT_OFF]
        for left, taken in pairwise(in_turn):
            why = outcome_of(left)
            self.retries[left.provider, why] += 1
            if left.channel != taken.channel:
                self.fallbacks[left.provider, taken.provider, why] += 1
        if receipt.stream and receipt.reason in (Reason.CLIENT_GONE, Reason.UPSTREAM_CUT):
            stage = "before_first_word" if answered is None else "streaming"
            self.interruptions[model, provider, f"{receipt.reason.value}_{stage}"] += 1
        if receipt.stop:
            self.stops[model, provider, receipt.stop] += 1

    # -- requests that came to no call -------------------------------------------------------------------------

    def request(self, route: str, method: str, status: int, took_s: float, stream: bool = False) -> None:
        """A request was answered that no receipt will tell of."""
        method, asked = method if method in METHODS else OTHER, "true" if stream else "false"
        self.routes[route, method, f"{status // 100}xx", asked] += 1
        key = (route, method, asked)
        times = self.route_times.get(key)
        if times is None:
            times = self.route_times[key] = Times(ANSWERS_MS)
        times.took(round(took_s * 1000))

    def refused(self, route: str, error: TollwayError, plan: str = "") -> None:
        """Why a request was refused; to be told beside `request`."""
        reason = reason_of(error)
        self.refusals[route, reason] += 1
        if reason == "too_many_at_once":
            self.crowded[plan] += 1


def reason_of(error: TollwayError | type[TollwayError]) -> str:
    """The kind of an error as a word: there are as many as there are classes, whatever providers and callers say."""
    kind = error if isinstance(error, type) else type(error)
    return _HUMP.sub("_", kind.__name__).lower()


def outcome_of(attempt: Attempt) -> str:
    """What became of a channel that was not the answer, as one of few words."""
    status = attempt.status
    word = _BLAMELESS.get(attempt.fault) or _OUTCOMES.get(status)
    return word or ("server_error" if status >= 500 else "client_error")


def _status_of(attempt: Attempt | None) -> str:
    """What a call that failed is counted as: what its last channel said, where that was an error."""
    return str(attempt.status) if attempt is not None and 400 <= attempt.status < 600 else "502"


def _count(cell: Cell, receipt: Receipt, attempt: Attempt | None) -> None:
    """Add one call; `attempt` is the one that was the answer."""
    took_ms, usage = receipt.duration_ms, receipt.usage
    cell.calls += 1
    times = cell.durations
    times.counts[bisect_left(ANSWERS_MS, took_ms)] += 1
    times.total_ms += took_ms
    if attempt is not None:
        times = cell.providers
        took_ms -= attempt.started_ms
        times.counts[bisect_left(ANSWERS_MS, took_ms)] += 1
        times.total_ms += took_ms
        if receipt.stream:
            cell.first_words.took(receipt.first_byte_ms)
    cell.held += receipt.hold_nano_usd
    if usage is None:
        return
    cell.cost += receipt.provider_cost_nano_usd
    cell.charge += receipt.charge_nano_usd
    cell.input += usage.input_total
    cell.output += usage.output_total
    if usage.cache_read:
        cell.cached += usage.cache_read
    if usage.cache_write_5m or usage.cache_write_1h:
        cell.stored += usage.cache_write_5m + usage.cache_write_1h
    if usage.reasoning:
        cell.reasoning += usage.reasoning
    if usage.source is not UsageSource.UPSTREAM:
        cell.estimated += 1
    if receipt.overrun_nano_usd:
        cell.overrun += receipt.overrun_nano_usd
        cell.anomalies += 1
