"""Requests peeked at, edited and understood; whatever is wrong is refused by its exact place."""

from typing import Any

import msgspec
import pytest

from tollway.core.chat import (
    ChatRequest,
    ChoiceMode,
    Effort,
    Message,
    OutputFormat,
    Reasoning,
    Refusal,
    Role,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolKind,
    ToolResult,
)
from tollway.core.errors import BadRequest
from tollway.core.media import Media, MediaKind
from tollway.gateway.dialect import Edits, Envelope, Opaque, close_body, open_body
from tollway.gateway.dialects.openai_chat import dialect

OPAQUE = Opaque(b"key")
HI = [{"role": "user", "content": "hi"}]


def peek(**fields: Any) -> Envelope:
    return dialect.envelope(open_body(msgspec.json.encode(fields)), {})


def read(messages: Any = None, **fields: Any) -> ChatRequest:
    body = open_body(msgspec.json.encode({"model": "m", "messages": HI if messages is None else messages, **fields}))
    return dialect.read_request(body, dialect.envelope(body, {}), OPAQUE)


def edit(body: bytes, edits: Edits) -> bytes:
    fields = open_body(body)
    return close_body(dialect.edit_request(fields, dialect.envelope(fields, {}), edits))


def test_the_envelope_takes_the_larger_limit() -> None:
    seen = peek(
        model="m", stream=True, max_tokens=5, max_completion_tokens=9, n=2, stream_options={"include_usage": True}
    )
    assert seen == Envelope("m", True, 9, 2, True)


def test_null_is_absent() -> None:
    assert peek(model=None, stream=None, max_tokens=None, n=None) == Envelope(None, include_usage=False)


@pytest.mark.parametrize(
    ("field", "value"),
    [("model", 3), ("stream", "yes"), ("max_tokens", "9"), ("max_tokens", 0), ("n", 0), ("n", 1.5)],
)
def test_the_envelope_names_the_wrong_field(field: str, value: Any) -> None:
    with pytest.raises(BadRequest) as refused:
        peek(**{field: value})
    assert refused.value.field == field


def test_media_is_seen_however_it_is_spelt() -> None:
    plain = b'{"messages":[{"role":"user","content":[{"type":"text","text":"\\"image_url\\" [1]"}]}]}'
    escaped = b'{"messages":[{"role":"user","content":[{"type":"im\\u0061ge_url","image_url":{"url":"x"}}]}]}'
    assert not dialect.envelope(open_body(plain), {}).media
    assert dialect.envelope(open_body(escaped), {}).media


@pytest.mark.parametrize(
    "fields",
    [{"web_search_options": {}}, {"plugins": []}, {"tools": [{"type": "browser_search"}]}, {"model": "a/b:online"}],
)
def test_tools_of_the_providers_own_are_seen(fields: dict[str, Any]) -> None:
    assert peek(**fields).server_tools
    assert not peek(model="m", tools=[{"type": "function", "function": {"name": "web_search"}}]).server_tools


def test_fields_of_tomorrow_pass_byte_for_byte() -> None:
    body = b'{"future": {"a":  [1.0, 2e3]},"model":"old","messages":[ {"role":"user","content":"\\u00e9"} ]}'
    assert edit(body, Edits("new")) == body.replace(b'"future": ', b'"future":').replace(b"old", b"new")


def test_usage_is_asked_for_beside_other_stream_options() -> None:
    body = b'{"model":"m","stream":true,"stream_options":{"include_obfuscation":false}}'
    assert edit(body, Edits("m")).endswith(b'"stream_options":{"include_obfuscation":false,"include_usage":true}}')
    assert b"stream_options" not in edit(b'{"model":"m"}', Edits("m"))


@pytest.mark.parametrize(
    ("given", "edited"),
    [
        (b'"max_tokens":9', b'"max_tokens":5'),
        (b'"max_tokens":3', b'"max_tokens":3'),
        (b'"max_completion_tokens":9', b'"max_completion_tokens":5'),
        (b'"n":1', b'"n":1,"max_tokens":5'),
        (b'"max_tokens":null', b'"max_tokens":5'),
    ],
)
def test_the_limit_is_set_or_lowered(given: bytes, edited: bytes) -> None:
    assert edit(b'{"model":"m",' + given + b"}", Edits("m", 5)) == b'{"model":"m",' + edited + b"}"


