"""Providers fail in every way they know; the caller gets an answer, or one clean error, and pays for what was said."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.journeys.callers import CALLERS, GEMINI, Caller, Heard
from tests.journeys.hub import Hub, NewDatabase
from tests.journeys.stage import FALLBACK, Stage, staged
from tests.mocks.server import Fault, Kind

DEAREST_OUT = {"openai": 5.0, "anthropic": 5.0, "gemini": 3.0}
"""US dollars per million output tokens, over each caller's whole plan."""
WAYS = [(caller, stream) for caller in CALLERS for stream in (False, True)]
EVERY_WAY = pytest.mark.parametrize(
    ("caller", "stream"), WAYS, ids=[f"{caller.name}-{'stream' if stream else 'whole'}" for caller, stream in WAYS]
)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory, new_database: NewDatabase) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("faults"), new_database()) as stage:
        yield stage


@pytest.fixture
def stage(opened: Stage) -> Iterator[Stage]:
    """The stage; afterwards nothing is broken any more."""
    yield opened
    opened.mend()


def fell_back(stage: Stage, caller: Caller, heard: Heard) -> Any:
    """Check that another provider answered in the caller's dialect, and return the receipt."""
    assert heard.status == 200, heard.raw
    assert caller.is_whole(heard), heard.raw
    assert caller.text(heard) == "You said: hello there"
    assert heard.headers["x-tollway-provider"] == FALLBACK[caller.name]
    receipt = stage.receipt(heard)
    tried = receipt["attempts"]
    assert [one["channel"] for one in tried] == [caller.name, FALLBACK[caller.name]]
    assert tried[0]["fault"]
    assert not tried[1]["fault"]
    assert tried[0]["started_ms"] <= tried[1]["started_ms"] <= receipt["duration_ms"]
    assert receipt["reason"] == "completed"
    assert receipt["asked_model"] == caller.model
    worst = 100 * DEAREST_OUT[caller.name] * 1000 * 1.4
    least = receipt["charge"]["nano_usd"] if receipt["stream"] else worst  # a stream begins with what is usual
    assert receipt["hold"]["nano_usd"] >= least > 0
    assert 0 < receipt["charge"]["nano_usd"] <= receipt["hold"]["nano_usd"]
    return receipt


@EVERY_WAY
@pytest.mark.parametrize(
    "kind", [Kind.REFUSE, Kind.CLOSE, Kind.RESET, Kind.GARBAGE, Kind.HANG], ids=lambda one: one.value
)
def test_a_provider_killed_before_its_first_byte_is_replaced(
    stage: Stage, caller: Caller, stream: bool, kind: Kind
) -> None:
    stage.mock(caller).fail(kind, times=2)  # a kept connection that proves dead is replaced once
    receipt = fell_back(stage, caller, caller.ask(stage.hub, stage.key, stream=stream))
    assert receipt["attempts"][0]["status"] == 0


@EVERY_WAY
@pytest.mark.parametrize("status", [401, 402, 403, 500, 502, 503, 504, 529])
def test_a_provider_that_refuses_or_fails_is_replaced(stage: Stage, caller: Caller, stream: bool, status: int) -> None:
    stage.mock(caller).fail(Fault(Kind.STATUS, status=status))
    before = stage.asked()
    receipt = fell_back(stage, caller, caller.ask(stage.hub, stage.key, stream=stream))
    assert receipt["attempts"][0]["status"] == status
    assert stage.asked() == before + 2


@pytest.mark.parametrize("caller", CALLERS, ids=lambda one: one.name)
@pytest.mark.parametrize(
    "fault",
    [Fault(Kind.TRUNCATED), Fault(Kind.WRONG_LENGTH), Fault(Kind.GARBAGE_INSIDE), Fault(Kind.CUT_AFTER, after=20),
     Fault(Kind.RESET_AFTER, after=20), Fault(Kind.HANG_AFTER, after=20)],
    ids=lambda one: one.kind.value,
)  # fmt: skip
def test_a_whole_answer_that_is_not_whole_is_replaced(stage: Stage, caller: Caller, fault: Fault) -> None:
    stage.mock(caller).fail(fault)
    receipt = fell_back(stage, caller, caller.ask(stage.hub, stage.key))
    assert receipt["attempts"][0]["status"] == 200


@pytest.mark.parametrize("caller", CALLERS, ids=lambda one: one.name)
@pytest.mark.parametrize(
    "kind", [Kind.CUT_AFTER, Kind.RESET_AFTER, Kind.HANG_AFTER, Kind.GARBAGE_INSIDE], ids=lambda one: one.value
)
def test_a_stream_that_breaks_before_its_first_word_is_replaced(stage: Stage, caller: Caller, kind: Kind) -> None:
    stage.mock(caller).fail(Fault(kind, after=0))
    fell_back(stage, caller, caller.ask(stage.hub, stage.key, stream=True))


@pytest.mark.parametrize("caller", CALLERS, ids=lambda one: one.name)
@pytest.mark.parametrize("after", [0, 1])
def test_a_vendors_own_error_event_before_any_word_fails_over_unseen(stage: Stage, caller: Caller, after: int) -> None:
    after = 0 if caller is GEMINI else after  # Gemini's first piece already speaks
    heard = caller.ask(stage.hub, stage.key, f"hello there [[{caller.name}]][[event:{after}]]", stream=True)
    assert heard.status == 200
    assert caller.is_whole(heard)
    assert heard.headers["x-tollway-provider"] == FALLBACK[caller.name]
    assert caller.error(heard) is None
    assert [one["channel"] for one in stage.receipt(heard)["attempts"]] == [caller.name, FALLBACK[caller.name]]


