"""What the anthropic provider sends is what the vendor accepts, and what the vendor answers is what we read."""

import base64
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from tests.mocks.anthropic import app
from tests.mocks.script import CITED_URL, PNG, REFUSAL, THOUGHT
from tests.mocks.server import MockServer
from tollway.core.chat import (
    ChatRequest,
    Effort,
    Message,
    OutputFormat,
    Part,
    Reasoning,
    Role,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from tollway.core.chat import ChoiceMode as Mode
from tollway.core.errors import Remedy
from tollway.core.media import Media, MediaKind
from tollway.core.stream import Answer, Completed, Finish, StreamEvent, ToolArgs, ToolEnd, ToolStart
from tollway.gateway.dialect import Target, close_body
from tollway.gateway.provider import Aim
from tollway.gateway.providers.anthropic import provider
from tollway.kit.sse import SseReader

MODELS = ["claude-haiku-4-5", "claude-sonnet-4-6", "claude-opus-4-7", "claude-opus-5"]
WEATHER = Tool(name="weather", schema={"type": "object", "properties": {"city": {"type": "string"}}})


@pytest.fixture(scope="module")
def vendor() -> Iterator[MockServer]:
    with MockServer(app) as server:
        yield server


def post(vendor: MockServer, body: bytes, stream: bool = False) -> bytes:
    path = provider.path(Aim("m", stream))
    headers = dict(provider.authorize("sk-ant-1") + provider.headers) | {"content-type": "application/json"}
    sent = urllib.request.Request(vendor.url + path, body, headers)
    with urllib.request.urlopen(sent, timeout=10) as answer:
        return bytes(answer.read())


def ask(vendor: MockServer, model: str, request: ChatRequest) -> Answer:
    written = provider.dialect.write_request(request, Target("anthropic", model, 64_000))
    return provider.dialect.read_reply(post(vendor, close_body(written.body)))


def question(*parts: Part, **rest: Any) -> ChatRequest:
    return ChatRequest(model="m", messages=(Message(Role.USER, parts),), **rest)


def said(answer: Answer) -> str:
    return "".join(part.text for part in answer.choices[0].parts if isinstance(part, Text))


def test_the_address_and_the_key_are_the_vendors_own() -> None:
    assert provider.base_url + provider.path(Aim("m", True)) == "https://api.anthropic.com/v1/messages"
    assert provider.authorize("k") == (("x-api-key", "k"),)
    assert provider.headers == (("anthropic-version", "2023-06-01"),)


@pytest.mark.parametrize("model", MODELS)
def test_every_model_accepts_a_question_with_every_dial(vendor: MockServer, model: str) -> None:
    dials = Sampling(temperature=1.7, top_p=0.9, top_k=3, seed=1, stop=("x", " "), presence_penalty=1.0)
    answer = ask(vendor, model, question(Text("hello"), sampling=dials, user="u", service_tier="default"))
    assert said(answer) == "You said: hello"


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("effort", list(Effort))
def test_every_model_accepts_every_effort(vendor: MockServer, model: str, effort: Effort) -> None:
    asked = question(Text("[[think]] why"), thinking=Thinking(effort=effort), max_output=50)
    parts = ask(vendor, model, asked).choices[0].parts
    thoughts = [part.text for part in parts if isinstance(part, Reasoning)]
    assert thoughts == ([] if effort is Effort.NONE else [THOUGHT])


@pytest.mark.parametrize("model", MODELS)
def test_a_tool_loop_with_thoughts_is_accepted_to_its_end(vendor: MockServer, model: str) -> None:
    asked = question(
        Text('[[think]] [[tool:weather {"city": "Rome"}]]'), tools=(WEATHER,), thinking=Thinking(budget=2000)
    )
    parts = ask(vendor, model, asked).choices[0].parts
    call = next(part for part in parts if isinstance(part, ToolCall))
    assert json.loads(call.args_json) == {"city": "Rome"}
    picture = Media(kind=MediaKind.IMAGE, mime="image/png", data=base64.b64encode(PNG).decode())
    result = Message(Role.TOOL, (ToolResult(call.id, (Text("sunny"), picture)),))
    turns = (*asked.messages, Message(Role.ASSISTANT, parts), result)
    answer = ask(
        vendor, model, ChatRequest(model="m", messages=turns, tools=(WEATHER,), thinking=Thinking(budget=2000))
    )
    assert said(answer).startswith("tool said: sunny [image image/png")


@pytest.mark.parametrize("model", MODELS)
def test_a_loop_whose_thoughts_were_lost_is_still_accepted(vendor: MockServer, model: str) -> None:
    turns = (
        Message(Role.USER, (Text("weather?"),)),
        Message(Role.ASSISTANT, (Reasoning("hm", signature="g", family="gemini"), ToolCall("c:1", "weather", "{}"))),
        Message(Role.TOOL, (ToolResult("c:1", (Text("sunny"),)),)),
    )
    asked = ChatRequest(model="m", messages=turns, tools=(WEATHER,), thinking=Thinking(effort=Effort.LOW))
    assert said(ask(vendor, model, asked)) == "tool said: sunny"


@pytest.mark.parametrize("model", [*MODELS, "claude-3-haiku-20240307"])
@pytest.mark.parametrize("thinking", [None, Thinking(effort=Effort.HIGH)])
def test_json_is_asked_for_in_a_way_each_model_accepts(
    vendor: MockServer, model: str, thinking: Thinking | None
) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]}
    for wanted in (OutputFormat(), OutputFormat(schema=schema, name="n")):
        asked = question(Text("number"), output_format=wanted, thinking=thinking)
        if model.startswith("claude-3") and thinking:
            continue
        written = provider.dialect.write_request(asked, Target("anthropic", model, 64_000))
        parts = provider.dialect.read_reply(post(vendor, close_body(written.body))).choices[0].parts
        if written.unwrap_tool:
            assert [part.name for part in parts if isinstance(part, ToolCall)] == [written.unwrap_tool]
        if written.prefill:
            assert json.loads(written.prefill + "".join(part.text for part in parts if isinstance(part, Text))) == {}


