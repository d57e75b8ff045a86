"""The echo model does what it is asked, in bytes the OpenAI SDK's own types accept."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from tollway.backends.memory import EchoUpstream
from tollway.backends.memory.parrot import Refused, listen
from tollway.backends.memory.specimen import specimen
from tollway.kit.http1.wire import Inbound, Outbound, UpstreamError
from tollway.kit.sse import SseReader

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}},
    },
}
PIXEL = "data:image/png;base64,iVBORw0KGgo="


async def send(body: Any) -> Inbound:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await EchoUpstream(lambda: 7.0).send(Outbound("http://echo.inside", b"/v1/chat/completions", (), raw))


def question(text: Any, **more: Any) -> dict[str, Any]:
    return {"model": "echo", "messages": [{"role": "user", "content": text}], **more}


async def whole(text: Any, **more: Any) -> ChatCompletion:
    inbound = await send(question(text, **more))
    assert inbound.status == 200
    return ChatCompletion.model_validate_json(await inbound.read(), strict=True)


async def streamed(text: Any, **more: Any) -> list[ChatCompletionChunk]:
    inbound = await send(question(text, stream=True, **more))
    frames = [frame.data for frame in SseReader().feed(await inbound.read())]
    assert frames.pop() == b"[DONE]"
    return [ChatCompletionChunk.model_validate_json(data, strict=True) for data in frames]


async def test_it_repeats_the_last_users_words_and_counts_them() -> None:
    answer = await whole("hello there")
    assert answer.choices[0].message.content == "You said: hello there"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.created == 7
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (2, 4, 6)


async def test_the_same_question_has_the_same_answer() -> None:
    assert await whole("again") == await whole("again")


async def test_a_stream_says_the_same_word_by_word() -> None:
    chunks = await streamed("one two  three", stream_options={"include_usage": True})
    words = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert words == ["You", " said:", " one", " two", "  three"]
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 5


async def test_usage_is_streamed_only_on_demand() -> None:
    assert all(chunk.usage is None for chunk in await streamed("hi"))


async def test_a_tool_that_the_words_name_is_called_with_arguments_of_its_schema() -> None:
    answer = await whole("please call get_weather now", tools=[TOOL])
    assert answer.choices[0].finish_reason == "tool_calls"
    calls = answer.choices[0].message.tool_calls
    assert calls is not None
    assert calls[0].type == "function"
    assert calls[0].function.name == "get_weather"
    assert json.loads(calls[0].function.arguments) == {"city": "echo", "days": 1}


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ("required", True),
        ({"type": "function", "function": {"name": "get_weather"}}, True),
        ({"type": "function", "function": {"name": "other"}}, False),
        ("none", False),
        ("auto", False),
    ],
)
async def test_tool_choice_decides_when_the_words_name_no_tool(choice: Any, called: bool) -> None:
    answer = await whole("hello", tools=[TOOL], tool_choice=choice)
    assert bool(answer.choices[0].message.tool_calls) is called


async def test_streamed_arguments_come_in_fragments_that_join() -> None:
    chunks = await streamed("get_weather", tools=[TOOL])
    calls = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or []]
    fragments = [call.function.arguments for call in calls if call.function and call.function.arguments]
    assert len(fragments) >= 2
    assert json.loads("".join(fragments)) == {"city": "echo", "days": 1}


async def test_tool_results_are_told_and_no_tool_is_called_again() -> None:
    turns = [
        {"role": "user", "content": "get_weather"},
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "tool", "tool_call_id": "a", "content": "20 degrees"},
        {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "rain"}]},
    ]
    inbound = await send({"model": "echo", "messages": turns, "tools": [TOOL]})
    answer = ChatCompletion.model_validate_json(await inbound.read())
    assert answer.choices[0].message.content == "The tool said: 20 degrees; rain"


async def test_pictures_sounds_and_files_are_described_by_type_and_size() -> None:
    parts = [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": PIXEL}},
        {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"}},
    ]
    answer = await whole(parts)
    assert answer.choices[0].message.content == (
        "You said: look [image image/png 8 bytes] [image https://example.com/cat.png] [audio wav 3 bytes] "
        "[file a.pdf application/pdf 3 bytes]"
    )
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 41


async def test_a_schema_is_answered_with_json_that_fits() -> None:
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    answer = await whole("x", response_format={"type": "json_schema", "json_schema": {"name": "s", "schema": schema}})
    assert json.loads(answer.choices[0].message.content or "") == {"ok": True}
    loose = await whole("x", response_format={"type": "json_object"})
    assert json.loads(loose.choices[0].message.content or "") == {"echo": "x"}


async def test_the_limit_and_stop_words_cut_the_answer() -> None:
    short = await whole("a b c", max_tokens=3)
    assert (short.choices[0].message.content, short.choices[0].finish_reason) == ("You said: a", "length")
    stopped = await whole("a b c", stop=["b"])
    assert (stopped.choices[0].message.content, stopped.choices[0].finish_reason) == ("You said: a ", "stop")


async def test_several_answers_are_given_and_counted() -> None:
    answer = await whole("a", n=3)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 9


@pytest.mark.parametrize("status", [400, 401, 429, 500, 503])
async def test_an_error_can_be_ordered(status: int) -> None:
    inbound = await send(question(f"[[error:{status}]]"))
    assert inbound.status == status
    assert json.loads(await inbound.read())["error"]["code"] == "echo_error"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"messages": 3}', b'{"messages": [1]}'])
async def test_nonsense_is_a_bad_request(body: bytes) -> None:
    assert (await send(body)).status == 400


async def test_a_pump_stops_when_told_and_goes_on_where_it_stopped() -> None:
    inbound = await send(question("a b", stream=True))
    first: list[bytes] = []

    def take_one(data: bytes) -> None:
        first.append(data)
        inbound.stop_pump()

    await inbound.pump(take_one)
    assert len(first) == 1
    assert b"".join(first) + await inbound.read() == await (await send(question("a b", stream=True))).read()


async def test_a_paused_answer_waits_and_a_closed_one_is_an_error() -> None:
    inbound = await send(question("a b", stream=True))
    inbound.pause()
    pumping = asyncio.create_task(inbound.read())
    await asyncio.sleep(0.01)
    assert not pumping.done()
    inbound.close()
    with pytest.raises(UpstreamError):
        await pumping


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
keywords = st.sampled_from(["type", "properties", "items", "$ref", "anyOf", "enum", "minimum", "minLength", "required"])


@given(st.dictionaries(keywords, json_values | st.dictionaries(keywords, json_values)))
def test_no_schema_breaks_the_specimen(schema: dict[str, Any]) -> None:
    made = specimen(schema)
    assert json.loads(json.dumps(made)) == made


def test_a_schema_that_holds_itself_comes_to_an_end() -> None:
    schema = {"type": "object", "properties": {"next": {"$ref": "#"}, "n": {"type": "integer"}}, "required": ["n"]}
    assert specimen(schema)["n"] == 1


@given(st.dictionaries(st.sampled_from(["messages", "tools", "stop", "n", "max_tokens", "tool_choice"]), json_values))
def test_any_json_is_answered_or_refused(body: dict[str, Any]) -> None:
    try:
        listen(json.dumps(body).encode())
    except Refused as refused:
        assert refused.status == 400