@EVERY_WAY
def test_the_callers_own_mistake_is_tried_nowhere_else(stage: Stage, caller: Caller, stream: bool) -> None:
    stage.mock(caller).fail(Fault(Kind.STATUS, status=400))
    before = stage.asked()
    heard = caller.ask(stage.hub, stage.key, stream=stream)
    assert heard.status == 400
    assert caller.error(heard)
    assert stage.asked() == before + 1
    receipt = stage.receipt(heard)
    assert [one["channel"] for one in receipt["attempts"]] == [caller.name]
    assert receipt["reason"] == "failed"
    assert receipt["charge"]["nano_usd"] == 0


@EVERY_WAY
@pytest.mark.parametrize(("status", "told"), [(500, 502), (503, 502), (401, 502)])
def test_when_nobody_answers_there_is_one_clean_error(
    stage: Stage, caller: Caller, stream: bool, status: int, told: int
) -> None:
    for each in CALLERS:
        stage.mock(each).fail(Fault(Kind.STATUS, status=status))
    before = stage.asked()
    heard = caller.ask(stage.hub, stage.key, stream=stream)
    assert heard.status == told
    assert not heard.is_cut
    shown = caller.error(heard)
    assert shown
    assert heard.id in shown["message"]
    receipt = stage.receipt(heard)
    tried = [one["channel"] for one in receipt["attempts"]]
    assert len(tried) == len(set(tried)) == stage.asked() - before
    assert tried[:2] == [caller.name, FALLBACK[caller.name]]
    assert receipt["reason"] == "failed"
    assert receipt["charge"]["nano_usd"] == 0


@pytest.mark.parametrize("caller", CALLERS, ids=lambda one: one.name)
def test_silence_is_worth_one_more_try_and_no_third(stage: Stage, caller: Caller) -> None:
    for each in CALLERS:
        stage.mock(each).fail(Kind.HANG)
    before = stage.asked()
    heard = caller.ask(stage.hub, stage.key)
    assert heard.status == 504
    assert caller.error(heard)
    assert stage.asked() == before + 2
    assert len(stage.receipt(heard)["attempts"]) == 2


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("caller", CALLERS, ids=lambda one: one.name)
def test_a_provider_that_does_not_know_the_model_is_replaced(
    start: Callable[..., Hub], stage: Stage, caller: Caller, stream: bool
) -> None:
    name = {"openai": "gpt-missing", "anthropic": "claude-missing", "gemini": "unheard-of"}[caller.name]
    served = f'[[models]]\nid = "{caller.model}"\nserved_by.{caller.name} = "{name}"\n'
    hub = start(stage.vendors.environ, served)
    key = hub.keys["api_key"]
    heard = caller.ask(hub, key, stream=stream)
    assert heard.status == 200, heard.raw
    assert caller.text(heard) == "You said: hello there"
    assert [one["status"] for one in hub.receipt(heard.id, key)["attempts"]] == [404, 200]


def when_well(
    stage: Stage, caller: Caller, hub: Hub, key: str, asked: float, patience_s: float = 10.0
) -> tuple[float, list[Heard]]:
    """Ask until the caller's own vendor answers again: seconds since `asked`, and every answer until then."""
    heard: list[Heard] = []
    while time.monotonic() < asked + patience_s:
        heard.append(caller.ask(hub, key))
        if heard[-1].headers["x-tollway-provider"] == caller.name:
            return time.monotonic() - asked, heard
        time.sleep(0.05)
    raise AssertionError(f"{caller.name} never came back")


@pytest.mark.parametrize("caller", CALLERS, ids=lambda one: one.name)
def test_a_provider_that_is_busy_rests_for_as_long_as_it_asked(
    start: Callable[..., Hub], stage: Stage, caller: Caller
) -> None:
    hub = start(stage.vendors.environ)
    key = hub.keys["api_key"]
    stage.mock(caller).fail(Fault(Kind.STATUS, status=429, headers={"retry-after": "5"}))
    before, since = len(stage.mock(caller).requests), time.monotonic()
    first = caller.ask(hub, key)
    assert first.status == 200
    assert [one["status"] for one in hub.receipt(first.id, key)["attempts"]] == [429, 200]
    second = caller.ask(hub, key, stream=True)
    assert second.headers["x-tollway-provider"] == FALLBACK[caller.name]
    assert [one["channel"] for one in hub.receipt(second.id, key)["attempts"]] == [FALLBACK[caller.name]]
    assert len(stage.mock(caller).requests) == before + 1
    waited_s, heard = when_well(stage, caller, hub, key, since)
    assert waited_s >= 5.0
    assert all(one.status == 200 for one in heard)
    assert len(stage.mock(caller).requests) == before + 2


@pytest.mark.parametrize("caller", CALLERS, ids=lambda one: one.name)
def test_when_all_are_busy_the_caller_learns_when_to_come_back(
    start: Callable[..., Hub], stage: Stage, caller: Caller
) -> None:
    hub = start(stage.vendors.environ)
    key = hub.keys["api_key"]
    for wait, each in zip((30, 20, 40), CALLERS, strict=True):
        stage.mock(each).fail(Fault(Kind.STATUS, status=429, headers={"retry-after": str(wait)}))
    told = caller.ask(hub, key)
    assert told.status == 429
    assert caller.error(told)
    tried = {one["channel"] for one in hub.receipt(told.id, key)["attempts"]}
    waits = {"openai": 30, "anthropic": 20, "gemini": 40}
    assert told.headers["retry-after"] == str(min(waits[name] for name in tried))
    before = stage.asked()
    again = caller.ask(hub, key)
    assert again.status == 429
    assert stage.asked() == before
    assert 0 <= int(told.headers["retry-after"]) - int(again.headers["retry-after"]) <= 5
