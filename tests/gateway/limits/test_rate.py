"""Limits of keys and plans: exact windows, slots that come back once, and models by id, alias, pattern and tier."""

import gc
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tollway.core.caller import Caller, KeyLimits, PlanRules
from tollway.core.errors import Forbidden, RateLimited
from tollway.core.ids import KeyId, UserId
from tollway.core.model import Model
from tollway.gateway.catalog import Catalog
from tollway.gateway.limits.rate import FREE, SWEEP_AT, WINDOW_S, ModelNotAllowed, RateLimiter, TooOften

CATALOG = Catalog.load()
ALIASES = {"cheap": "gpt-5-mini", "gpt-latest": "claude-opus"}
FREE_PLAN = PlanRules("free", "fast", 10)


def find(name: str) -> Model | None:
    return CATALOG.find(ALIASES.get(name, name))


def caller(key: str = "k", user: str = "u", plan: PlanRules | None = None, **limits: object) -> Caller:
    return Caller(UserId(user), KeyId(key), limits=KeyLimits(**limits), plan=plan or PlanRules())  # type: ignore[arg-type]


def test_a_key_without_limits_gets_a_place_that_counts_nothing() -> None:
    limiter = RateLimiter()
    slots = {id(limiter.admit(caller(), "m", 0.0)) for _ in range(1000)}
    assert slots == {id(FREE)}
    assert FREE.headers("openai", 0.0) == ()
    FREE.release()
    FREE.release()


def test_the_request_after_the_last_allowed_one_is_refused_and_told_when_to_come_back() -> None:
    limiter, who = RateLimiter(), caller(requests_per_minute=10)
    for second in range(10):
        limiter.admit(who, "m", float(second)).release()
    with pytest.raises(RateLimited) as refused:
        limiter.admit(who, "m", 30.0)
    assert refused.value.retry_after_s == pytest.approx(30.0)
    with pytest.raises(RateLimited):
        limiter.admit(who, "m", 59.999)
    limiter.admit(who, "m", 60.0)


@settings(max_examples=100, derandomize=True)
@given(apart=st.lists(st.floats(0, 20, width=32), min_size=3, max_size=3), asked=st.floats(0, 5, width=32))
def test_serving_20_whoever_comes_back_when_told_is_admitted_and_a_moment_earlier_is_not(
    apart: list[float], asked: float
) -> None:
    """No queue is announced that is not there: a refusal says the moment, and the moment holds."""
    limiter, who, now_s = RateLimiter(), caller(requests_per_minute=3), 0.0
    for step in apart:
        now_s += step
        limiter.admit(who, "m", now_s).release()
    now_s += asked
    if sum(apart) + asked >= WINDOW_S:
        return
    with pytest.raises(RateLimited) as refused:
        limiter.admit(who, "m", now_s)
    wait_s = refused.value.retry_after_s
    assert wait_s is not None and wait_s > 0
    with pytest.raises(RateLimited):
        limiter.admit(who, "m", now_s + wait_s - 0.01)
    limiter.admit(who, "m", now_s + wait_s + 1e-6).release()


def test_a_refusal_tells_the_limit_in_headers_as_an_answer_would() -> None:
    limiter, who = RateLimiter(), caller(requests_per_minute=2)
    limiter.admit(who, "m", 0.0)
    limiter.admit(who, "m", 10.0)
    with pytest.raises(TooOften) as refused:
        limiter.admit(who, "m", 30.0)
    assert dict(refused.value.slot.headers("openai", 0.0)) == {
        b"x-ratelimit-limit-requests": b"2",
        b"x-ratelimit-remaining-requests": b"0",
        b"x-ratelimit-reset-requests": b"40.000s",
    }


