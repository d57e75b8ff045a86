"""A caller who goes away: his provider is let go at once, and he pays for what he was told."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.journeys.callers import CALLERS, GEMINI, OPENAI, Caller, newcomer
from tests.journeys.crowd import Books, left
from tests.journeys.hub import Hub, NewDatabase
from tests.journeys.stage import Stage, staged
from tests.journeys.till import charge_nano_usd, reported, sold
from tests.mocks.server import MockRequest

TEXT = "one two three four five six seven eight nine ten"
SPEAKING = {"openai": 4, "anthropic": 5, "gemini": 2}
STAYS = "gemini"
"""Bills the whole answer, whether anybody hears it or not."""
CANCELLED = [(caller, vendor) for caller in CALLERS for vendor in CALLERS if vendor.name != STAYS]
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


@pytest.mark.parametrize(("caller", "vendor"), CANCELLED, ids=[f"{one.name}-from-{two.name}" for one, two in CANCELLED])
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
        assert receipt["note"].startswith("cancelled")
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


@pytest.mark.parametrize(("caller", "framing"), [*((caller, "sse") for caller in CALLERS), (GEMINI, "array")])
def test_a_provider_that_bills_to_the_end_is_heard_to_the_end_for_its_count(
    stage: Stage, caller: Caller, framing: str
) -> None:
    mock = stage.mock(GEMINI)
    mock.hold(after=SPEAKING["gemini"])
    before = len(mock.requests)
    running = caller.begin(stage.hub, stage.key, TEXT, stream=True, model=GEMINI.model, framing=framing)
    running.until(b"You")
    request = asked_of(stage, GEMINI, before)
    call = running.headers["x-request-id"]
    running.leave()
    time.sleep(0.2)  # time in which nothing must happen
    assert request.aborted_at is None
    mock.release()
    receipt = receipt_when_there(stage.hub, call, stage.key)
    assert request.aborted_at is None
    assert (receipt["reason"], receipt["note"][:8]) == ("client_gone", "drained:")
    assert receipt["tokens"]["source"] == "upstream"
    spent = reported("gemini", mock, request)
    assert (receipt["tokens"]["input_total"], receipt["tokens"]["output_total"]) == (spent.input, spent.output)
    assert receipt["charge"]["nano_usd"] == charge_nano_usd(spent, sold(GEMINI.model, "gemini").price)


def test_a_provider_that_falls_silent_is_not_heard_for_ever(stage: Stage) -> None:
    mock = stage.mock(GEMINI)
    mock.hold(after=SPEAKING["gemini"])
    before = len(mock.requests)
    running = GEMINI.begin(stage.hub, stage.key, TEXT, stream=True)
    running.until(b"You")
    call = running.headers["x-request-id"]
    running.leave()
    asked_of(stage, GEMINI, before).wait_aborted(8)
    receipt = receipt_when_there(stage.hub, call, stage.key)
    assert receipt["reason"] == "client_gone"
    assert receipt["note"].startswith("drained in part")
    assert receipt["charge"]["nano_usd"] > 0


def test_a_channel_may_be_told_what_to_do_when_callers_leave(start: Callable[..., Hub], stage: Stage) -> None:
    mock = stage.mock(OPENAI)
    toml = f"""
[[channels]]
id = "stays"
provider = "openai"
base_url = "{mock.url}/v1"
key = "sk-test"
on_disconnect = "drain"
"""
    hub = start({}, toml)
    _, key = newcomer(hub, 100)
    mock.hold(after=SPEAKING["openai"])
    running = OPENAI.begin(hub, key, TEXT, stream=True)
    running.until(b"You")
    call = running.headers["x-request-id"]
    running.leave()
    time.sleep(0.1)
    mock.release()
    receipt = receipt_when_there(hub, call, key)
    assert (receipt["reason"], receipt["tokens"]["source"]) == ("client_gone", "upstream")


def test_a_stream_without_usage_that_its_caller_leaves_is_never_free_by_accident(stage: Stage) -> None:
    for vendor in (OPENAI, GEMINI):
        mock = stage.mock(vendor)
        mock.hold(after=SPEAKING[vendor.name])
        running = vendor.begin(stage.hub, stage.key, f"[[nousage]] {TEXT}", stream=True)
        running.until(b"You")
        call = running.headers["x-request-id"]
        running.leave()
        time.sleep(0.2)
        mock.release()
        receipt = receipt_when_there(stage.hub, call, stage.key)
        assert receipt["reason"] == "client_gone"
        assert receipt["tokens"]["source"] == "estimate"
        assert receipt["tokens"]["input_total"] > 0 < receipt["tokens"]["output_total"]
        assert receipt["charge"]["nano_usd"] > 0


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