def test_a_forced_tool_is_called(vendor: MockServer) -> None:
    asked = question(
        Text("x"), tools=(WEATHER,), tool_choice=ToolChoice(Mode.NAMED, ("weather",)), parallel_tools=False
    )
    answer = ask(vendor, "claude-haiku-4-5", asked)
    assert answer.choices[0].finish is Finish.TOOL_CALLS


def test_refusal_citation_and_stop_are_understood(vendor: MockServer) -> None:
    refused = ask(vendor, "claude-haiku-4-5", question(Text("[[refuse]]")))
    assert (said(refused), refused.choices[0].finish) == (REFUSAL, Finish.CONTENT_FILTER)
    cited = ask(vendor, "claude-haiku-4-5", question(Text("[[cite]] x"))).choices[0].parts[0]
    assert isinstance(cited, Text) and cited.citations[0].url == CITED_URL
    stopped = ask(vendor, "claude-haiku-4-5", question(Text("[[stop]] x"), sampling=Sampling(stop=("END",))))
    assert (stopped.choices[0].finish, stopped.choices[0].stop_sequence) == (Finish.STOP_SEQUENCE, "END")


def test_cached_input_is_counted_once(vendor: MockServer) -> None:
    usage = ask(vendor, "claude-haiku-4-5", question(Text("[[cached]] x"))).usage
    assert usage is not None
    assert (usage.input_total, usage.cache_read, usage.cache_write_5m) == (152, 100, 50)


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_a_stream_is_understood_however_it_is_cut(vendor: MockServer, size: int) -> None:
    asked = question(
        Text('[[think]] [[tool:weather {"city": "Rome"}]] [[tool:weather]]'), tools=(WEATHER,), stream=True
    )
    written = provider.dialect.write_request(asked, Target("anthropic", "claude-haiku-4-5", 64_000))
    data = post(vendor, close_body(written.body), stream=True)
    reader, decoder, events = SseReader(), provider.dialect.decoder(), list[StreamEvent]()
    for start in range(0, len(data), size):
        for frame in reader.feed(data[start : start + size]):
            events += decoder.frame(frame)
    events += decoder.close()
    assert [event.slot for event in events if isinstance(event, ToolStart)] == [0, 1]
    for slot, args in ((0, {"city": "Rome"}), (1, {})):
        text = "".join(event.fragment for event in events if isinstance(event, ToolArgs) and event.slot == slot)
        assert json.loads(text) == args
    assert sum(isinstance(event, ToolEnd) for event in events) == 2
    assert isinstance(events[-1], Completed)


def test_an_error_keeps_the_vendors_words(vendor: MockServer) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        post(vendor, b'{"model":"claude-haiku-4-5","max_tokens":5,"messages":[{"role":"assistant","content":"x"}]}')
    fault = provider.dialect.read_error(caught.value.code, {}, caught.value.read())
    assert (fault.status, fault.remedy) == (400, Remedy.NONE)
    assert fault.message == 'messages: first message must use the "user" role'


class TestTheMockItself:
    """The vendor's own SDK is content with the stand-in."""

    def test_the_sdk_reads_answers_and_streams(self, vendor: MockServer) -> None:
        client = anthropic.Anthropic(api_key="sk-ant-1", base_url=vendor.url, max_retries=0)
        turns: Any = [{"role": "user", "content": "hello"}]
        message = client.messages.create(model="claude-haiku-4-5", max_tokens=50, messages=turns)
        assert message.content[0].text == "You said: hello"
        with client.messages.stream(model="claude-haiku-4-5", max_tokens=50, messages=turns) as stream:
            assert "".join(stream.text_stream) == "You said: hello"
            assert stream.get_final_message().usage.output_tokens == message.usage.output_tokens
        assert client.messages.count_tokens(model="claude-haiku-4-5", messages=turns).input_tokens == 1

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"seed": 1}, "seed: Extra inputs are not permitted"),
            ({"max_tokens": None}, "max_tokens: Field required"),
            ({"temperature": 1.5}, "temperature"),
            ({"thinking": {"type": "enabled", "budget_tokens": 100}}, "1024"),
            ({"messages": [{"role": "user", "content": " "}]}, "non-whitespace"),
            ({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b "}]}, "whitespace"),
        ],
    )
    def test_it_refuses_what_the_vendor_refuses(self, vendor: MockServer, change: dict[str, Any], words: str) -> None:
        body = {"model": "claude-haiku-4-5", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]} | change
        with pytest.raises(urllib.error.HTTPError) as caught:
            post(vendor, json.dumps(body).encode())
        assert caught.value.code == 400
        assert words in json.loads(caught.value.read())["error"]["message"]