@settings(max_examples=300)
@given(
    per_minute=st.integers(1, 8),
    steps=st.lists(st.floats(0, 40, allow_nan=False, width=32), max_size=60),
)
def test_the_window_equals_counting_the_admitted_of_the_last_minute(per_minute: int, steps: list[float]) -> None:
    limiter, who = RateLimiter(), caller(requests_per_minute=per_minute)
    admitted: list[float] = []
    now = 1000.0
    for step in steps:
        now += step
        recent = [then for then in admitted if then > now - WINDOW_S]
        if len(recent) < per_minute:
            slot = limiter.admit(who, "m", now)
            admitted.append(now)
            assert slot.remaining == per_minute - len(recent) - 1
            continue
        with pytest.raises(RateLimited) as refused:
            limiter.admit(who, "m", now)
        wait = refused.value.retry_after_s
        assert wait is not None and 0 < wait <= WINDOW_S
        back = now + wait
        assert len([then for then in admitted if then > back + 1e-6 - WINDOW_S]) < per_minute


@settings(max_examples=200)
@given(most=st.integers(1, 4), moves=st.lists(st.integers(-6, 6), max_size=60))
def test_parallel_calls_never_exceed_the_limit_however_slots_are_given_back(most: int, moves: list[int]) -> None:
    limiter, who = RateLimiter(), caller(parallel_calls=most)
    held = []
    returned = []
    for move in moves:
        if move > 0:
            if len(held) < most:
                held.append(limiter.admit(who, "m", 0.0))
            else:
                with pytest.raises(RateLimited):
                    limiter.admit(who, "m", 0.0)
        elif held:
            slot = held.pop(move % len(held))
            slot.release()
            returned.append(slot)
        for slot in returned:
            slot.release()  # a second time: must change nothing


def test_a_call_refused_for_one_limit_counts_against_no_other() -> None:
    limiter = RateLimiter()
    who = caller(requests_per_minute=2, parallel_calls=1, models=("m",))
    first = limiter.admit(who, "m", 0.0)
    for _ in range(5):
        with pytest.raises(RateLimited):
            limiter.admit(who, "m", 1.0)
        with pytest.raises(Forbidden):
            limiter.admit(who, "other", 1.0)
    first.release()
    assert limiter.admit(who, "m", 2.0).remaining == 0
    with pytest.raises(RateLimited):
        limiter.admit(who, "m", 3.0)


def test_a_limit_lowered_while_in_use_holds_at_once() -> None:
    limiter = RateLimiter()
    for second in range(5):
        limiter.admit(caller(requests_per_minute=10), "m", float(second)).release()
    with pytest.raises(RateLimited) as refused:
        limiter.admit(caller(requests_per_minute=2), "m", 10.0)
    assert refused.value.retry_after_s == pytest.approx(53.0)  # until the second-newest is a minute old


def test_keys_do_not_share_a_window() -> None:
    limiter = RateLimiter()
    first = limiter.admit(caller("a", requests_per_minute=1), "m", 0.0)
    second = limiter.admit(caller("b", requests_per_minute=1), "m", 0.0)
    assert (first.remaining, second.remaining) == (0, 0)


@pytest.mark.parametrize(
    ("entries", "model", "may"),
    [
        (("gpt-5-mini",), "gpt-5-mini", True),
        (("gpt-*",), "gpt-5.2-codex", True),
        (("cheap",), "gpt-5-mini", True),
        (("gpt-*",), "claude-opus", False),  # although an alias that matches the pattern leads there
        (("gpt-5",), "gpt-5-mini", False),
        (("GPT-*",), "gpt-5-mini", False),
        (("claude-*", "gemini-?-flash"), "gemini-3-flash", True),
    ],
)
def test_allowed_models_are_ids_aliases_and_patterns(entries: tuple[str, ...], model: str, may: bool) -> None:
    limiter = RateLimiter(find)
    assert limiter.allows(KeyLimits(models=entries), model) is may
    assert limiter.allows(KeyLimits(models=entries), model) is may, "the remembered answer is the same"
    if not may:
        with pytest.raises(Forbidden) as refused:
            limiter.admit(caller(models=entries), model, 0.0)
        assert refused.value.field == "model"


def test_idle_keys_are_forgotten_and_busy_ones_are_not() -> None:
    limiter = RateLimiter()
    busy = limiter.admit(caller("busy", parallel_calls=1), "m", 0.0)
    for number in range(4 * SWEEP_AT):
        limiter.admit(caller(f"k{number}", requests_per_minute=5), "m", number * 1.0).release()
    gc.collect()
    assert len(limiter._uses) <= SWEEP_AT
    assert sys.getsizeof(limiter._uses) < 256 * 1024
    with pytest.raises(RateLimited):
        limiter.admit(caller("busy", parallel_calls=1), "m", 9999.0)
    busy.release()
    limiter.admit(caller("busy", parallel_calls=1), "m", 9999.0)


