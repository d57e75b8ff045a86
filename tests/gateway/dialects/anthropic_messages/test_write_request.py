"""A canonical question as a Claude request, row by row."""

from typing import Any, ClassVar

import pytest

from tollway.core.chat import (
    ChatRequest,
    ChoiceMode,
    Message,
    OutputFormat,
    Part,
    Raw,
    Reasoning,
    Refusal,
    Role,
    Sampling,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolKind,
    ToolResult,
)
from tollway.core.errors import Unsupported
from tollway.core.media import Media, MediaKind
from tollway.gateway.dialect import Target, Written
from tollway.gateway.dialects.anthropic_messages import dialect

HAIKU, OPUS = "claude-haiku-4-5", "claude-opus-4-7"
FUNCTION = Tool(name="f", schema={"type": "object", "properties": {}})


def write(*messages: Message, model: str = HAIKU, most: int = 64_000, **fields: Any) -> Written:
    request = ChatRequest(model="m", messages=messages or (user(Text("hi")),), **fields)
    return dialect.write_request(request, Target("anthropic", model, most))


def user(*parts: Part) -> Message:
    return Message(Role.USER, parts)


def assistant(*parts: Part) -> Message:
    return Message(Role.ASSISTANT, parts)


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def test_leading_instructions_are_the_system_and_later_ones_stay_in_place() -> None:
    body = write(
        Message(Role.SYSTEM, (Text("a"),)),
        Message(Role.DEVELOPER, (Text("b", cache="1h"),)),
        user(Text("hi")),
        Message(Role.DEVELOPER, (Text("now be brief"),)),
    ).body
    assert body["system"] == [text("a"), text("b") | {"cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    assert body["messages"] == [{"role": "user", "content": [text("hi"), text("<system>\nnow be brief\n</system>")]}]


def test_turns_of_one_role_merge_without_editing_their_text() -> None:
    body = write(
        user(Text('"quoted" ')), user(Text("b"), Text("  ")), assistant(ToolCall("c", "f", "{}")), assistant(Text("x"))
    ).body
    assert body["messages"][0] == {"role": "user", "content": [text('"quoted" '), text("b")]}
    assert [block["type"] for block in body["messages"][1]["content"]] == ["tool_use", "text"]


def test_the_first_turn_is_the_users() -> None:
    assert write(assistant(Text("a")), user(Text("b"))).body["messages"][0] == {
        "role": "user",
        "content": [text("...")],
    }
    assert write(Message(Role.SYSTEM, (Text("only"),))).body["messages"] == [{"role": "user", "content": [text("...")]}]


def test_blank_text_vanishes_and_so_does_a_turn_of_nothing_else() -> None:
    body = write(user(Text("a")), assistant(Text("")), user(Text("b"))).body
    assert body["messages"] == [{"role": "user", "content": [text("a"), text("b")]}]


def test_a_call_without_text_gets_no_text_block() -> None:
    body = write(user(Text("a")), assistant(Text(""), ToolCall("c", "f", '{"x":1}')), tool("c")).body
    assert body["messages"][1]["content"] == [{"type": "tool_use", "id": "c", "name": "f", "input": {"x": 1}}]


def tool(call_id: str, *parts: Text | Media, **rest: Any) -> Message:
    return Message(Role.TOOL, (ToolResult(call_id, parts, **rest),))


def test_tool_results_share_one_turn_and_come_before_other_words() -> None:
    picture = Media(kind=MediaKind.IMAGE, mime="image/png", data="iVBORw0KGgo=")
    body = write(
        user(Text("a")),
        assistant(ToolCall("1", "f", "{}"), ToolCall("2", "f", "{}")),
        user(Text("by the way")),
        tool("1", Text("r"), picture),
        tool("2", Text("bad"), is_error=True),
    ).body
    source = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
    assert body["messages"][2]["content"] == [
        {"type": "tool_result", "tool_use_id": "1", "content": [text("r"), {"type": "image", "source": source}]},
        {"type": "tool_result", "tool_use_id": "2", "content": [text("bad")], "is_error": True},
        text("by the way"),
    ]


def test_arguments_that_are_no_json_object_are_kept_not_emptied() -> None:
    calls = [ToolCall(str(n), "f", args) for n, args in enumerate(['{"a":', "[1]", "", '{"a":1}'])]
    content = write(user(Text("a")), assistant(*calls)).body["messages"][1]["content"]
    assert [block["input"] for block in content] == [{"_raw": '{"a":'}, {"_raw": "[1]"}, {}, {"a": 1}]


def test_ids_and_names_the_vendor_refuses_are_rewritten_the_same_way_everywhere() -> None:
    name = "my.tool/" + "x" * 130
    written = write(
        user(Text("a")),
        assistant(ToolCall("call:1|x", name, "{}")),
        tool("call:1|x", Text("r")),
        tools=(Tool(name=name),),
        tool_choice=ToolChoice(ChoiceMode.NAMED, (name,)),
    )
    short = written.body["tools"][0]["name"]
    asked, told = written.body["messages"][1]["content"][0], written.body["messages"][2]["content"][0]
    assert asked["id"] == told["tool_use_id"] and ":" not in asked["id"]
    assert asked["name"] == short == written.body["tool_choice"]["name"] and len(short) <= 128
    assert written.renamed == {short: name}


def test_parameterless_tools_do_not_vanish() -> None:
    tools = write(tools=(Tool(name="now"), Tool(name="odd", schema={"properties": {}}))).body["tools"]
    assert tools == [
        {"name": "now", "input_schema": {"type": "object", "properties": {}}},
        {"name": "odd", "input_schema": {"type": "object", "properties": {}}},
    ]


def test_a_free_text_tool_takes_one_string() -> None:
    said = assistant(ToolCall("c", "sql", "select 1", kind=ToolKind.CUSTOM))
    body = write(user(Text("a")), said, tool("c"), tools=(Tool(name="sql", kind=ToolKind.CUSTOM),)).body
    assert body["tools"][0]["input_schema"]["properties"] == {"input": {"type": "string"}}
    assert body["messages"][1]["content"][0]["input"] == {"input": "select 1"}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, {}),
        ({"context_size": "low"}, {"max_uses": 1}),
        ({"context_size": "medium"}, {"max_uses": 5}),
        ({"context_size": "high"}, {"max_uses": 10}),
        ({"context_size": "high", "max_uses": 2}, {"max_uses": 2}),
        ({"user_location": {"approximate": {"city": "X"}}}, {"user_location": {"type": "approximate", "city": "X"}}),
    ],
)
def test_web_search_of_any_family(settings: dict[str, Any], told: dict[str, Any]) -> None:
    tools = write(tools=(Tool(name="web_search", kind=ToolKind.SERVER, settings=settings),)).body["tools"]
    assert tools == [{"type": "web_search_20250305", "name": "web_search"} | told]


