"""Against Google's own client and a mock that refuses what Google refuses."""

import http.client
from collections.abc import Iterator

import msgspec
import pytest
from google import genai
from google.genai import errors, types
from hypothesis import given

from tests.gateway.dialects.gemini.asking import FLASH, OPAQUE, THREE, ask, says
from tests.gateway.dialects.gemini.test_round_trip import questions
from tests.mocks import gemini as mock
from tests.mocks.exchange import MockAnswer, MockRequest
from tests.mocks.gemini_rules import Refused, check
from tests.mocks.script import CITED_URL
from tests.mocks.server import MockServer
from tollway.core.chat import (
    ChatRequest,
    Message,
    OutputFormat,
    Reasoning,
    Role,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolKind,
    ToolResult,
)
from tollway.core.media import Media, MediaKind
from tollway.core.stream import Completed, Cut, Finish, Finished, ReasoningSeal, Started, StreamEvent, TextDelta
from tollway.core.usage import Usage
from tollway.gateway.dialect import Target, Voice, close_body
from tollway.gateway.dialects.gemini import dialect
from tollway.gateway.provider import Aim
from tollway.gateway.providers.gemini import provider
from tollway.kit.sse import SseReader

LOOK = Tool(name="look", schema={"type": "object", "properties": {"at": {"type": "string"}}})
TARGETS = pytest.mark.parametrize("target", [FLASH, THREE], ids=["2.5", "3"])


@pytest.fixture
def google() -> Iterator[MockServer]:
    with MockServer(mock.app) as running:
        yield running


def send(server: MockServer, request: ChatRequest, target: Target, stream: bool = False) -> bytes:
    body = close_body(dialect.write_request(request, target).body)
    connection = http.client.HTTPConnection(server.host, server.port, timeout=5)
    connection.request("POST", provider.path(Aim(target.model, stream)), body, dict(provider.authorize("key")))
    answer = connection.getresponse()
    told = answer.read()
    assert answer.status == 200, told
    connection.close()
    return told


def stream(server: MockServer, request: ChatRequest, target: Target) -> list[StreamEvent]:
    decoder, frames = dialect.decoder(), SseReader().feed(send(server, request, target, stream=True))
    return [event for frame in frames for event in decoder.frame(frame)] + decoder.close()


@given(questions())
def test_google_accepts_every_question_we_write(request: ChatRequest) -> None:
    functions = any(tool.kind is ToolKind.FUNCTION for tool in request.tools)
    if functions:  # what Gemini cannot combine is the caller's own wish
        request = msgspec.structs.replace(request, output_format=None)
    sampling = msgspec.structs.replace(request.sampling, top_p=None, top_logprobs=None)
    request = msgspec.structs.replace(request, sampling=sampling, thinking=None)
    for target in (FLASH, THREE):
        wire = msgspec.json.decode(close_body(dialect.write_request(request, target).body))
        for turn in wire["contents"]:
            for part in turn["parts"]:
                if "thoughtSignature" in part:
                    part["thoughtSignature"] = mock.seal("x")
        kinds = {name for tool in wire.get("tools", []) for name in tool}
        if len(kinds) > 1:
            wire.pop("tools")
            wire.pop("toolConfig", None)
        check(wire, target.model)


def test_a_foreign_seal_would_be_refused_if_it_leaked() -> None:
    wire = {"contents": [{"role": "model", "parts": [{"text": "x", "thoughtSignature": "relay1.abc"}]}]}
    with pytest.raises(Refused, match="signature"):
        check(wire, "gemini-2.5-flash")


@TARGETS
def test_a_conversation_with_tools_goes_round(google: MockServer, target: Target) -> None:
    user = says('look [[tool:look {"at": "it"}]]')
    first = dialect.read_reply(send(google, ask(user, tools=(LOOK,)), target)).choices[0]
    assert first.finish is Finish.TOOL_CALLS
    (call,) = first.parts
    assert isinstance(call, ToolCall) and call.args_json == '{"at":"it"}'
    picture = Media(kind=MediaKind.IMAGE, mime="image/png", data="AAAA")
    result = Message(Role.TOOL, (ToolResult(call.id, (Text("a cat"), picture)),))
    again = ask(user, Message(Role.ASSISTANT, (call,)), result, tools=(LOOK,))
    text = dialect.read_reply(send(google, again, target)).choices[0].parts[0]
    assert isinstance(text, Text) and text.text.startswith("tool said: a cat [image image/png 3 bytes")
    stripped = msgspec.structs.replace(call, signature=None, family=None)
    send(google, ask(user, Message(Role.ASSISTANT, (stripped,)), result, tools=(LOOK,)), target)


