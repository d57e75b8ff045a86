"""The hub's dialect says and understands what both client generations expect (hub.md 2.4, 2.5, 3, 14)."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.core.chat import Effort, Message, Reasoning, Role, Text, ToolCall, ToolKind, ToolResult
from tollway.core.errors import (
    BadRequest,
    CreditsExhausted,
    Fault,
    ModelNotFound,
    NoChannelAnswered,
    RateLimited,
    Remedy,
    TollwayError,
    Unsupported,
)
from tollway.core.media import Media, MediaKind
from tollway.core.stream import (
    Answer,
    Choice,
    Completed,
    Cut,
    Failed,
    Finish,
    Finished,
    Heartbeat,
    MediaPiece,
    ReasoningDelta,
    Started,
    StreamEvent,
    TextDelta,
    ToolArgs,
    ToolEnd,
    ToolStart,
    UsageSeen,
)
from tollway.core.usage import Usage
from tollway.gateway.dialect import Opaque, Voice, open_body
from tollway.gateway.dialects.hub import dialect
from tollway.kit.sse import SseReader

GOLDEN = Path(__file__).parents[3] / "golden" / "hub"
OPAQUE = Opaque(b"key")
CLOSING = {"model": "claude-sonnet", "model_display_name": "Claude Sonnet 4.6", "routed": False, "credits_used": 1.25}


def voice(text_event: str = "text", **more: Any) -> Voice:
    options = {"text_event": text_event}
    return Voice("req_1", "claude-sonnet", 7, stream=True, options=options, closing=lambda: CLOSING, **more)


def understood(body: bytes) -> Any:
    opened = open_body(body)
    return dialect.read_request(opened, dialect.envelope(opened, {}), OPAQUE)


def asked(**fields: Any) -> Any:
    return understood(json.dumps({"messages": [{"role": "user", "content": "hi"}]} | fields).encode())


def told(events: list[StreamEvent], **more: Any) -> bytes:
    encoder = dialect.encoder(voice(**more))
    return b"".join(encoder.write(event) for event in events)


def test_the_block_form_of_the_editor_extension_is_understood() -> None:
    request = understood((GOLDEN / "code_blocks.request.json").read_bytes())
    assert request.model == "claude-sonnet"
    assert request.stream
    assert request.messages == (
        Message(Role.SYSTEM, (Text("You edit code."),)),
        Message(Role.USER, (Text("what is in a.txt?"),)),
        Message(Role.ASSISTANT, (Text("I will read it."), ToolCall("t1", "read_file", '{"path":"a.txt"}'))),
        Message(Role.TOOL, (ToolResult("t1", (Text("1: hello"),)),)),
        Message(Role.USER, (Text("go on"),)),
    )
    assert request.tools[0].schema["required"] == ["path"]
    assert request.thinking.effort is Effort.MEDIUM


def test_the_role_form_is_understood_and_no_model_leaves_the_choice_to_the_hub() -> None:
    body = open_body((GOLDEN / "code_roles.request.json").read_bytes())
    envelope = dialect.envelope(body, {})
    assert (envelope.model, envelope.stream, envelope.max_output) == (None, True, 100)
    request = dialect.read_request(body, envelope, OPAQUE)
    assert [message.role for message in request.messages] == [Role.SYSTEM, Role.USER, Role.ASSISTANT, Role.TOOL]
    assert request.messages[3].parts == (ToolResult("t1", (Text("1: hello"),)),)
    assert request.tools == ()
    assert request.sampling.temperature == 0.2


def test_the_system_field_wins_over_a_system_turn_and_says_so() -> None:
    turns = [{"role": "system", "content": "old"}, {"role": "user", "content": "hi"}]
    request = asked(messages=turns, system="new")
    assert request.messages[0] == Message(Role.SYSTEM, (Text("new"),))
    assert len(request.messages) == 2
    assert request.leftover == ("messages[0]",)


def test_unknown_fields_are_ignored_and_defaults_hold() -> None:
    request = asked(tomorrow=1, tools=None, system=None, model="")
    assert request.leftover == ()
    assert request.sampling.temperature == 0.7
    assert request.thinking is None


def test_thinking_leaves_the_temperature_to_the_model() -> None:
    assert asked(enable_thinking=True).sampling.temperature is None
    assert asked(enable_thinking=True, temperature=1).sampling.temperature == 1.0


def test_pictures_are_understood_in_turns_and_in_tool_results() -> None:
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
    away = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [picture, {"type": "text", "text": "x"}]}
    body = json.dumps({"messages": [{"role": "user", "content": [result, away]}]}).encode()
    assert dialect.envelope(open_body(body), {}).media
    tool, user = understood(body).messages
    assert tool.parts[0].parts[0] == Media(kind=MediaKind.IMAGE, mime="image/png", data="aGk=")
    assert user.parts[0].url == "https://example.com/a.png"


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_use_id"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "video"}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages"),
        ({"temperature": 3}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"stream": "yes"}, "stream"),
        ({"model": 1}, "model"),
        ({"tools": [{"input_schema": {}}]}, "tools"),
        ({"sse_text_event": "word"}, "sse_text_event"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, Any], place: str) -> None:
    with pytest.raises(BadRequest) as caught:
        asked(**fields)
    assert caught.value.field == place


def test_a_whole_turn_streams_as_recorded() -> None:
    events: list[StreamEvent] = [
        Started("x", "upstream-name"),
        ReasoningDelta("let me"),
        ReasoningDelta(" see"),
        Heartbeat(),
        TextDelta("I will "),
        TextDelta("read it."),
        ToolStart(0, "t1", "read_file"),
        ToolArgs(0, '{"path":'),
        ToolStart(1, "t2", "read_file"),
        ToolArgs(0, '"a.txt"}'),
        ToolEnd(0),
        ToolArgs(1, '{"path":"b.txt"}'),
        ToolEnd(1),
        Finished(Finish.TOOL_CALLS),
        UsageSeen(Usage(input_total=12, output_total=7)),
        Completed(),
    ]
    assert told(events) == (GOLDEN / "code.sse").read_bytes()


def test_a_cut_stream_ends_with_an_error_that_clients_retry() -> None:
    picture = MediaPiece(Media(kind=MediaKind.IMAGE, mime="image/png", data="aGk="))
    stream = told([TextDelta("half"), picture, Cut(), TextDelta("late"), Completed()], text_event="chunk")
    assert stream == (GOLDEN / "chat_cut.sse").read_bytes()


def test_a_refused_key_of_ours_does_not_stop_the_caller_as_if_it_were_his() -> None:
    status, body = dialect.write_error(Fault("bad key", status=401, remedy=Remedy.NEXT_CHANNEL), "r")
    assert (status, json.loads(body)["detail"]["code"]) == (502, "PROVIDER_ERROR")


def test_a_body_may_choose_the_name_of_text_events() -> None:
    body = open_body(b'{"messages":[],"sse_text_event":"chunk"}')
    assert dialect.envelope(body, {}).options == {"text_event": "chunk"}


def test_thought_alone_is_closed_before_the_end() -> None:
    frames = SseReader().feed(told([ReasoningDelta("hm"), Completed()]))
    assert [json.loads(frame.data)["type"] for frame in frames] == ["thinking", "thinking_done", "done"]


def test_done_always_has_usage_and_a_display_name() -> None:
    encoder = dialect.encoder(Voice("r", "m", 0, input_estimate=3))
    done = json.loads(SseReader().feed(encoder.write(Completed()))[0].data)
    assert done["usage"] == {"input_tokens": 3, "output_tokens": 0}
    assert done["model_display_name"] == ""


def test_a_heartbeat_is_a_ping_comment() -> None:
    assert dialect.encoder(voice()).heartbeat() == b": ping\n\n"


@pytest.mark.parametrize(("args", "value"), [("", {}), ('{"a":1}', {"a": 1}), ('{"a":', {"raw_arguments": '{"a":'})])
def test_a_tools_input_is_always_an_object(args: str, value: dict[str, Any]) -> None:
    frames = SseReader().feed(told([ToolStart(0, "t", "n"), ToolArgs(0, args), ToolEnd(0), Completed()]))
    assert json.loads(frames[0].data)["input"] == value


def test_the_providers_own_tools_are_not_the_clients_to_run() -> None:
    stream = told([ToolStart(0, "t", "web_search", ToolKind.SERVER), ToolArgs(0, "{}"), ToolEnd(0)])
    assert stream == b""


def test_a_whole_answer_is_one_object() -> None:
    parts = (
        Reasoning("let me see"),
        Text("I will read it."),
        ToolCall("t1", "read_file", '{"path":"a.txt"}'),
        Media(kind=MediaKind.IMAGE, mime="image/png", data="aGk="),
    )
    answer = Answer("x", "u", (Choice(parts, Finish.TOOL_CALLS),), Usage(input_total=12, output_total=7))
    assert dialect.write_reply(answer, voice()) + b"\n" == (GOLDEN / "code.reply.json").read_bytes()


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (RateLimited("slow down", retry_after_s=3), 429, "RATE_LIMITED"),
        (CreditsExhausted(1_000_000, 5_000_000), 429, "QUOTA_EXCEEDED"),
        (ModelNotFound("no such model"), 404, "MODEL_NOT_FOUND"),
        (Unsupported("no tools here", field="tools"), 400, "TOOLS_NOT_SUPPORTED"),
        (NoChannelAnswered([Fault("x", status=500, remedy=Remedy.NEXT_CHANNEL)]), 503, "ALL_PROVIDERS_FAILED"),
        (BadRequest("no", field="messages"), 400, "INVALID_REQUEST"),
        (Fault("no", status=422, remedy=Remedy.NONE), 422, "PROVIDER_REFUSED"),
    ],
)
def test_errors_carry_the_hubs_codes(error: TollwayError, status: int, code: str) -> None:
    answered, body = dialect.write_error(error, "req_1")
    detail = json.loads(body)["detail"]
    assert (answered, detail["code"]) == (status, code)
    assert detail["message"] == f"{error.message} (request id: req_1)"


def test_a_quota_error_says_what_is_left_and_what_was_needed() -> None:
    detail = json.loads(dialect.write_error(CreditsExhausted(1_000_000, 5_000_000), "r")[1])["detail"]
    assert (detail["credits_remaining"], detail["credits_required"]) == (1.0, 5.0)
    assert json.loads(dialect.write_error(RateLimited("x", retry_after_s=3), "r")[1])["detail"]["retry_after"] == 3


def test_no_provider_speaks_it() -> None:
    with pytest.raises(Unsupported):
        dialect.decoder()


pieces = st.one_of(
    st.builds(TextDelta, st.text(), st.integers(0, 1)),
    st.builds(ReasoningDelta, st.text()),
    st.just(Heartbeat()),
    st.builds(UsageSeen, st.builds(Usage, st.integers(0, 9), output_total=st.integers(0, 9))),
)


@given(st.lists(pieces), st.sampled_from([Completed(), Cut(), Failed(500, "x", "y")]))
def test_whatever_is_said_comes_whole_and_ends_once(events: list[StreamEvent], end: StreamEvent) -> None:
    frames = [json.loads(frame.data) for frame in SseReader().feed(told([*events, end, end]))]
    said = "".join(event.text for event in events if isinstance(event, TextDelta) and event.choice == 0)
    assert "".join(frame["content"] for frame in frames if frame["type"] == "text") == said
    assert [frame["type"] in ("done", "error") for frame in frames] == [False] * (len(frames) - 1) + [True]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(["model", "messages", "system", "tools", "stream", "max_tokens", "temperature", "session_id"])


@given(st.dictionaries(names, json_values))
def test_any_json_is_understood_or_refused_by_name(fields: dict[str, Any]) -> None:
    try:
        understood(json.dumps(fields).encode())
    except BadRequest as refused:
        assert refused.field