@pytest.mark.parametrize(
    ("choice", "parallel", "told"),
    [
        (ToolChoice(ChoiceMode.AUTO), None, {"type": "auto"}),
        (ToolChoice(ChoiceMode.REQUIRED), None, {"type": "any"}),
        (ToolChoice(ChoiceMode.NONE), False, {"type": "none"}),
        (ToolChoice(ChoiceMode.NAMED, ("f",)), False, {"type": "tool", "name": "f", "disable_parallel_tool_use": True}),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        (None, None, None),
    ],
)
def test_tool_choice(choice: ToolChoice | None, parallel: bool | None, told: dict[str, Any] | None) -> None:
    body = write(tools=(FUNCTION,), tool_choice=choice, parallel_tools=parallel).body
    assert body.get("tool_choice") == told
    assert "tool_choice" not in write(tool_choice=choice, parallel_tools=parallel).body


def test_several_allowed_tools_are_the_only_ones_offered() -> None:
    tools = tuple(Tool(name=name) for name in "abc")
    body = write(tools=tools, tool_choice=ToolChoice(ChoiceMode.NAMED, ("a", "c"))).body
    assert [one["name"] for one in body["tools"]] == ["a", "c"]
    assert body["tool_choice"] == {"type": "any"}


@pytest.mark.parametrize(
    ("asked", "most", "told"), [(None, 64_000, 8192), (None, 4096, 4096), (99_000, 64_000, 64_000), (5, 9, 5)]
)
def test_the_output_limit_is_always_said_and_never_above_the_models(asked: int | None, most: int, told: int) -> None:
    assert write(max_output=asked, most=most).body["max_tokens"] == told


def test_dials_are_clamped_and_those_without_a_counterpart_are_named() -> None:
    dials = Sampling(
        temperature=1.6, top_k=4, seed=1, stop=("a", " "), frequency_penalty=0.1, logprobs=True, logit_bias={"1": 2}
    )
    written = write(sampling=dials, store=True, verbosity="low", leftover=("mystery",), metadata={"a": "b"})
    assert (written.body["temperature"], written.body["top_k"], written.body["stop_sequences"]) == (1.0, 4, ["a"])
    assert written.dropped == (
        "frequency_penalty", "logit_bias", "logprobs", "metadata", "mystery", "seed", "stop", "store", "verbosity",
    )  # fmt: skip


@pytest.mark.parametrize("model", ["claude-opus-4-7", "claude-opus-4.8", "claude-opus-5", "claude-sonnet-5-5"])
def test_newer_models_take_no_dials(model: str) -> None:
    written = write(model=model, sampling=Sampling(temperature=0.2, top_p=0.9, top_k=4))
    assert not {"temperature", "top_p", "top_k"} & set(written.body)
    assert written.dropped == ("temperature", "top_k", "top_p")


def test_a_prefill_loses_its_trailing_space_where_prefill_is_allowed() -> None:
    turns = (user(Text("a")), assistant(Text("The answer is  ")))
    assert write(*turns).body["messages"][-1]["content"] == [text("The answer is")]
    assert write(*turns, model=OPUS).body["messages"][-1] == {"role": "user", "content": [text("Continue.")]}


