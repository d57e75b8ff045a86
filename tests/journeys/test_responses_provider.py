"""A provider that speaks Responses, before callers of every format: what they ask and hear is the same as ever."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from tests.journeys.hub import Hub, Providers
from tests.journeys.speech import ASYNC, DOCUMENT, PICTURE, STREAM, SUGAR, WHOLE, Function, Loop, Told
from tests.journeys.table import Table
from tests.mocks.script import CITED_URL, REFUSAL, THOUGHT

SDK = pytest.mark.parametrize("sdk", ["openai", "responses", "anthropic", "gemini"])
MODEL = "gpt-5-mini"
CITY: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = (Function("get_weather", CITY), Function("read_clock", {"type": "object", "properties": {}}))
CHANNEL = """
[[channels]]
id = "newer"
provider = "openai_responses"
models = { "gpt-5-mini" = "gpt-5-mini" }
"""


class Trip(BaseModel):
    """What an answer may have to look like."""

    city: str
    nights: int


@pytest.fixture(scope="module")
def opened(vendors: Providers, loop: Loop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Table]:
    vendors.mend()
    address = {"OPENAI_RESPONSES_API_KEY": "sk-new", "OPENAI_RESPONSES_BASE_URL": f"{vendors.openai.url}/v1"}
    hub = Hub(tmp_path_factory.mktemp("newer"), address, CHANNEL).start()
    yield Table.laid(hub, vendors, loop)
    assert hub.audit() == []
    hub.stop()


@SDK
def test_words_shapes_limits_and_attachments(opened: Table, sdk: str) -> None:
    for way in (WHOLE, STREAM, SUGAR, ASYNC + STREAM):
        talk = opened.talk(sdk, MODEL, way, system="Be brief.")
        assert talk.say("hello  there,\n“wörld” 🌍").text == "You said: hello there, “wörld” 🌍"
        assert talk.say("two").text == "You said: two"
        assert talk.asked.path == "/v1/responses"
    cut = opened.talk(sdk, MODEL, STREAM, limit=16).say("[[long:30]]")
    assert cut.text.split()[-1] == "word15"
    assert cut.finish in ("length", "max_output_tokens", "max_tokens", "MAX_TOKENS")
    shaped = opened.talk(sdk, MODEL, WHOLE, shape=Trip).say("a trip")
    assert shaped.parsed == Trip(city="text", nights=1)
    seen = opened.talk(sdk, MODEL, WHOLE).say("look", PICTURE, DOCUMENT)
    assert "[image image/png" in seen.text
    assert "[file application/pdf" in seen.text
    refused = opened.talk(sdk, MODEL, STREAM).say("[[refuse]] something")
    assert REFUSAL in (refused.refusal, refused.text)
    cited = opened.talk(sdk, MODEL, STREAM, search=True).say("[[cite]] a fact")
    assert cited.cited == [CITED_URL]


@SDK
@pytest.mark.parametrize("way", [WHOLE, STREAM])
def test_thoughts_come_back_sealed_with_the_results_of_tools(opened: Table, sdk: str, way: str) -> None:
    talk = opened.talk(sdk, MODEL, way, tools=TOOLS, think=True)
    heard = talk.say('[[think]] [[tool:get_weather {"city": "Oslo"}]] [[tool:read_clock]]')
    assert [(call.name, call.args) for call in heard.calls] == [("get_weather", {"city": "Oslo"}), ("read_clock", {})]
    assert heard.thought == ("" if sdk == "openai" else THOUGHT)
    again = talk.answer(Told(heard.calls[0], "cold"), Told(heard.calls[1], "noon"))
    assert again.text == "tool said: cold; noon"
    kinds = [item.get("type", "message") for item in talk.asked.json["input"]]
    assert kinds == ["message", "reasoning", *["function_call"] * 2, *["function_call_output"] * 2]


def test_the_providers_own_bytes_pass_through_both_ways(opened: Table) -> None:
    client: openai.OpenAI = opened.tongues["responses"].client
    more: dict[str, Any] = {"tomorrow": {"x": 1}, "truncation": "auto", "max_tool_calls": 3}
    answer = client.responses.with_raw_response.create(model=MODEL, input="hi", extra_body=more)
    asked = opened.mock("openai").requests[-1].json
    assert asked == {"input": "hi", "model": MODEL, **more}
    assert answer.parse().truncation == "disabled"
    assert "x-tollway-dropped" not in answer.headers


def test_the_credit_that_is_left_ends_a_stream_that_passes_through_well_formed(opened: Table, loop: Loop) -> None:
    poor = Table.of(opened.hub, opened.vendors, opened.hub.user(0.01)[1], loop)
    client: openai.OpenAI = poor.tongues["responses"].client
    events = list(client.responses.create(model=MODEL, input="[[long:3000]]", stream=True))
    assert events[-1].type == "response.incomplete"
