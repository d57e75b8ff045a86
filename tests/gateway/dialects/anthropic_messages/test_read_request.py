"""A Claude request as a canonical question."""

import json
from typing import Any

import pytest

from tollway.core.chat import (
    ChatRequest,
    ChoiceMode,
    Effort,
    Message,
    OutputFormat,
    Raw,
    Reasoning,
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
from tollway.gateway.dialect import Opaque, open_body
from tollway.gateway.dialects.anthropic_messages import dialect

OPAQUE = Opaque(b"key")


def read(**fields: Any) -> ChatRequest:
    body = {"model": "claude", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]} | fields
    opened = open_body(json.dumps(body).encode())
    return dialect.read_request(opened, dialect.envelope(opened, {}), OPAQUE)


def blocks(*content: dict[str, Any], role: str = "user") -> tuple[Message, ...]:
    return read(messages=[{"role": role, "content": list(content)}]).messages


def test_system_blocks_are_one_message_with_their_cache_marks() -> None:
    system = [
        {"type": "text", "text": "a"},
        {"type": "text", "text": "b", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
    ]
    assert read(system=system).messages[0] == Message(Role.SYSTEM, (Text("a"), Text("b", cache="1h")))
    assert read(system="plain").messages[0] == Message(Role.SYSTEM, (Text("plain"),))


def test_a_system_turn_inside_the_conversation_stays_in_place() -> None:
    turns = [{"role": "user", "content": "a"}, {"role": "system", "content": "be brief"}]
    assert read(messages=turns).messages[1] == Message(Role.SYSTEM, (Text("be brief"),))


def test_text_beside_a_tool_call_is_kept() -> None:
    said = blocks(
        {"type": "text", "text": "a"}, {"type": "tool_use", "id": "t", "name": "f", "input": {"x": 1}}, role="assistant"
    )
    assert said == (Message(Role.ASSISTANT, (Text("a"), ToolCall("t", "f", '{"x":1}'))),)


def test_tool_results_come_first_each_a_message_with_pictures_as_media_not_as_prompt_text() -> None:
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"}}
    told = blocks(
        {"type": "text", "text": "and now?"},
        {
            "type": "tool_result",
            "tool_use_id": "1",
            "content": [{"type": "text", "text": "r"}, picture],
            "is_error": True,
        },
        {"type": "tool_result", "tool_use_id": "2", "content": "plain"},
        {"type": "tool_result", "tool_use_id": "3"},
    )
    media = Media(kind=MediaKind.IMAGE, mime="image/png", data="QUJD")
    assert told == (
        Message(Role.TOOL, (ToolResult("1", (Text("r"), media), is_error=True),)),
        Message(Role.TOOL, (ToolResult("2", (Text("plain"),)),)),
        Message(Role.TOOL, (ToolResult("3", ()),)),
        Message(Role.USER, (Text("and now?"),)),
    )


@pytest.mark.parametrize(
    ("source", "media"),
    [
        ({"type": "url", "url": "https://e.com/a"}, Media(kind=MediaKind.IMAGE, url="https://e.com/a")),
        ({"type": "file", "file_id": "f1"}, Media(kind=MediaKind.IMAGE, file_id="f1", file_family="anthropic")),
    ],
)
def test_pictures_may_live_elsewhere(source: dict[str, Any], media: Media) -> None:
    assert blocks({"type": "image", "source": source})[0].parts == (media,)


def test_documents_keep_title_context_and_the_wish_to_be_cited() -> None:
    source = {"type": "content", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    block = {"type": "document", "source": source, "title": "t", "context": "c", "citations": {"enabled": True}}
    told = Media(kind=MediaKind.FILE, mime="text/plain", text="a\n\nb", name="t", context="c", citations=True)
    assert blocks(block)[0].parts == (told,)


def test_blocks_only_the_vendor_understands_are_kept_whole_for_it() -> None:
    block = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}}
    assert blocks(block, role="assistant")[0].parts == (Raw("anthropic", block),)