def test_headers_speak_the_callers_dialect() -> None:
    limiter, who = RateLimiter(), caller(requests_per_minute=3)
    slot = limiter.admit(who, "m", 0.0)
    assert dict(slot.headers("openai", 0.0)) == {
        b"x-ratelimit-limit-requests": b"3",
        b"x-ratelimit-remaining-requests": b"2",
        b"x-ratelimit-reset-requests": b"60.000s",
    }
    told = dict(slot.headers("anthropic", 1_700_000_000.0))
    assert told[b"anthropic-ratelimit-requests-reset"] == b"2023-11-14T22:14:20Z"


def test_a_plans_window_is_shared_by_all_keys_of_a_user_and_by_nobody_else() -> None:
    limiter = RateLimiter(find)
    for second in range(10):
        slot = limiter.admit(caller(f"k{second}", plan=FREE_PLAN), "gpt-5-mini", float(second))
        assert (slot.limit, slot.remaining) == (10, 9 - second)
        slot.release()
    with pytest.raises(TooOften) as refused:
        limiter.admit(caller("new", plan=FREE_PLAN), "gpt-5-mini", 10.0)
    assert refused.value.retry_after_s == pytest.approx(50.0)
    assert refused.value.details == {"plan": "free"}
    assert "free" in refused.value.message
    limiter.admit(caller("k0", user="other", plan=FREE_PLAN), "gpt-5-mini", 10.0)
    limiter.admit(caller("new", plan=FREE_PLAN), "gpt-5-mini", 60.0)


@settings(max_examples=200)
@given(
    asks=st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 20, allow_nan=False, width=32)), max_size=50),
    of_plan=st.integers(1, 6),
    of_key=st.integers(1, 4),
)
def test_key_and_plan_limits_hold_together_and_a_refusal_counts_against_neither(
    asks: list[tuple[str, float]], of_plan: int, of_key: int
) -> None:
    limiter, now = RateLimiter(), 100.0
    admitted: list[tuple[str, float]] = []
    for key, step in asks:
        now += step
        recent = [(name, at) for name, at in admitted if at > now - WINDOW_S]
        of_this_key = [at for name, at in recent if name == key]
        who = caller(key, plan=PlanRules("p", requests_per_minute=of_plan), requests_per_minute=of_key)
        if len(recent) < of_plan and len(of_this_key) < of_key:
            slot = limiter.admit(who, "m", now)
            admitted.append((key, now))
            assert slot.remaining == min(of_plan - len(recent), of_key - len(of_this_key)) - 1
            slot.release()
        else:
            with pytest.raises(TooOften):
                limiter.admit(who, "m", now)


@pytest.mark.parametrize("model", [model.id for model in CATALOG])
def test_a_fast_plan_includes_the_models_marked_for_it_and_names_itself_where_it_refuses(model: str) -> None:
    limiter, who = RateLimiter(find), caller(plan=FREE_PLAN)
    found = CATALOG.find(model)
    assert found is not None
    if found.free_plan:
        limiter.admit(who, model, 0.0).release()
        return
    with pytest.raises(ModelNotAllowed) as refused:
        limiter.admit(who, model, 0.0)
    assert (refused.value.status, refused.value.code, refused.value.field) == (403, "model_not_allowed", "model")
    assert refused.value.details == {"plan": "free"}
    assert not limiter.may(who, model)
    assert limiter.may(caller(), model)


def test_users_of_a_plan_are_forgotten_when_idle() -> None:
    limiter = RateLimiter()
    for number in range(4 * SWEEP_AT):
        who = caller(f"k{number}", f"u{number}", PlanRules("p", requests_per_minute=5), requests_per_minute=5)
        limiter.admit(who, "m", number * 1.0).release()
    assert len(limiter._uses) <= SWEEP_AT + 2
