"""Admits a call within the limits of its API key, or says when to come back."""

import fnmatch
import math
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime

from tollway.core.caller import Caller, KeyLimits
from tollway.core.errors import Forbidden, RateLimited
from tollway.core.ids import KeyId

WINDOW_S = 60.0
RETRY_PARALLEL_S = 1.0
"""Nobody knows when a running call will end: ask again soon."""
SWEEP_AT = 1024
MOST_ANSWERS = 10_000
"""(list of allowed models, model) pairs whose answer is remembered."""


class _Use:
    """What one key did within the last minute and does now."""

    __slots__ = ("admitted", "running")

    def __init__(self) -> None:
        self.admitted: deque[float] = deque()
        self.running = 0

    def forget_before(self, then_s: float) -> None:
        admitted = self.admitted
        while admitted and admitted[0] <= then_s:
            admitted.popleft()


class Slot:
    """A call's place; give it back once the call has ended, however it ended. Giving back twice is harmless."""

    __slots__ = ("_use", "limit", "remaining", "reset_s")

    def __init__(
        self, use: _Use | None = None, limit: int | None = None, remaining: int = 0, reset_s: float = 0.0
    ) -> None:
        self._use = use
        self.limit = limit
        """Requests per minute, None when the key has no such limit."""
        self.remaining = remaining
        self.reset_s = reset_s
        """Seconds until the whole limit is free again, if nothing more is asked."""

    def release(self) -> None:
        """The call is over."""
        if self._use is not None:
            self._use.running -= 1
            self._use = None

    def headers(self, family: str, now_s: float) -> tuple[tuple[bytes, bytes], ...]:
        """Header lines for callers of a dialect family (`now_s` in Unix seconds); none without a limit."""
        if self.limit is None:
            return ()
        limit, remaining = b"%d" % self.limit, b"%d" % self.remaining
        if family == "anthropic":
            reset = datetime.fromtimestamp(math.ceil(now_s + self.reset_s), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            return (
                (b"anthropic-ratelimit-requests-limit", limit),
                (b"anthropic-ratelimit-requests-remaining", remaining),
                (b"anthropic-ratelimit-requests-reset", reset.encode()),
            )
        return (
            (b"x-ratelimit-limit-requests", limit),
            (b"x-ratelimit-remaining-requests", remaining),
            (b"x-ratelimit-reset-requests", b"%.3fs" % self.reset_s),
        )


class TooOften(RateLimited):
    """A key asked more often within a minute than it may; `slot` tells its limit in headers."""

    def __init__(self, message: str, wait_s: float, slot: Slot) -> None:
        super().__init__(message, retry_after_s=wait_s)
        self.slot = slot


FREE = Slot()
"""The place of every call whose key has no limit: nothing to count, nothing to give back."""


class RateLimiter:
    """The limits of all keys, counted in this process."""

    def __init__(self, resolve: Callable[[str], str | None] = lambda name: None) -> None:
        """`resolve` gives the model id behind an alias, so that a list of allowed models may name aliases."""
        self._resolve = resolve
        self._uses: dict[KeyId, _Use] = {}
        self._sweep_at = SWEEP_AT
        self._answers: dict[tuple[tuple[str, ...], str], bool] = {}

    def admit(self, caller: Caller, model: str, now_s: float) -> Slot:
        """A place for one call of `model` (its id in the catalog) at `now_s`, monotonic seconds.

        A refused call counts for nothing. Raises Forbidden when the key may not use the model, RateLimited when
        it asked too often within 60 s or has too many calls running.
        """
        limits = caller.limits
        if limits.models is not None and not self.allows(limits, model):
            raise Forbidden(f"this API key may not use the model {model}", field="model")
        per_minute, parallel = limits.requests_per_minute, limits.parallel_calls
        if per_minute is None and parallel is None:
            return FREE
        use = self._uses.get(caller.key) or self._new_use(caller.key, now_s)
        if parallel is not None and use.running >= parallel:
            message = f"this API key already has {use.running} calls running; its limit is {parallel}"
            raise RateLimited(message, retry_after_s=RETRY_PARALLEL_S)
        slot = Slot(use) if per_minute is None else _count(use, per_minute, now_s)
        use.running += 1
        return slot

    def allows(self, limits: KeyLimits, model: str) -> bool:
        """Whether a key with these limits may use the model with this id."""
        if limits.models is None:
            return True
        question = (limits.models, model)
        answer = self._answers.get(question)
        if answer is None:
            answer = any(self._matches(entry, model) for entry in limits.models)
            if len(self._answers) >= MOST_ANSWERS:
                self._answers.clear()
            self._answers[question] = answer
        return answer

    def forget_models(self) -> None:
        """The catalog has changed: aliases may lead elsewhere."""
        self._answers.clear()

    def _matches(self, entry: str, model: str) -> bool:
        return fnmatch.fnmatchcase(model, entry) or self._resolve(entry) == model

    def _new_use(self, key: KeyId, now_s: float) -> _Use:
        if len(self._uses) >= self._sweep_at:
            for use in self._uses.values():
                use.forget_before(now_s - WINDOW_S)
            self._uses = {key: use for key, use in self._uses.items() if use.running or use.admitted}
            self._sweep_at = max(SWEEP_AT, 2 * len(self._uses))
        return self._uses.setdefault(key, _Use())


def _count(use: _Use, per_minute: int, now_s: float) -> Slot:
    """Count one request in the sliding window. Raises TooOften when it is full."""
    use.forget_before(now_s - WINDOW_S)
    admitted = use.admitted
    if len(admitted) >= per_minute:
        # The window is free for one more once all but `per_minute - 1` of its requests are a minute old.
        wait_s = admitted[len(admitted) - per_minute] + WINDOW_S - now_s
        message = f"this API key may ask {per_minute} times a minute; come back in {math.ceil(wait_s)} s"
        raise TooOften(message, wait_s, Slot(None, per_minute, 0, admitted[-1] + WINDOW_S - now_s))
    admitted.append(now_s)
    return Slot(use, per_minute, per_minute - len(admitted), WINDOW_S)
