"""Responses, by the `openai` package: every model, whole and streamed, with tools, shapes, pictures and thoughts."""

from typing import Any

import openai
import pytest
from pydantic import BaseModel

from tests.journeys.callers import Running
from tests.journeys.speech import ASYNC, DOCUMENT, PICTURE, STREAM, SUGAR, WAYS, WHOLE, Function, Told
from tests.journeys.table import MODELS, Table
from tests.mocks.script import CITED_URL, REFUSAL, THOUGHT
from tests.mocks.server import Fault, Kind

CITY: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = (Function("get_weather", CITY), Function("read_clock", {"type": "object", "properties": {}}))
EACH_MODEL = pytest.mark.parametrize("model", MODELS)
WAY_OF = dict(zip(MODELS, (STREAM, ASYNC + STREAM, SUGAR), strict=True))
"""For what takes several calls: each model in another way."""


class Trip(BaseModel):
    """What an answer may have to look like."""

    city: str
    nights: int


@EACH_MODEL
def test_words_are_answered_in_every_way_of_the_sdk(table: Table, model: str) -> None:
    for way in WAYS:
        talk = table.talk("responses", model, way, system="Be brief.")
        heard = talk.say("hello  there,\n“wörld” 🌍")
        assert heard.text == "You said: hello there, “wörld” 🌍"
        assert (heard.finish, heard.dropped) == ("completed", [])
        assert talk.say("two").text == "You said: two"


@EACH_MODEL
def test_parallel_tools_are_called_and_answered_after_thoughts_that_come_back(table: Table, model: str) -> None:
    for way in (WHOLE, WAY_OF[model]):
        talk = table.talk("responses", model, way, tools=TOOLS, think=True)
        heard = talk.say('[[think]] [[tool:get_weather {"city": "Oslo"}]] [[tool:read_clock]]')
        assert [(call.name, call.args) for call in heard.calls] == [
            ("get_weather", {"city": "Oslo"}),
            ("read_clock", {}),
        ]
        assert heard.thought == ("" if model == "gpt-5-mini" else THOUGHT)
        again = talk.answer(Told(heard.calls[0], "cold"), Told(heard.calls[1], "noon"))
        assert again.text == "tool said: cold; noon"
        assert again.dropped == []
        if talk.vendor == "anthropic":
            (thought,) = [part for part in talk.asked.json["messages"][1]["content"] if part["type"] == "thinking"]
            assert thought["signature"]


@EACH_MODEL
def test_a_shape_a_limit_a_refusal_sources_and_attachments(table: Table, model: str) -> None:
    way = WAY_OF[model]
    shaped = table.talk("responses", model, SUGAR, shape=Trip).say("a trip")
    assert shaped.parsed == Trip(city="text", nights=1)
    assert table.talk("responses", model, WHOLE, shape=Trip).say("a trip").parsed == Trip(city="text", nights=1)
    cut = table.talk("responses", model, way, limit=3).say("[[long:10]]")
    assert (cut.text, cut.finish) == ("word0 word1 word2", "max_output_tokens")
    refused = table.talk("responses", model, way).say("[[refuse]] something")
    assert REFUSAL in (refused.refusal, refused.text)
    cited = table.talk("responses", model, way, search=True).say("[[cite]] a fact")
    assert cited.cited == [CITED_URL]
    cached = table.talk("responses", model, way).say("[[cached]] remember")
    assert cached.spent.cache_read == 100
    seen = table.talk("responses", model, way).say("look", PICTURE, DOCUMENT)
    assert "[image image/png" in seen.text
    assert "[file application/pdf" in seen.text


def test_what_a_hub_without_a_store_cannot_do_is_refused_by_name(table: Table) -> None:
    client: openai.OpenAI = table.tongues["responses"].client
    said: dict[str, Any] = {"model": "gpt-5-mini", "input": "hi"}
    for field, more in (
        ("previous_response_id", {"previous_response_id": "resp_1"}),
        ("conversation", {"conversation": "conv_1"}),
        ("background", {"background": True}),
        ("prompt", {"prompt": {"id": "pmpt_1"}}),
        ("input[1]", {"input": [{"role": "user", "content": "a"}, {"type": "item_reference", "id": "rs_1"}]}),
        ("tools[0]", {"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}]}),
    ):
        with pytest.raises(openai.BadRequestError) as refused:
            client.responses.create(**(said | more))
        assert refused.value.param == field


def test_echo_answers_and_what_has_no_counterpart_is_named(table: Table) -> None:
    client: openai.OpenAI = table.tongues["responses"].client
    raw = client.responses.with_raw_response.create(
        model="echo", input="hi", truncation="auto", max_tool_calls=3, include=["message.output_text.logprobs"],
        metadata={"a": "b"}, temperature=0.5, instructions="Be brief.",
    )  # fmt: skip
    answer = raw.parse()
    assert "hi" in answer.output_text
    assert (answer.metadata, answer.temperature, answer.instructions) == ({"a": "b"}, 0.5, "Be brief.")
    dropped = raw.headers["x-tollway-dropped"].split(", ")
    assert {"truncation", "max_tool_calls", "include[0]"} <= set(dropped)


def test_a_broken_stream_raises_in_the_sdk_after_what_was_said(table: Table) -> None:
    client: openai.OpenAI = table.tongues["responses"].client
    table.vendors.openai.fail(Fault(Kind.CUT_AFTER, after=4))
    heard: list[str] = []
    with pytest.raises(openai.APIError, match="request id: req_") as broken:
        for event in client.responses.create(model="gpt-5-mini", input="one two three four", stream=True):
            heard.append(event.type)
    assert broken.value.code == "upstream_cut"
    assert "response.output_text.delta" in heard
    with client.responses.with_streaming_response.create(model="gpt-5-mini", input="hi", stream=True) as whole:
        assert "event: response.completed" in "\n".join(whole.iter_lines())


def test_the_wire_tells_a_failure_twice_and_keeps_its_count(table: Table) -> None:
    table.vendors.gemini.fail(Fault(Kind.CUT_AFTER, after=2))
    body = {"model": "gemini-3-flash", "input": "one two three four five six", "stream": True}
    with Running(table.hub, "/v1/responses", body, table.key) as running:
        events = running.rest().events
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    error, failed = events[-2:]
    assert (error["type"], failed["type"]) == ("error", "response.failed")
    assert error["code"] == failed["response"]["error"]["code"] == "upstream_cut"
    assert failed["response"]["id"] == events[0]["response"]["id"]
    assert failed["response"]["status"] == "failed"
