"""A caller who goes away: his provider is let go at once, and he pays for what he was told."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.journeys.callers import CALLERS, GEMINI, OPENAI, Caller, newcomer
from tests.journeys.crowd import Books, left
from tests.journeys.hub import Hub, NewDatabase
from tests.journeys.stage import Stage, staged
from tests.mocks.server import MockRequest

TEXT = "one two three four five six seven eight nine ten"
SPEAKING = {"openai": 4, "anthropic": 5, "gemini": 2}
PAIRS = [(caller, vendor) for caller in CALLERS for vendor in CALLERS]
TRIES = 5
AT_ONCE_S = 0.1


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory, new_database: NewDatabase) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("gone"), new_database(), "") as stage:
        yield stage


@pytest.fixture
def stage(opened: Stage) -> Iterator[Stage]:
    """The stage; afterwards nothing waits any more."""
    yield opened
    opened.mend()


def asked_of(stage: Stage, vendor: Caller, before: int) -> MockRequest:
    """The request that reached the vendor after the first `before`."""
    mock, deadline = stage.mock(vendor), time.monotonic() + 10
    while len(mock.requests) <= before:
        assert time.monotonic() < deadline, "no request came"
        time.sleep(0.002)
    return mock.requests[before]


def receipt_when_there(hub: Hub, call: str, key: str) -> Any:
    """The receipt, as soon as the books have noticed."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        status, _, told = hub.ask(f"/v1/receipts/{call}", key=key)
        if status == 200:
            return told
        time.sleep(0.01)
    raise AssertionError("no receipt")


@pytest.mark.parametrize(("caller", "vendor"), PAIRS, ids=[f"{one.name}-from-{two.name}" for one, two in PAIRS])
def test_a_caller_who_leaves_in_mid_stream_frees_the_provider_and_pays_for_what_was_said(
    stage: Stage, caller: Caller, vendor: Caller
) -> None:
    mock, took = stage.mock(vendor), []
    mock.hold(after=SPEAKING[vendor.name])
    for _ in range(TRIES):
        before = len(mock.requests)
        running = caller.begin(stage.hub, stage.key, TEXT, stream=True, model=vendor.model)
        running.until(b"You")
        request = asked_of(stage, vendor, before)
        call = running.headers["x-request-id"]
        left_at = time.monotonic()
        running.leave()
        took.append(request.wait_aborted() - left_at)
        receipt = receipt_when_there(stage.hub, call, stage.key)
        assert receipt["reason"] == "client_gone"
        assert receipt["tokens"]["source"] == "estimate"
        assert 0 < receipt["tokens"]["output_total"] <= 12
        assert 0 < receipt["charge"]["nano_usd"] < receipt["hold"]["nano_usd"]
        assert [one["channel"] for one in receipt["attempts"]] == [vendor.name]
    assert min(took) < AT_ONCE_S, took


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("caller", CALLERS, ids=lambda one: one.name)
def test_a_caller_who_leaves_before_any_word_frees_the_provider_and_pays_nothing(
    stage: Stage, caller: Caller, stream: bool
) -> None:
    mock, took = stage.mock(caller), []
    mock.hold()
    user, key = newcomer(stage.hub, 100)
    asked = stage.asked()
    for _ in range(TRIES):
        before = len(mock.requests)
        running = caller.begin(stage.hub, key, TEXT, stream=stream)
        request = asked_of(stage, caller, before)
        left_at = time.monotonic()
        running.leave()
        took.append(request.wait_aborted() - left_at)
    assert min(took) < AT_ONCE_S, took
    assert left(stage.hub, key) == 100_000_000
    books = Books(stage.hub, user)
    assert books.count == TRIES
    assert set(books.by_reason) == {"client_gone"}
    assert stage.asked() == asked + TRIES  # nobody else was asked for a caller who had left


def test_a_caller_of_a_json_array_who_leaves_frees_the_provider(stage: Stage) -> None:
    mock = stage.mock(GEMINI)
    mock.hold(after=SPEAKING["gemini"])
    running = GEMINI.begin(stage.hub, stage.key, TEXT, stream=True, framing="array")
    running.until(b"You")
    call = running.headers["x-request-id"]
    running.leave()
    mock.requests[-1].wait_aborted()
    assert receipt_when_there(stage.hub, call, stage.key)["reason"] == "client_gone"


def test_a_crowd_that_leaves_at_once_leaves_no_hold_and_no_connection_behind(
    stage: Stage, start: Callable[..., Hub]
) -> None:
    mock = stage.mock(OPENAI)
    mock.hold(after=4)
    user, key = newcomer(stage.hub, 1000)
    crowd = [OPENAI.begin(stage.hub, key, TEXT, stream=True) for _ in range(40)]
    for running in crowd:
        running.until(b"You")
    requests = mock.requests[-40:]
    for running in crowd:
        running.leave()
    for request in requests:
        request.wait_aborted()
    mock.release()
    after = OPENAI.ask(stage.hub, key, TEXT)
    assert after.status == 200
    assert left(stage.hub, key) == 1000_000_000 - Books(stage.hub, user).charged
    assert Books(stage.hub, user).by_reason == {"client_gone": 40, "completed": 1}
