"""What callers of responses may ask: every row of relay.md 6.14, and the exact place of whatever is wrong."""

import json
from typing import Any

import pytest

from tollway.core.chat import (
    ChatRequest,
    ChoiceMode,
    Citation,
    Effort,
    Message,
    OutputFormat,
    Raw,
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
from tollway.gateway.dialects.openai_responses import dialect
from tollway.gateway.dialects.openai_responses.seals import own_seal

OPAQUE = Opaque(b"key")
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}


def peek(**fields: Any) -> Envelope:
    return dialect.envelope(open_body(json.dumps(fields).encode()), {})


def read(*items: Any, **fields: Any) -> ChatRequest:
    body = open_body(json.dumps({"model": "m", "input": list(items) or "hi", **fields}).encode())
    return dialect.read_request(body, dialect.envelope(body, {}), OPAQUE)


def user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


def test_a_string_is_the_users_turn_after_the_instructions() -> None:
    assert read(instructions="Be brief.").messages == (
        Message(Role.SYSTEM, (Text("Be brief."),)), Message(Role.USER, (Text("hi"),)),
    )  # fmt: skip


def test_roles_stay_and_parts_are_understood() -> None:
    link = "data:image/png;base64,AAAA"
    turns = read(
        {"role": "developer", "content": "d"},
        {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "s"}]},
        user(
            {"type": "input_text", "text": "look"},
            {"type": "input_image", "image_url": link, "detail": "low"},
            {"type": "input_image", "file_id": "file-1"},
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
            {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"},
            {"type": "input_file", "file_url": "https://example.com/a.pdf"},
            {"type": "input_file", "file_id": "file-2"},
        ),
    ).messages
    assert [turn.role for turn in turns] == [Role.DEVELOPER, Role.SYSTEM, Role.USER]
    assert turns[2].parts == (
        Text("look"),
        Media(kind=MediaKind.IMAGE, mime="image/png", data="AAAA", detail="low"),
        Media(kind=MediaKind.IMAGE, file_id="file-1", file_family="openai"),
        Media(kind=MediaKind.AUDIO, mime="audio/mpeg", data="AAAA"),
        Media(kind=MediaKind.FILE, mime="application/pdf", data="JVBE", name="a.pdf"),
        Media(kind=MediaKind.FILE, url="https://example.com/a.pdf"),
        Media(kind=MediaKind.FILE, file_id="file-2", file_family="openai"),
    )