def test_seals_tell_whose_they_are() -> None:
    said = blocks(
        {"type": "thinking", "thinking": "own", "signature": "abc"},
        {"type": "thinking", "thinking": "theirs", "signature": OPAQUE.seal("gemini", "sig")},
        {"type": "thinking", "thinking": "nobody's", "signature": OPAQUE.seal("none", "")},
        {"type": "redacted_thinking", "data": "xyz"},
        {"type": "redacted_thinking", "data": OPAQUE.seal("openai", "enc")},
        role="assistant",
    )
    assert said[0].parts == (
        Reasoning("own", signature="abc", family="anthropic"),
        Reasoning("theirs", signature="sig", family="gemini"),
        Reasoning("nobody's"),
        Reasoning(redacted="xyz", family="anthropic"),
        Reasoning(redacted="enc", family="openai"),
    )


def test_a_seal_that_travelled_beside_a_call_is_hung_on_it_again() -> None:
    said = blocks(
        {"type": "redacted_thinking", "data": OPAQUE.seal("gemini+tool", "t1 thought")},
        {"type": "tool_use", "id": "t1", "name": "f", "input": {}},
        role="assistant",
    )
    assert said[0].parts == (ToolCall("t1", "f", "{}", signature="thought", family="gemini"),)


def test_tools_choice_and_parallel_wish() -> None:
    search = {
        "type": "web_search_20260318",
        "name": "web_search",
        "max_uses": 2,
        "user_location": {"type": "approximate", "city": "X"},
    }
    asked = read(
        tools=[{"name": "f", "input_schema": {"type": "object"}}, search, {"type": "bash_20250124", "name": "bash"}],
        tool_choice={"type": "tool", "name": "f", "disable_parallel_tool_use": True},
    )
    assert asked.tool_choice == ToolChoice(ChoiceMode.NAMED, ("f",))
    assert asked.parallel_tools is False
    assert asked.tools == (
        Tool(name="f", schema={"type": "object"}),
        Tool(name="web_search", kind=ToolKind.SERVER, settings={"max_uses": 2, "user_location": {"city": "X"}}),
        Tool(name="bash", kind=ToolKind.SERVER, family="anthropic", settings={"type": "bash_20250124", "name": "bash"}),
    )


@pytest.mark.parametrize(
    ("fields", "thinking"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 2048}}, Thinking(budget=2048)),
        ({"thinking": {"type": "adaptive", "display": "summarized"}}, Thinking(adaptive=True, visible=True)),
        (
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}},
            Thinking(effort=Effort.MAX, adaptive=True),
        ),
        ({"thinking": {"type": "disabled"}}, Thinking(effort=Effort.NONE)),
        ({"output_config": {"effort": "low"}}, Thinking(effort=Effort.LOW)),
        ({}, None),
    ],
)
def test_thinking_in_all_its_forms(fields: dict[str, Any], thinking: Thinking | None) -> None:
    assert read(**fields).thinking == thinking


@pytest.mark.parametrize("where", ["output_config", "output_format"])
def test_a_schema_for_the_answer_is_understood_in_both_places(where: str) -> None:
    form = {"type": "json_schema", "schema": {"type": "object"}}
    assert read(**{where: {"format": form} if where == "output_config" else form}).output_format == OutputFormat(
        schema={"type": "object"}
    )


def test_fields_without_a_word_are_named_so_that_dropping_them_is_said_aloud() -> None:
    asked = read(
        top_k=5, stop_sequences=["a"], metadata={"user_id": "u"}, container="c", speed=None, context_management={}
    )
    assert (asked.sampling.top_k, asked.sampling.stop, asked.user) == (5, ("a",), "u")
    assert asked.leftover == ("container", "context_management")


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"messages": "x"}, "messages"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": ["x"]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "image", "source": {"type": "base64", "media_type": "image/png"}}],
                    }
                ]
            },
            "messages[0].content[0].source.data",
        ),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "messages[0].content[0].source"),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "tool_result", "tool_use_id": "a", "content": [{"type": "image"}]}],
                    }
                ]
            },
            "messages[0].content[0].content[0].source",
        ),
        ({"tools": [{"name": "f"}]}, "tools[0].input_schema"),
        ({"tool_choice": {"type": "maybe"}}, "tool_choice.type"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        ({"stop_sequences": [1]}, "stop_sequences[0]"),
        ({"temperature": "hot"}, "temperature"),
        ({"system": [{"type": "image"}]}, "system[0].type"),
        ({"output_config": {"effort": "huge"}}, "output_config.effort"),
    ],
)
def test_a_mistake_is_named_by_its_exact_place(fields: dict[str, Any], place: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read(**fields)
    assert caught.value.field == place
    assert place in caught.value.message