@TARGETS
def test_streams_tell_what_whole_answers_tell(google: MockServer, target: Target) -> None:
    request = ask(says("hello there [[think]] [[cite]]"), thinking=Thinking(budget=1024, visible=True))
    events = stream(google, request, target)
    whole = dialect.read_reply(send(google, request, target))
    told = "".join(event.text for event in events if isinstance(event, TextDelta))
    (words,) = [part for part in whole.choices[0].parts if isinstance(part, Text)]
    assert told == words.text == "You said: hello there"
    assert words.citations[0].url == CITED_URL
    assert any(isinstance(event, ReasoningSeal) for event in events) and words.signature
    assert any(isinstance(part, Reasoning) for part in whole.choices[0].parts)
    assert events[-2:] == [Finished(Finish.STOP), Completed()]


def test_json_is_answered_by_the_schema(google: MockServer) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    answer = dialect.read_reply(send(google, ask(output_format=OutputFormat(schema=schema)), FLASH))
    assert answer.choices[0].parts == (Text('{"n": 1}'),)
    assert answer.usage == Usage(input_total=1, output_total=2)


def test_googles_client_is_content_with_the_mock(google: MockServer) -> None:
    client = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=google.url))
    assert client.models.generate_content(model="gemini-2.5-flash", contents="hi").text == "You said: hi"
    pieces = client.models.generate_content_stream(model="gemini-3-flash-preview", contents="hi")
    assert "".join(piece.text or "" for piece in pieces) == "You said: hi"
    assert client.models.count_tokens(model="gemini-2.5-flash", contents="a b").total_tokens == 2
    with pytest.raises(errors.ClientError, match="Unsupported MIME"):
        picture = types.Part.from_bytes(data=b"x", mime_type="image/gif")
        client.models.generate_content(model="gemini-2.5-flash", contents=[picture])


def our_stream(events: list[StreamEvent]) -> list[bytes]:
    encoder = dialect.encoder(Voice("req-1", "m", 1, stream=True, opaque=OPAQUE))
    return [piece for event in events for piece in (encoder.heartbeat(), encoder.write(event)) if piece]


WORDS: list[StreamEvent] = [
    Started("r", "m"),
    ReasoningSeal("anthropic", "sig"),
    TextDelta("a\u2028b "),
    TextDelta("c"),
]


@pytest.fixture
def ours() -> Iterator[MockServer]:
    def app(request: MockRequest) -> MockAnswer:
        ends: list[StreamEvent] = [Cut()] if b"cut" in request.body else [Finished(Finish.STOP), Completed()]
        return MockAnswer.of_stream(our_stream(WORDS + ends))

    with MockServer(app) as running:
        yield running


def test_googles_client_skips_our_heartbeats_and_keeps_foreign_seals(ours: MockServer) -> None:
    client = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=ours.url))
    chat = client.chats.create(model="m")
    assert "".join(piece.text or "" for piece in chat.send_message_stream("hi")) == "a\u2028b c"
    assert len(chat.get_history(curated=True)) > 1  # every chunk counts as valid, the last one too
    list(chat.send_message_stream("again"))
    sent = dialect.read_request(
        msgspec.json.decode(ours.requests[-1].body), dialect.envelope({}, {"model": "m"}), OPAQUE
    )
    assert Reasoning("", "sig", family="anthropic") in sent.messages[1].parts


async def test_googles_async_client_skips_our_heartbeats(ours: MockServer) -> None:
    client = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=ours.url))
    pieces = await client.aio.models.generate_content_stream(model="m", contents="hi")
    assert "".join([piece.text or "" async for piece in pieces]) == "a\u2028b c"
    with pytest.raises(errors.APIError):
        async for _ in await client.aio.models.generate_content_stream(model="m", contents="cut"):
            pass


def test_googles_client_raises_on_our_broken_stream(ours: MockServer) -> None:
    client = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=ours.url))
    with pytest.raises(errors.ServerError) as caught:
        list(client.models.generate_content_stream(model="m", contents="cut"))
    assert caught.value.code == 502
