"""Admits a call within the limits of its API key and its user's plan, or says when to come back."""

import fnmatch
import math
from collections.abc import Callable
from datetime import UTC, datetime

from tollway.core.caller import Caller, KeyLimits, PlanRules
from tollway.core.errors import Forbidden, RateLimited
from tollway.core.model import Model
from tollway.gateway.limits.shares import Shares
from tollway.gateway.limits.window import ALL, RETRY_PARALLEL_S, WINDOW_S, Use

SWEEP_AT = 1024
MOST_ANSWERS = 10_000
"""(list of allowed models, model) pairs whose answer is remembered."""


class ModelNotAllowed(Forbidden):
    """The user's plan does not include the model."""

    code = "model_not_allowed"

    def __init__(self, plan: str, model: str) -> None:
        self.plan = plan
        message = f"the plan {plan!r} does not include the model {model}: it includes the fast models only"
        super().__init__(f"{message}; choose one of those, or another plan", field="model")

    @property
    def details(self) -> dict[str, object]:
        return {"plan": self.plan}


class Slot:
    """A call's place; give it back once the call has ended, however it ended. Giving back twice is harmless."""

    __slots__ = ("_use", "limit", "remaining", "reset_s")

    def __init__(
        self, use: Use | None = None, limit: int | None = None, remaining: int = 0, reset_s: float = 0.0
    ) -> None:
        self._use = use
        self.limit = limit
        """Requests per minute, None when neither key nor plan has such a limit; else the one nearer to its end."""
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
    """A key, or a user, asked more often within a minute than allowed; `slot` tells the limit in headers."""

    def __init__(self, message: str, wait_s: float, slot: Slot, plan: str = "") -> None:
        super().__init__(message, retry_after_s=wait_s)
        self.slot, self.plan = slot, plan

    @property
    def details(self) -> dict[str, object]:
        return {"plan": self.plan} if self.plan else {}


class TooManyAtOnce(RateLimited):
    """A key has as many calls running as it may."""


class ShareUsedUp(TooOften):
    """The limit is shared with other processes, and what this one may admit of it is used up: `admit_soon` may help."""

    def __init__(self, refusal: TooOften, use: Use, limit: int) -> None:
        super().__init__(refusal.message, refusal.retry_after_s or 1.0, refusal.slot, refusal.plan)
        self.use, self.limit = use, limit


FREE = Slot()
"""The place of every call that nothing limits: nothing to count, nothing to give back."""


def no_model(name: str) -> Model | None:
    """A catalog without a single model."""
    return None