def test_a_whole_conversation_is_understood() -> None:
    sealed = OPAQUE.seal("anthropic", "sig")
    request = read(
        [
            {"role": "system", "content": "be brief", "name": "boss"},
            {"role": "developer", "content": [{"type": "text", "text": "d", "cache_control": {"type": "ephemeral"}}]},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "look"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
                    {"type": "image_url", "image_url": {"url": "https://x.test/a.jpg"}},
                    {"type": "input_audio", "input_audio": {"data": "BBBB", "format": "mp3"}},
                    {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,CCCC"}},
                    {"type": "file", "file": {"file_id": "file-1"}},
                    {"type": "video_url", "video_url": {"url": "https://x.test/v.mp4"}},
                ],
            },
            {
                "role": "assistant",
                "content": None,
                "reasoning_content": "why",
                "reasoning_details": [{"type": "thinking", "signature": sealed}],
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}},
                    {"id": "c2", "type": "custom", "custom": {"name": "g", "input": "free"}},
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "one"}]},
            {"role": "tool", "tool_call_id": "c2", "content": "two"},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
        ]
    )
    assert request.messages == (
        Message(Role.SYSTEM, (Text("be brief"),), "boss"),
        Message(Role.DEVELOPER, (Text("d", cache="5m"),)),
        Message(
            Role.USER,
            (
                Text("look"),
                Media(kind=MediaKind.IMAGE, mime="image/png", data="AAAA", detail="low"),
                Media(kind=MediaKind.IMAGE, url="https://x.test/a.jpg"),
                Media(kind=MediaKind.AUDIO, mime="audio/mpeg", data="BBBB"),
                Media(kind=MediaKind.FILE, mime="application/pdf", data="CCCC", name="a.pdf"),
                Media(kind=MediaKind.FILE, file_id="file-1", file_family="openai"),
                Media(kind=MediaKind.VIDEO, url="https://x.test/v.mp4"),
            ),
        ),
        Message(
            Role.ASSISTANT,
            (
                Reasoning("why", "sig", family="anthropic"),
                ToolCall("c1", "f", "{}"),
                ToolCall("c2", "g", "free", ToolKind.CUSTOM),
            ),
        ),
        Message(Role.TOOL, (ToolResult("c1", (Text("one"),), "f"),)),
        Message(Role.TOOL, (ToolResult("c2", (Text("two"),), "g"),)),
        Message(Role.ASSISTANT, (Refusal("no"),)),
    )


def test_a_forged_seal_is_dropped_and_its_thought_kept() -> None:
    forged = Opaque(b"other").seal("anthropic", "sig")
    turn: dict[str, Any] = {"role": "assistant", "content": "x", "reasoning_content": "why"}
    turn |= {"reasoning_details": [{"type": "thinking", "signature": forged}]}
    assert read([turn]).messages[0].parts == (Reasoning("why"), Text("x"))


def test_the_seal_of_a_call_returns_to_it() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    entry = {"type": "tool_call", "id": "c", "signature": OPAQUE.seal("gemini", "s")}
    ours = read([{"role": "assistant", "tool_calls": [call], "reasoning_details": [entry]}])
    extra = {"extra_content": {"google": {"thought_signature": "s"}}}
    googles = read([{"role": "assistant", "tool_calls": [call | extra]}])
    assert ours.messages == googles.messages
    assert ours.messages[0].parts == (ToolCall("c", "f", "{}", signature="s", family="gemini"),)


def test_legacy_functions_find_their_calls() -> None:
    request = read(
        [
            {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "function", "name": "f", "content": "r"},
        ],
        functions=[{"name": "f", "parameters": {"type": "object"}}],
        function_call={"name": "f"},
    )
    call, result = request.messages[0].parts[0], request.messages[1].parts[0]
    assert isinstance(call, ToolCall) and isinstance(result, ToolResult)
    assert call.id == result.call_id
    assert request.tools == (Tool(name="f", schema={"type": "object"}),)
    assert request.tool_choice == ToolChoice(ChoiceMode.NAMED, ("f",))