def test_only_the_vendors_own_thoughts_come_back() -> None:
    written = write(
        user(Text("a")),
        assistant(
            Reasoning("own", signature="s", family="anthropic"),
            Reasoning(redacted="r", family="anthropic"),
            Reasoning("foreign", signature="s", family="gemini"),
            Reasoning("unsealed"),
            Text("b"),
        ),
        user(Text("c")),
    )
    assert written.body["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "own", "signature": "s"},
        {"type": "redacted_thinking", "data": "r"},
        text("b"),
    ]
    assert written.dropped == ("reasoning",)


def test_a_refusal_of_the_past_is_said_as_text() -> None:
    assert write(user(Text("a")), assistant(Refusal("no")), user(Text("b"))).body["messages"][1]["content"] == [
        text("no")
    ]


@pytest.mark.parametrize(
    ("media", "block"),
    [
        (
            Media(kind=MediaKind.IMAGE, data="/9j/AA=="),
            {"type": "base64", "media_type": "image/jpeg", "data": "/9j/AA=="},
        ),
        (
            Media(kind=MediaKind.IMAGE, mime="image/jpg", data="AA=="),
            {"type": "base64", "media_type": "image/jpeg", "data": "AA=="},
        ),
        (Media(kind=MediaKind.IMAGE, url="https://e.com/a"), {"type": "url", "url": "https://e.com/a"}),
        (
            Media(kind=MediaKind.FILE, data="JVBERi0="),
            {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
        ),
        (
            Media(kind=MediaKind.FILE, mime="text/csv", data="YSxi"),
            {"type": "text", "media_type": "text/plain", "data": "a,b"},
        ),
        (Media(kind=MediaKind.FILE, text="t"), {"type": "text", "media_type": "text/plain", "data": "t"}),
    ],
)
def test_media(media: Media, block: dict[str, str]) -> None:
    assert write(user(media)).body["messages"][0]["content"][0]["source"] == block


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"answers": 2}, "answers"),
        ({"modalities": ("text", "audio")}, "modalities"),
        ({"tools": (Tool(name="code", kind=ToolKind.SERVER, family="openai"),)}, "tools[0]"),
    ],
)
def test_what_cannot_be_said_is_refused_aloud(fields: dict[str, Any], place: str) -> None:
    with pytest.raises(Unsupported) as caught:
        write(**fields)
    assert caught.value.field == place


@pytest.mark.parametrize(
    "part",
    [
        Media(kind=MediaKind.AUDIO, mime="audio/wav", data="AA=="),
        Media(kind=MediaKind.VIDEO, url="https://e.com/v"),
        Media(kind=MediaKind.IMAGE, file_id="f", file_family="openai"),
        Media(kind=MediaKind.IMAGE, mime="image/tiff", data="AA=="),
        Media(kind=MediaKind.FILE, mime="application/zip", data="AA=="),
        Raw("gemini", {}),
    ],
)
def test_parts_that_cannot_be_said_are_refused_by_their_place(part: Part) -> None:
    with pytest.raises(Unsupported) as caught:
        write(user(Text("a")), user(Text("b"), part))
    assert caught.value.field == "messages[1].content[1]"


class TestJson:
    """Structured output, by the best means each model has."""

    SCHEMA: ClassVar[dict[str, Any]] = {
        "type": "object",
        "properties": {"n": {"type": "integer", "minimum": 1}, "l": {"type": "array", "items": {"type": "object"}}},
    }

    def test_by_the_vendors_own_format_with_every_object_closed(self) -> None:
        written = write(output_format=OutputFormat(schema=self.SCHEMA))
        assert written.body["output_config"]["format"]["schema"] == {
            "type": "object",
            "properties": {
                "n": {"type": "integer", "description": "minimum: 1"},
                "l": {"type": "array", "items": {"type": "object", "additionalProperties": False}},
            },
            "additionalProperties": False,
        }
        assert (written.unwrap_tool, written.prefill) == (None, "")

    @pytest.mark.parametrize("model", ["claude-3-haiku-20240307", HAIKU])
    def test_by_a_forced_tool_where_the_format_cannot_hold_it(self, model: str) -> None:
        schema = self.SCHEMA | {"additionalProperties": {"type": "string"}}
        written = write(model=model, output_format=OutputFormat(schema=schema))
        assert written.unwrap_tool == "json_response"
        assert written.body["tool_choice"] == {"type": "tool", "name": "json_response"}
        assert written.body["tools"][0]["input_schema"] == schema

    def test_any_object_by_a_note_and_a_prefill(self) -> None:
        written = write(output_format=OutputFormat())
        assert written.prefill == "{"
        assert written.body["messages"][-1] == {"role": "assistant", "content": [text("{")]}
        assert "JSON" in written.body["system"][0]["text"]
        newer = write(model=OPUS, output_format=OutputFormat())
        assert (newer.prefill, newer.body["messages"][-1]["role"]) == ("", "user")
