"""Foreign questions said as responses: every row of relay.md 6.12."""

from typing import Any

import pytest

from tollway.core.chat import (
    ChatRequest,
    ChoiceMode,
    Effort,
    Message,
    OutputFormat,
    Part,
    Raw,
    Reasoning,
    Refusal,
    Role,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolKind,
    ToolResult,
)
from tollway.core.errors import Unsupported
from tollway.core.media import Media, MediaKind
from tollway.gateway.dialect import Target, Written
from tollway.gateway.dialects.openai_responses import dialect
from tollway.gateway.dialects.openai_responses.seals import own_seal

PLAIN = Target("openai_responses", "gpt-4o", 0)
THINKER = Target("openai_responses", "gpt-5.2", 8000, frozenset({"reasoning"}))
HI = Message(Role.USER, (Text("hi"),))
PNG = Media(kind=MediaKind.IMAGE, mime="image/png", data="AAAA")


def write(*messages: Message, to: Target = PLAIN, **fields: Any) -> Written:
    return dialect.write_request(ChatRequest(model="m", messages=messages or (HI,), **fields), to)


def items(*parts: Part, role: Role = Role.ASSISTANT) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = write(Message(role, parts)).body["input"]
    return said


def test_leading_instructions_are_joined_and_later_ones_keep_their_place() -> None:
    body = write(
        Message(Role.SYSTEM, (Text("a"), Text("b"))), Message(Role.DEVELOPER, (Text("c"),)), HI,
        Message(Role.SYSTEM, (Text("d"),)),
    ).body  # fmt: skip
    assert body["instructions"] == "a\n\nb\n\nc"
    assert [(item["role"], item["content"][0]["text"]) for item in body["input"]] == [("user", "hi"), ("system", "d")]


def test_nothing_is_stored_unless_the_caller_says_so() -> None:
    assert write().body["store"] is False
    assert write(store=True).body["store"] is True


