"""What has no counterpart on the other side is named in `x-tollway-dropped`, or refused by name; never silent."""

from typing import Any

import openai
import pytest
from google.genai import errors, types

from tests.journeys.asked import stops
from tests.journeys.speech import SOUND, STREAM, WHOLE, Loop, Wish
from tests.journeys.table import Table

CACHED = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
SAFE = types.SafetySetting(
    category=types.HarmCategory.HARM_CATEGORY_HARASSMENT, threshold=types.HarmBlockThreshold.BLOCK_NONE
)
NO_DIALS = {
    "logprobs", "top_logprobs", "logit_bias", "presence_penalty", "frequency_penalty",
}  # fmt: skip
FROM_OPENAI: dict[str, Any] = {
    "logprobs": True, "top_logprobs": 2, "seed": 7, "logit_bias": {"50256": 1}, "presence_penalty": 0.5,
    "frequency_penalty": 0.5, "verbosity": "low", "temperature": 0.5,
}  # fmt: skip
FROM_ANTHROPIC: dict[str, Any] = {"system": CACHED, "extra_body": {"top_k": 5}}
FROM_GEMINI: dict[str, Any] = {
    "top_k": 5, "seed": 7, "presence_penalty": 0.5, "frequency_penalty": 0.5, "safety_settings": [SAFE],
}  # fmt: skip
G_PENALTIES = {"generationConfig.presencePenalty", "generationConfig.frequencyPenalty"}
ROWS = [
    ("openai", "gpt-5-mini", FROM_OPENAI, NO_DIALS | {"temperature"}),  # the vendor's own rule for models that reason
    ("openai", "claude-haiku", FROM_OPENAI, NO_DIALS | {"seed", "verbosity"}),
    ("openai", "gemini-3-flash", FROM_OPENAI, {"logprobs", "top_logprobs", "logit_bias", "verbosity"}),
    ("anthropic", "gpt-5-mini", FROM_ANTHROPIC, {"top_k", "cache_control"}),
    ("anthropic", "claude-haiku", FROM_ANTHROPIC, set()),
    ("anthropic", "gemini-3-flash", FROM_ANTHROPIC, {"cache_control"}),
    ("gemini", "gpt-5-mini", FROM_GEMINI, {*G_PENALTIES, "generationConfig.topK", "safetySettings"}),
    ("gemini", "claude-haiku", FROM_GEMINI, {*G_PENALTIES, "generationConfig.seed", "safetySettings"}),
    ("gemini", "gemini-3-flash", FROM_GEMINI, set()),
]


@pytest.mark.parametrize("way", [WHOLE, STREAM])
@pytest.mark.parametrize(("sdk", "model", "extra", "dropped"), ROWS)
def test_what_the_other_side_has_no_word_for_is_named(
    table: Table, sdk: str, model: str, extra: dict[str, Any], dropped: set[str], way: str
) -> None:
    heard = table.talk(sdk, model, way, extra=extra).say("hello")
    assert heard.text == "You said: hello"
    assert set(heard.dropped) == dropped
    assert len(heard.dropped) == len(dropped), "each is named once"
    assert ("x-tollway-dropped" in heard.headers) == bool(dropped)


@pytest.mark.parametrize("model", ["gpt-5-mini", "gemini-3-flash"])
def test_more_stop_sequences_than_the_other_side_takes_are_named(table: Table, model: str) -> None:
    talk = table.talk("anthropic", model, stop=[f"stop {at}" for at in range(7)])
    heard = talk.say("hello")
    most = {"gpt-5-mini": 4, "gemini-3-flash": 5}[model]
    assert heard.dropped == [f"stop_sequences[{most}:]"]
    assert stops(talk.vendor, talk.asked.json) == [f"stop {at}" for at in range(most)]


@pytest.mark.parametrize("model", ["claude-haiku", "gemini-3-flash"])
def test_a_field_nobody_knows_is_named_once(table: Table, model: str) -> None:
    heard = table.talk("openai", model, extra={"extra_body": {"tomorrows_field": 1}}).say("hello")
    assert heard.dropped == ["tomorrows_field"]


@pytest.fixture
def only_claude(table: Table, loop: Loop) -> Table:
    """A key that no fallback to another model may serve."""
    return table.limited_to("claude-haiku", loop)


@pytest.mark.parametrize("way", [WHOLE, STREAM])
def test_several_answers_of_claude_are_refused_by_name(only_claude: Table, way: str) -> None:
    with pytest.raises(openai.BadRequestError) as told:
        only_claude.talk("openai", "claude-haiku", way, answers=2).say("hello")
    assert told.value.param == "n"
    with pytest.raises(errors.ClientError) as said:
        only_claude.talk("gemini", "claude-haiku", way, answers=2).say("hello")
    assert said.value.code == 400
    assert "generationConfig.candidateCount: Claude models give one answer at a time" in str(said.value)


@pytest.mark.parametrize("way", [WHOLE, STREAM])
def test_sound_for_claude_is_refused_by_its_place(only_claude: Table, way: str) -> None:
    with pytest.raises(openai.BadRequestError) as told:
        only_claude.talk("openai", "claude-haiku", way).say("listen", SOUND)
    assert told.value.param == "messages[0].content[1]"
    with pytest.raises(errors.ClientError) as said:
        only_claude.talk("gemini", "claude-haiku", way).say("listen", SOUND)
    assert "contents[0].parts[1]: Claude models take no audio" in str(said.value)
    assert said.value.code == 400


@pytest.mark.parametrize("way", [WHOLE, STREAM])
def test_what_claude_cannot_hear_is_refused_though_a_fallback_could(table: Table, way: str) -> None:
    tongue = table.tongues["openai"]
    with pytest.raises(openai.BadRequestError) as told:
        tongue.ask(way, "claude-haiku", [tongue.user("listen", [SOUND])], Wish())
    assert told.value.param == "messages[0].content[1]"
