"""A provider breaks off in mid-answer: the caller is told, never fooled, and pays for what was said."""

from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from google import genai

from tests.journeys.callers import ANTHROPIC, CALLERS, GEMINI, OPENAI, Caller, Heard
from tests.journeys.hub import NewDatabase
from tests.journeys.stage import Stage, staged
from tests.mocks.server import Fault, Kind

TEXT = "one two three four five six seven eight nine ten"
SPEAKING = {"openai": 4, "anthropic": 5, "gemini": 2}
"""Pieces of each vendor's stream after which some words, and not all, were said."""
PAIRS = [(caller, vendor) for caller in CALLERS for vendor in CALLERS]
EVERY_PAIR = pytest.mark.parametrize(
    ("caller", "vendor"), PAIRS, ids=[f"{caller.name}-from-{vendor.name}" for caller, vendor in PAIRS]
)
BREAKS = [Kind.CUT_AFTER, Kind.RESET_AFTER, Kind.GARBAGE_INSIDE, Kind.HANG_AFTER]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory, new_database: NewDatabase) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("cuts"), new_database()) as stage:
        yield stage


@pytest.fixture
def stage(opened: Stage) -> Iterator[Stage]:
    """The stage; afterwards nothing is broken any more."""
    yield opened
    opened.mend()


def hear(stage: Stage, caller: Caller, vendor: Caller, text: str = TEXT, framing: str = "sse") -> Heard:
    """Hear the first words; only then does the vendor go on to what breaks it."""
    mock = stage.mock(vendor)
    mock.hold(after=SPEAKING[vendor.name])
    with caller.begin(stage.hub, stage.key, text, stream=True, model=vendor.model, framing=framing) as running:
        running.until(b"You")
        mock.release()
        return running.rest()


def cut_off(stage: Stage, caller: Caller, heard: Heard) -> Any:
    """Check that the stream told some words and then an error, in no way like an end; return the receipt."""
    assert heard.status == 200, heard.raw
    said = caller.text(heard)
    assert said
    assert f"You said: {TEXT}".startswith(said)
    assert not caller.is_whole(heard)
    told = caller.error(heard)
    assert told
    assert told["message"]
    if caller is GEMINI:
        assert heard.is_cut
    receipt = stage.receipt(heard)
    assert receipt["reason"] == "upstream_cut"
    assert len(receipt["attempts"]) == 1
    assert receipt["tokens"]["source"] == "estimate"
    assert 0 < receipt["tokens"]["output_total"] <= 16
    assert 0 < receipt["charge"]["nano_usd"] <= receipt["hold"]["nano_usd"]
    return receipt


@EVERY_PAIR
@pytest.mark.parametrize("kind", BREAKS, ids=lambda one: one.value)
def test_a_provider_killed_in_mid_stream_ends_in_an_error_event(
    stage: Stage, caller: Caller, vendor: Caller, kind: Kind
) -> None:
    stage.mock(vendor).fail(Fault(kind, after=SPEAKING[vendor.name]))
    before = stage.asked()
    heard = hear(stage, caller, vendor)
    cut_off(stage, caller, heard)
    assert stage.asked() == before + 1


@EVERY_PAIR
@pytest.mark.parametrize("mark", ["event", "halt"])
def test_a_vendors_own_error_and_a_missing_end_are_no_end(
    stage: Stage, caller: Caller, vendor: Caller, mark: str
) -> None:
    text = f"{TEXT} [[{vendor.name}]][[{mark}:{SPEAKING[vendor.name]}]]"
    before = stage.asked()
    heard = hear(stage, caller, vendor, text)
    cut_off(stage, caller, heard)
    assert stage.asked() == before + 1


@pytest.mark.parametrize("vendor", CALLERS, ids=lambda one: one.name)
@pytest.mark.parametrize("kind", BREAKS, ids=lambda one: one.value)
def test_a_json_array_that_breaks_off_is_never_closed(stage: Stage, vendor: Caller, kind: Kind) -> None:
    stage.mock(vendor).fail(Fault(kind, after=SPEAKING[vendor.name]))
    heard = hear(stage, GEMINI, vendor, framing="array")
    cut_off(stage, GEMINI, heard)
    assert heard.raw.lstrip()[:1] == b"["
    assert heard.raw.rstrip()[-1:] != b"]"


def test_openais_own_client_raises(stage: Stage) -> None:
    stage.mock(OPENAI).fail(Fault(Kind.RESET_AFTER, after=SPEAKING["openai"]))
    client = openai.OpenAI(api_key=stage.key, base_url=f"{stage.hub.url}/v1", max_retries=0)
    said = []
    with pytest.raises(openai.APIError, match="request id: req_"):
        for chunk in client.chat.completions.create(
            model=OPENAI.model, messages=[{"role": "user", "content": TEXT}], stream=True
        ):
            said.append(chunk.choices[0].delta.content or "")
    assert "".join(said).startswith("You")


def test_anthropics_own_client_raises(stage: Stage) -> None:
    stage.mock(ANTHROPIC).fail(Fault(Kind.RESET_AFTER, after=SPEAKING["anthropic"]))
    client = anthropic.Anthropic(api_key=stage.key, base_url=stage.hub.url, max_retries=0)
    said = []
    with (
        pytest.raises(anthropic.APIError, match="request id: req_"),
        client.messages.stream(
            model=ANTHROPIC.model, max_tokens=100, messages=[{"role": "user", "content": TEXT}]
        ) as stream,
    ):
        said.extend(stream.text_stream)
    assert "".join(said).startswith("You")


def test_googles_own_client_raises(stage: Stage) -> None:
    stage.mock(GEMINI).fail(Fault(Kind.RESET_AFTER, after=SPEAKING["gemini"]))
    client = genai.Client(api_key=stage.key, http_options={"base_url": stage.hub.url})
    said = []
    with pytest.raises(Exception, match=r"stream_cut|STREAM_CUT|request id: req_|incomplete|peer closed"):
        for chunk in client.models.generate_content_stream(model=GEMINI.model, contents=TEXT):
            said.append(chunk.text or "")
    assert "".join(said).startswith("You")


WAYS = [(*pair, stream) for pair in PAIRS for stream in (False, True)]
EVERY_WAY = pytest.mark.parametrize(
    ("caller", "vendor", "stream"),
    WAYS,
    ids=[f"{caller.name}-from-{vendor.name}-{'stream' if stream else 'whole'}" for caller, vendor, stream in WAYS],
)


@EVERY_WAY
def test_an_answer_without_usage_is_estimated_and_never_free(
    stage: Stage, caller: Caller, vendor: Caller, stream: bool
) -> None:
    heard = caller.ask(stage.hub, stage.key, f"{TEXT} [[nousage]]", stream=stream, model=vendor.model)
    assert caller.is_whole(heard)
    receipt = stage.receipt(heard)
    assert receipt["reason"] == "completed"
    assert receipt["tokens"]["source"] == "estimate"
    assert receipt["tokens"]["input_total"] >= 10
    assert 10 <= receipt["tokens"]["output_total"] <= 20
    assert receipt["charge"]["nano_usd"] > 0


@EVERY_WAY
def test_an_empty_answer_is_free(stage: Stage, caller: Caller, vendor: Caller, stream: bool) -> None:
    heard = caller.ask(stage.hub, stage.key, "say nothing [[empty]]", stream=stream, model=vendor.model)
    assert heard.status == 200, heard.raw
    assert caller.is_whole(heard), heard.raw
    assert caller.text(heard) == ""
    receipt = stage.receipt(heard)
    assert receipt["charge"]["nano_usd"] == 0
    assert receipt["reason"] == "empty"