def test_words_calls_and_refusals_are_items_in_their_order() -> None:
    said = items(
        Text("look"), ToolCall("c", "f", '{ "a": 1 }'), ToolCall("d", "g", "free", ToolKind.CUSTOM), Refusal("no")
    )
    assert said == [
        {"type": "message", "role": "assistant", "content": [
            {"type": "output_text", "text": "look", "annotations": [], "logprobs": []}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"a":1}'},
        {"type": "custom_tool_call", "call_id": "d", "name": "g", "input": "free"},
        {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
    ]  # fmt: skip
    assert items(ToolCall("c", "f", ""))[0]["arguments"] == "{}"
    assert items(Text("")) == []


def test_results_answer_calls_of_their_kind_with_words_or_parts() -> None:
    calls = Message(Role.ASSISTANT, (ToolCall("c", "f", "{}"), ToolCall("d", "g", "x", ToolKind.CUSTOM)))
    results = Message(
        Role.TOOL,
        (
            ToolResult("c", (Text("a"), Text("b"))),
            ToolResult("d", (Text("see"), PNG)),
            ToolResult("c", (Text("bad"),), is_error=True),
            ToolResult("c", ()),
        ),
    )
    said = write(HI, calls, results).body["input"][3:]
    assert [item["type"] for item in said] == [
        "function_call_output", "custom_tool_call_output", "function_call_output", "function_call_output",
    ]  # fmt: skip
    assert said[0]["output"] == "a\nb"
    assert [part["type"] for part in said[1]["output"]] == ["input_text", "input_image"]
    assert (said[2]["output"], said[3]["output"]) == ("Error: bad", "")


def test_a_thought_goes_back_only_under_the_vendors_own_seal() -> None:
    own = Reasoning("hm", redacted=own_seal("gAAA", "rs_1"), family="openai")
    written = write(HI, Message(Role.ASSISTANT, (own, Reasoning("x", "sig", family="anthropic"), Text("a"))))
    assert written.body["input"][1] == {
        "type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}],
        "encrypted_content": "gAAA",
    }  # fmt: skip
    assert [item["type"] for item in written.body["input"]] == ["message", "reasoning", "message"]
    assert written.dropped == ("reasoning",)


def test_words_and_seal_of_a_thought_that_a_wire_told_apart_are_one_item() -> None:
    apart = (Reasoning("hm"), Reasoning(redacted=own_seal("gAAA", "rs_1"), family="openai"), Text("a"))
    written = write(HI, Message(Role.ASSISTANT, apart))
    assert written.body["input"][1]["summary"] == [{"type": "summary_text", "text": "hm"}]
    assert written.dropped == ()
    bare = Reasoning(redacted="gBBB", family="openai")
    assert items(bare) == [{"type": "reasoning", "summary": [], "encrypted_content": "gBBB"}]
    routed = Reasoning(
        redacted='{"type":"reasoning.encrypted","data":"x","format":"google-gemini-v1"}', family="openai"
    )
    assert items(routed) == []


def test_what_the_user_shows() -> None:
    parts = (
        Text("look"), PNG, Media(kind=MediaKind.IMAGE, url="https://a/b.png", detail="low"),
        Media(kind=MediaKind.IMAGE, file_id="f", file_family="openai"),
        Media(kind=MediaKind.AUDIO, mime="audio/mpeg", data="BBBB"),
        Media(kind=MediaKind.FILE, mime="application/pdf", data="CCCC"),
        Media(kind=MediaKind.FILE, url="https://a/b.pdf"), Media(kind=MediaKind.FILE, text="facts", name="t"),
    )  # fmt: skip
    assert items(*parts, role=Role.USER)[0]["content"] == [
        {"type": "input_text", "text": "look"},
        {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto"},
        {"type": "input_image", "image_url": "https://a/b.png", "detail": "low"},
        {"type": "input_image", "file_id": "f", "detail": "auto"},
        {"type": "input_audio", "input_audio": {"data": "BBBB", "format": "mp3"}},
        {"type": "input_file", "filename": "document.pdf", "file_data": "data:application/pdf;base64,CCCC"},
        {"type": "input_file", "file_url": "https://a/b.pdf"},
        {"type": "input_text", "text": "t\n\nfacts"},
    ]


def test_tools_say_that_they_are_not_strict_and_have_arguments() -> None:
    schema = {"type": "object", "properties": {"a": {}}}
    body = write(
        tools=(
            Tool(name="f", description="d", schema=schema),
            Tool(name="none"),
            Tool(name="x" * 70, schema=schema, strict=True),
            Tool(name="web_search", kind=ToolKind.SERVER, settings={"max_uses": 3, "context_size": "low"}),
        ),
        tool_choice=ToolChoice(ChoiceMode.NAMED, ("f", "none")), parallel_tools=False,
    )  # fmt: skip
    said = body.body["tools"]
    assert said[0] == {"type": "function", "name": "f", "description": "d", "parameters": schema, "strict": False}
    assert said[1]["parameters"] == {"type": "object", "properties": {}}
    assert (len(said[2]["name"]), said[2]["strict"]) == (64, True)
    assert body.renamed == {said[2]["name"]: "x" * 70}
    assert said[3] == {"type": "web_search", "search_context_size": "low"}
    assert body.body["max_tool_calls"] == 3
    assert body.body["tool_choice"] == {
        "type": "allowed_tools", "mode": "required",
        "tools": [{"type": "function", "name": "f"}, {"type": "function", "name": "none"}],
    }  # fmt: skip
    assert body.body["parallel_tool_calls"] is False


@pytest.mark.parametrize(
    ("thinking", "reasoning"),
    [
        (None, None),
        (Thinking(Effort.LOW), {"effort": "low"}),
        (Thinking(Effort.MAX), {"effort": "xhigh"}),
        (Thinking(Effort.NONE, visible=True), {"effort": "none"}),
        (Thinking(Effort.HIGH, visible=True), {"effort": "high", "summary": "detailed"}),
        (Thinking(budget=8192), {"effort": "medium", "summary": "detailed"}),
        (Thinking(budget=8192, visible=False), {"effort": "medium"}),
        (Thinking(adaptive=True), {"summary": "detailed"}),
    ],
)
def test_how_hard_to_think_and_whether_to_show_it(thinking: Thinking | None, reasoning: Any) -> None:
    written = write(to=THINKER, thinking=thinking)
    assert written.body.get("reasoning") == reasoning
    assert written.body["include"] == ["reasoning.encrypted_content"]
    other = write(thinking=thinking)
    assert "reasoning" not in other.body and "include" not in other.body
    assert other.dropped == (() if thinking is None or thinking.effort is Effort.NONE else ("thinking",))


@pytest.mark.parametrize(("asked", "to", "sent"), [(5, PLAIN, 16), (100, PLAIN, 100), (9000, THINKER, 8000)])
def test_the_limit(asked: int, to: Target, sent: int) -> None:
    assert write(to=to, max_output=asked).body["max_output_tokens"] == sent


def test_the_shape_of_an_answer_is_lifted_one_level() -> None:
    schema = {"type": "object"}
    body = write(output_format=OutputFormat(schema, "w", "d"), verbosity="low").body
    form = {"type": "json_schema", "name": "w", "description": "d", "schema": schema, "strict": False}
    assert body["text"] == {"format": form, "verbosity": "low"}
    assert write(output_format=OutputFormat()).body["text"] == {"format": {"type": "json_object"}}


def test_what_has_no_counterpart_is_named() -> None:
    dials = Sampling(top_k=1, seed=2, presence_penalty=0.1, frequency_penalty=0.1, stop=("x",), logit_bias={"1": 1})
    written = write(
        Message(Role.USER, (Text("x", cache="5m"),), "ann"), sampling=dials, service_tier="own", safety=(1,)
    )
    assert set(written.dropped) == {
        "top_k", "seed", "presence_penalty", "frequency_penalty", "stop", "logit_bias", "service_tier", "safety",
        "messages.name", "cache_control",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("parts", "role"),
    [
        ((Media(kind=MediaKind.VIDEO, url="https://a/b"),), Role.USER),
        ((Media(kind=MediaKind.AUDIO, url="https://a/b"),), Role.USER),
        ((Media(kind=MediaKind.FILE, file_id="f", file_family="anthropic"),), Role.USER),
        ((Raw("anthropic", {}),), Role.USER),
        ((PNG,), Role.ASSISTANT),
        ((Raw("gemini", {}),), Role.ASSISTANT),
    ],
)
def test_what_would_change_the_meaning_is_refused_at_its_place(parts: tuple[Part, ...], role: Role) -> None:
    with pytest.raises(Unsupported) as refused:
        write(HI, Message(role, parts))
    assert refused.value.field == "messages[1].content[0]"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"answers": 2}, "answers"),
        ({"modalities": ("text", "audio")}, "modalities"),
        ({"tools": (Tool(name="bash", kind=ToolKind.SERVER, family="anthropic"),)}, "tools[0]"),
        ({"tools": (Tool(name="web_search", kind=ToolKind.SERVER, settings={"blocked_domains": ["a"]}),)},
         "tools[0].blocked_domains"),
        ({"tools": (Tool(name="f"),), "tool_choice": ToolChoice(ChoiceMode.NAMED, ("g",))}, "tool_choice"),
    ],
)  # fmt: skip
def test_wishes_that_cannot_be_said_are_refused_by_name(fields: Any, field: str) -> None:
    with pytest.raises(Unsupported) as refused:
        write(**fields)
    assert refused.value.field == field
