"""What a key may do: how often, how much at once, with which models; and what is not on sale at all."""

import time
from collections.abc import Callable, Iterator

import pytest

from tests.journeys.callers import ANTHROPIC, CALLERS, GEMINI, OPENAI, Caller, Heard, newcomer
from tests.journeys.hub import Hub, NewDatabase
from tests.journeys.stage import Stage, staged
from tests.mocks.server import Fault, Kind

SPEAKING = {"openai": 4, "anthropic": 5, "gemini": 2}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory, new_database: NewDatabase) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("limits"), new_database(), "") as stage:
        yield stage


@pytest.fixture
def stage(opened: Stage) -> Iterator[Stage]:
    """The stage; afterwards nothing is broken any more."""
    yield opened
    opened.mend()


def limited(stage: Stage, *words: str) -> str:
    """A new user's key with limits."""
    user, _ = newcomer(stage.hub, 1000)
    return str(stage.hub.tollway("keys", "create", user, *words)["api_key"])


def room(caller: Caller, heard: Heard) -> tuple[str, str]:
    """(limit, remaining) as the headers of this dialect tell them."""
    if caller is ANTHROPIC:
        assert heard.headers["anthropic-ratelimit-requests-reset"].endswith("Z")
        return (
            heard.headers["anthropic-ratelimit-requests-limit"],
            heard.headers["anthropic-ratelimit-requests-remaining"],
        )
    assert heard.headers["x-ratelimit-reset-requests"].endswith("s")
    return heard.headers["x-ratelimit-limit-requests"], heard.headers["x-ratelimit-remaining-requests"]


@pytest.mark.parametrize("caller", CALLERS, ids=lambda one: one.name)
def test_one_request_too_many_in_a_minute_is_told_when_to_come_back(stage: Stage, caller: Caller) -> None:
    key = limited(stage, "--requests-per-minute", "3")
    for left, stream in (("2", False), ("1", True), ("0", False)):
        heard = caller.ask(stage.hub, key, stream=stream)
        assert heard.status == 200
        assert room(caller, heard) == ("3", left)
    before = stage.asked()
    refused = caller.ask(stage.hub, key)
    assert refused.status == 429
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert room(caller, refused) == ("3", "0")
    told = caller.error(refused)
    assert told
    assert "3 times a minute" in told["message"]
    assert "x-should-retry" not in refused.headers
    assert stage.asked() == before


@pytest.mark.parametrize("caller", CALLERS, ids=lambda one: one.name)
def test_a_key_with_two_places_runs_two_calls_at_once(stage: Stage, caller: Caller) -> None:
    key, mock = limited(stage, "--parallel-calls", "2"), stage.mock(caller)
    mock.hold(after=SPEAKING[caller.name])
    running = [caller.begin(stage.hub, key, "one two three four", stream=True) for _ in range(2)]
    for one in running:
        one.until(b"You")
    refused = caller.ask(stage.hub, key)
    assert refused.status == 429
    assert refused.headers["retry-after"] == "1"
    running[0].leave()
    other, deadline = GEMINI if caller is not GEMINI else OPENAI, time.monotonic() + 5
    while caller.ask(stage.hub, key, model=other.model).status != 200:
        assert time.monotonic() < deadline, "the place of a caller who left never came free"
        time.sleep(0.01)
    mock.release()
    assert caller.is_whole(running[1].rest())
    assert all(caller.ask(stage.hub, key).status == 200 for _ in range(3))


@pytest.mark.parametrize("caller", CALLERS, ids=lambda one: one.name)
def test_a_key_for_some_models_opens_no_other(stage: Stage, caller: Caller) -> None:
    key = limited(stage, "--model", caller.model)
    assert caller.ask(stage.hub, key).status == 200
    other = GEMINI if caller is not GEMINI else OPENAI
    before = stage.asked()
    refused = caller.ask(stage.hub, key, model=other.model)
    assert refused.status == 403
    told = caller.error(refused)
    assert told
    assert other.model in told["message"]
    assert stage.asked() == before


def test_a_pattern_and_an_alias_name_models_too(stage: Stage) -> None:
    key = limited(stage, "--model", "gpt-*", "--model", "claude-haiku-4-5")
    assert OPENAI.ask(stage.hub, key).status == 200
    assert ANTHROPIC.ask(stage.hub, key).status == 200
    assert GEMINI.ask(stage.hub, key).status == 403


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("caller", CALLERS, ids=lambda one: one.name)
def test_no_fallback_outside_the_keys_models_is_used(stage: Stage, caller: Caller, stream: bool) -> None:
    key = limited(stage, "--model", caller.model)
    stage.mock(caller).fail(Fault(Kind.STATUS, status=500))
    before = stage.asked()
    heard = caller.ask(stage.hub, key, stream=stream)
    assert heard.status == 502
    assert caller.error(heard)
    assert stage.asked() == before + 1


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("caller", CALLERS, ids=lambda one: one.name)
def test_a_model_nobody_sells_is_not_found_and_costs_nothing(stage: Stage, caller: Caller, stream: bool) -> None:
    before = stage.asked()
    heard = caller.ask(stage.hub, stage.key, model="gpt-77", stream=stream)
    assert heard.status == 404
    told = caller.error(heard)
    assert told
    assert "gpt-77" in told["message"]
    assert stage.asked() == before


def test_a_model_without_a_price_is_refused_at_the_start_with_its_place(start: Callable[..., Hub]) -> None:
    row = '\n[[models]]\nid = "mine"\nname = "Mine"\nprovider = "openai"\ncategory = "fast"\nfamily = "openai"\n'
    row += 'context_window = 1000\nmax_output = 100\nserved_by.openai = "mine"\n'
    with pytest.raises(AssertionError, match=r"tollway\.toml:\d+: .*price") as caught:
        start({}, "[server]\ndrain_s = 1\n" + row)
    assert "Traceback" not in str(caught.value)