def test_pictures_in_earlier_answers_are_pictures_again_and_once() -> None:
    url = "data:image/png;base64,AAAA"
    turn = {
        "role": "assistant",
        "content": f"see ![image]({url}) there",
        "images": [{"type": "image_url", "image_url": {"url": url}}],
    }
    picture = Media(kind=MediaKind.IMAGE, mime="image/png", data="AAAA")
    assert read([turn]).messages[0].parts == (Text("see "), picture, Text(" there"))


def test_dials_have_their_words_and_the_rest_is_named() -> None:
    request = read(
        stop="END",
        seed=0,
        top_k=5,
        reasoning_effort="low",
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "s", "schema": {"type": "object"}, "strict": True},
        },
        prediction={"type": "content", "content": "x"},
        future=1,
        absent=None,
    )
    assert (request.sampling.stop, request.sampling.seed, request.sampling.top_k) == (("END",), 0, 5)
    assert request.thinking == Thinking(Effort.LOW)
    assert request.output_format == OutputFormat({"type": "object"}, "s", None, True)
    assert request.leftover == ("prediction", "future")


@pytest.mark.parametrize(
    ("fields", "thinking"),
    [
        ({"reasoning": {"effort": "high"}}, Thinking(Effort.HIGH)),
        ({"reasoning": {"max_tokens": 2000}}, Thinking(budget=2000)),
        ({"reasoning": {"enabled": False}}, Thinking(Effort.NONE)),
        ({"reasoning": {"enabled": True, "exclude": True}}, Thinking(Effort.MEDIUM, visible=False)),
        (
            {"extra_body": {"google": {"thinking_config": {"thinking_budget": -1, "include_thoughts": True}}}},
            Thinking(budget=-1, visible=True),
        ),
    ],
)
def test_thinking_is_asked_for_in_many_ways(fields: dict[str, Any], thinking: Thinking) -> None:
    assert read(**fields).thinking == thinking


def test_allowed_tools_narrow_or_demand() -> None:
    tools = [{"type": "function", "function": {"name": name}} for name in ("a", "b")]
    named = [{"type": "function", "function": {"name": "a"}}]
    free = read(tools=tools, tool_choice={"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": named}})
    bound = read(
        tools=tools, tool_choice={"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": named}}
    )
    assert ([tool.name for tool in free.tools], free.tool_choice) == (["a"], ToolChoice(ChoiceMode.AUTO))
    assert bound.tool_choice == ToolChoice(ChoiceMode.NAMED, ("a",))


def test_a_web_search_is_a_tool_of_the_providers() -> None:
    place = {"type": "approximate", "approximate": {"country": "CH"}}
    tool = read(web_search_options={"search_context_size": "low", "user_location": place}).tools[0]
    assert (tool.name, tool.kind, tool.family) == ("web_search", ToolKind.SERVER, None)
    assert tool.settings == {"context_size": "low", "user_location": {"type": "approximate", "country": "CH"}}


def user(part: Any) -> list[dict[str, Any]]:
    return [*HI, {"role": "user", "content": [part]}]


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"messages": "hi"}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [3]}, "messages[0]"),
        ({"messages": [{"role": "king", "content": ""}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": user({"type": "poem"})}, "messages[1].content[0].type"),
        ({"messages": user({"type": "text"})}, "messages[1].content[0].text"),
        ({"messages": user({"type": "image_url", "image_url": {"url": 3}})}, "messages[1].content[0].image_url.url"),
        (
            {"messages": user({"type": "image_url", "image_url": {"url": "data:x"}})},
            "messages[1].content[0].image_url.url",
        ),
        ({"messages": user({"type": "input_audio", "input_audio": {}})}, "messages[1].content[0].input_audio.data"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": 1}]}]}, "messages[0].tool_calls[0].id"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"stop": ["a", 1]}, "stop[1]"),
        ({"tools": [{"type": "magic"}]}, "tools[0].type"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        ({"tool_choice": "maybe"}, "tool_choice"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"reasoning_effort": "huge"}, "reasoning_effort"),
        ({"extra_body": {"google": {"thinkingConfig": {}}}}, "extra_body.google.thinkingConfig"),
        ({"logit_bias": {"1": "x"}}, "logit_bias.1"),
    ],
)
def test_a_refusal_names_the_exact_place(fields: dict[str, Any], place: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read(**fields)
    assert refused.value.field == place