def test_the_items_of_one_answer_are_one_turn() -> None:
    note = {"type": "url_citation", "url": "https://a.example", "title": "A", "start_index": 0, "end_index": 2}
    turns = read(
        user({"type": "input_text", "text": "hi"}),
        {"type": "reasoning", "id": "rs_1", "encrypted_content": "x", "summary": [
            {"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}]},
        {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed", "content": [
            {"type": "output_text", "text": "ok", "annotations": [note]}, {"type": "refusal", "refusal": "no"}]},
        {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": ""},
        {"type": "custom_tool_call", "call_id": "call_2", "name": "g", "input": "free"},
        {"type": "function_call_output", "call_id": "call_1", "output": "cold"},
        {"type": "custom_tool_call_output", "call_id": "call_2", "output": [
            {"type": "input_text", "text": "see"}, {"type": "input_image", "image_url": "https://a.example/b.png"}]},
    ).messages  # fmt: skip
    assert turns[1:] == (
        Message(
            Role.ASSISTANT,
            (
                Reasoning("a\n\nb", redacted=own_seal("x", "rs_1"), family="openai"),
                Text("ok", citations=(Citation(url="https://a.example", title="A", start=0, end=2),)),
                Refusal("no"),
                ToolCall("call_1", "f", "{}"),
                ToolCall("call_2", "g", "free", ToolKind.CUSTOM),
            ),
        ),
        Message(Role.TOOL, (ToolResult("call_1", (Text("cold"),), "f"),)),
        Message(
            Role.TOOL,
            (ToolResult("call_2", (Text("see"), Media(kind=MediaKind.IMAGE, url="https://a.example/b.png")), "g"),),
        ),
    )


def test_tools_of_all_kinds() -> None:
    tools = read(
        tools=[
            {"type": "function", "name": "f", "description": "d", "parameters": SCHEMA, "strict": True},
            {"type": "custom", "name": "g", "format": {"type": "grammar", "syntax": "lark", "definition": "a"}},
            {"type": "web_search_preview", "search_context_size": "low", "user_location": {"type": "approximate",
             "city": "Rome"}, "filters": {"allowed_domains": ["a.example"]}},
            {"type": "mcp", "server_label": "x"},
        ]
    ).tools  # fmt: skip
    assert tools == (
        Tool(name="f", description="d", schema=SCHEMA, strict=True),
        Tool(
            name="g", kind=ToolKind.CUSTOM,
            settings={"type": "grammar", "grammar": {"syntax": "lark", "definition": "a"}},
        ),
        Tool(
            name="web_search", kind=ToolKind.SERVER,
            settings={"context_size": "low", "user_location": {"type": "approximate", "city": "Rome"},
                      "allowed_domains": ["a.example"]},
        ),
        Tool(
            name="mcp", kind=ToolKind.SERVER, family="openai_responses", settings={"type": "mcp", "server_label": "x"}
        ),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("choice", "read_as", "offered"),
    [
        ("auto", ToolChoice(ChoiceMode.AUTO), 2),
        ("required", ToolChoice(ChoiceMode.REQUIRED), 2),
        ({"type": "function", "name": "f"}, ToolChoice(ChoiceMode.NAMED, ("f",)), 2),
        ({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "g"}]},
         ToolChoice(ChoiceMode.AUTO), 1),
        ({"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "g"}]},
         ToolChoice(ChoiceMode.NAMED, ("g",)), 2),
    ],
)  # fmt: skip
def test_the_rule_for_tools(choice: Any, read_as: ToolChoice, offered: int) -> None:
    tools = [{"type": "function", "name": name, "parameters": SCHEMA} for name in ("f", "g")]
    request = read(tools=tools, tool_choice=choice)
    assert (request.tool_choice, len(request.tools)) == (read_as, offered)


def test_the_other_fields_have_their_words() -> None:
    form = {"type": "json_schema", "name": "w", "schema": SCHEMA, "strict": True, "description": "d"}
    request = read(
        text={"format": form, "verbosity": "low"}, reasoning={"effort": "high", "summary": "auto"}, top_p=0.5,
        parallel_tool_calls=False, metadata={"a": "b"}, store=False, service_tier="flex", prompt_cache_key="k",
        safety_identifier="u", max_output_tokens=5, stream=True,
    )  # fmt: skip
    assert request.output_format == OutputFormat(SCHEMA, "w", "d", strict=True)
    assert request.thinking == Thinking(Effort.HIGH, visible=True)
    assert (request.verbosity, request.sampling.top_p, request.parallel_tools) == ("low", 0.5, False)
    assert (request.metadata, request.store, request.service_tier) == ({"a": "b"}, False, "flex")
    assert (request.cache_key, request.user, request.max_output, request.stream) == ("k", "u", 5, True)


def test_what_has_no_word_is_left_over_by_name() -> None:
    request = read(
        user({"type": "input_text", "text": "hi"}),
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {}},
        user({"type": "input_text", "text": "so?"}),
        include=["reasoning.encrypted_content", "file_search_call.results"], truncation="auto", max_tool_calls=2,
        context_management=[{"type": "compaction"}], background=False, tomorrow=1, moderation=None, store=True,
    )  # fmt: skip
    assert sorted(request.leftover) == [
        "context_management", "include[1]", "input[1]", "max_tool_calls", "store", "tomorrow", "truncation",
    ]  # fmt: skip
    assert request.store is False


def test_items_only_the_vendor_understands_stand_as_they_are() -> None:
    item = {"type": "compaction", "encrypted_content": "x"}
    assert read(item, user()).messages[0] == Message(Role.ASSISTANT, (Raw("openai_responses", item),))


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": {"id": "conv_1"}}, "conversation"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"background": True}, "background"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"max_output_tokens": "9"}, "max_output_tokens"),
        ({"stream": "yes"}, "stream"),
        ({"model": 1}, "model"),
    ],
)
def test_a_peek_refuses_what_needs_a_store_and_wrong_types_by_name(fields: Any, field: str) -> None:
    with pytest.raises(BadRequest) as refused:
        peek(**fields)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": 1}, "input"),
        ({"input": ["x"]}, "input[0]"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0]"),
        ({"input": [{"role": "robot", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": [{"type": "video"}]}]}, "input[0].content[0].type"),
        ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0].content[0].text"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]},
         "input[0].content[0].image_url"),
        ({"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}, "input[0].call_id"),
        ({"input": [{"type": "function_call_output", "call_id": "c"}]}, "input[0].output"),
        ({"instructions": 1}, "instructions"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": {}}, "tools"),
        ({"tool_choice": "maybe"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "name": "nobody"}}, "tool_choice"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema", "schema": {}}}}, "text.format.name"),
        ({"reasoning": {"effort": "a lot"}}, "reasoning.effort"),
        ({"include": "x"}, "include"),
        ({"temperature": "warm"}, "temperature"),
        ({"store": "yes"}, "store"),
    ],
)  # fmt: skip
def test_a_mistake_is_refused_at_its_exact_place(fields: Any, field: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read(**fields)
    assert refused.value.field == field


def test_a_peek_sees_what_must_be_known() -> None:
    seen = peek(model="m", input="hi", stream=True, max_output_tokens=9, tools=[{"type": "function", "name": "f"}])
    assert (seen.model, seen.stream, seen.max_output) == ("m", True, 9)
    assert (seen.media, seen.server_tools) == (False, False)
    assert peek(input=[user({"type": "input_image", "image_url": "https://a"})]).media
    assert peek(input="x", tools=[{"type": "web_search"}]).server_tools


def test_a_body_that_passes_changes_in_three_places_only() -> None:
    sealed = OPAQUE.seal("anthropic", '{"signature":"s"}')
    body = open_body(
        b'{"model": "mine", "max_output_tokens": 900, "tomorrow": {"x" : 1.50},'
        b'"input": [ {"role":"user","content": "a"},'
        b'{"type":"reasoning","summary":[],"encrypted_content":"%b"},'
        b'{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"gAAA", "x" : 1e2} ]}' % sealed.encode()
    )
    edited = close_body(dialect.edit_request(body, dialect.envelope(body, {}), Edits("theirs", 100)))
    assert json.loads(edited)["input"] == [
        {"role": "user", "content": "a"},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA", "x": 100.0},
    ]
    assert b'"tomorrow":{"x" : 1.50}' in edited
    assert json.loads(edited) | {"input": 0, "tomorrow": 0} == {
        "model": "theirs", "max_output_tokens": 100, "tomorrow": 0, "input": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "most", "sent"), [(None, 50, 50), (40, 50, 40), (60, 50, 50), (60, 5, 16), (5, None, 5)]
)
def test_a_limit_is_lowered_but_never_below_what_the_vendor_takes(asked: Any, most: Any, sent: int) -> None:
    body = open_body(json.dumps({"model": "m", "input": "x", "max_output_tokens": asked}).encode())
    edited = json.loads(close_body(dialect.edit_request(body, dialect.envelope(body, {}), Edits("m", most))))
    assert edited["max_output_tokens"] == sent