class RateLimiter:
    """The limits of all keys and users, counted in this process; requests per minute in its share of them."""

    def __init__(self, find: Callable[[str], Model | None] = no_model, shares: Shares | None = None) -> None:
        """`find` gives the model of an id or alias: a list of allowed models may name aliases, and a plan may
        include only some models. `shares`: the same keys are served by other processes, too."""
        self._find, self._shares = find, shares
        self._uses: dict[str, Use] = {}
        """By key id, and by user id for the limits of plans."""
        self._sweep_at = SWEEP_AT
        self._answers: dict[tuple[tuple[str, ...], str], bool] = {}

    def admit(self, caller: Caller, model: str, now_s: float) -> Slot:
        """A place for one call of `model` (its id in the catalog) at `now_s`, monotonic seconds.

        A refused call counts for nothing. Raises Forbidden when the key may not use the model, ModelNotAllowed
        when the plan does not include it, RateLimited when key or user asked too often within 60 s or the key has
        too many calls running.
        """
        shares = self._shares
        if shares is not None and shares.closed:
            raise shares.refuse()
        limits, plan = caller.limits, caller.plan
        if limits.models is not None and not self.allows(limits, model):
            raise Forbidden(f"this API key may not use the model {model}", field="model")
        if plan.models != "all" and not self.includes(plan, model):
            raise ModelNotAllowed(plan.name, model)
        if limits.requests_per_minute is None and limits.parallel_calls is None and plan.requests_per_minute is None:
            return FREE
        return self._count(caller, now_s)

    async def admit_soon(self, caller: Caller, model: str) -> Slot:
        """Like `admit`, when that has just raised ShareUsedUp: with a larger share, if other processes leave one.

        Waits for them half a second at most.
        """
        shares = self._shares
        while shares is not None:
            try:
                return self.admit(caller, model, shares.now_s())
            except ShareUsedUp as short:
                if not await shares.more(short.use, short.limit):
                    raise
        raise RuntimeError("limits are shared with nobody")

    def _count(self, caller: Caller, now_s: float) -> Slot:
        """Count one request against every limit there is, or against none of them."""
        if len(self._uses) >= self._sweep_at:
            self._sweep(now_s)
        limits, plan = caller.limits, caller.plan
        use = None
        tightest = FREE
        windows: list[Use] = []
        if limits.requests_per_minute is not None or limits.parallel_calls is not None:
            use = self._use(caller.key)
            parallel = limits.parallel_calls
            if parallel is not None and use.running >= parallel:
                message = f"this API key already has {use.running} calls running; its limit is {parallel}"
                raise TooManyAtOnce(message, retry_after_s=RETRY_PARALLEL_S)
            if limits.requests_per_minute is not None:
                tightest = _room(use, limits.requests_per_minute, now_s, "this API key may ask")
                windows.append(use)
        if plan.requests_per_minute is not None:
            users = self._use(caller.user)
            slot = _room(users, plan.requests_per_minute, now_s, f"the plan {plan.name!r} lets a user ask", plan.name)
            tightest = slot if tightest is FREE or slot.remaining < tightest.remaining else tightest
            windows.append(users)
        for window in windows:
            window.admitted.append(now_s)
        shares = self._shares
        if shares is not None:
            for window in windows:
                shares.used(window, window.limit)
        if use is not None:
            use.running += 1
        return Slot(use, tightest.limit, tightest.remaining, tightest.reset_s)

    def may(self, caller: Caller, model: str) -> bool:
        """Whether key and plan let the caller use the model with this id."""
        return self.allows(caller.limits, model) and self.includes(caller.plan, model)

    def includes(self, plan: PlanRules, model: str) -> bool:
        """Whether a plan includes the model with this id."""
        if plan.models == "all":
            return True
        found = self._find(model)
        return found is not None and found.free_plan

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
        if fnmatch.fnmatchcase(model, entry):
            return True
        found = self._find(entry)
        return found is not None and found.id == model

    def _use(self, whose: str) -> Use:
        """What was counted for a key or a user."""
        return self._uses.get(whose) or self._uses.setdefault(whose, Use(whose, ALL if self._shares is None else 0))

    def _sweep(self, now_s: float) -> None:
        """Forget who neither asked within the last minute nor has a call running."""
        for use in self._uses.values():
            use.forget_before(now_s - WINDOW_S)
        self._uses = {
            name: use for name, use in self._uses.items() if use.running or use.admitted or 0 < use.share < ALL
        }
        self._sweep_at = max(SWEEP_AT, 2 * len(self._uses))


def _room(use: Use, per_minute: int, now_s: float, who: str, plan: str = "") -> Slot:
    """What is left of a sliding window once one more request is counted.

    Raises TooOften when it is full, ShareUsedUp when only this process's part of it is.
    """
    use.forget_before(now_s - WINDOW_S)
    used = len(use.admitted)
    if used >= per_minute or used >= use.share:
        raise _too_often(use, per_minute, now_s, who, plan)
    left = per_minute - used - 1
    if use.share < ALL:
        use.limit, left = per_minute, max(0, left - use.elsewhere)
    return Slot(None, per_minute, left, WINDOW_S)


def _too_often(use: Use, per_minute: int, now_s: float, who: str, plan: str) -> TooOften:
    frees_at_s = use.frees_at_s(per_minute)
    wait_s = WINDOW_S if frees_at_s is None else max(0.0, frees_at_s - now_s)
    message = f"{who} {per_minute} times a minute; come back in {math.ceil(wait_s)} s"
    reset_s = use.admitted[-1] + WINDOW_S - now_s if use.admitted else wait_s
    refused = TooOften(message, wait_s, Slot(None, per_minute, 0, reset_s), plan)
    return refused if len(use.admitted) >= per_minute else ShareUsedUp(refused, use, per_minute)
