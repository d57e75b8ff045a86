"""Tools grouped in a namespace, as coding agents send them, reach models of every family, and their calls come back."""

import json
from typing import Any

import pytest

from tollway.core.chat import ChatRequest, ChoiceMode, ToolCall, ToolChoice, ToolKind
from tollway.core.errors import BadRequest
from tollway.core.stream import Answer, Choice, Completed, Finish, Finished, Started, ToolArgs, ToolEnd, ToolStart
from tollway.gateway.dialect import Opaque, Voice, open_body
from tollway.gateway.dialects.openai_responses import dialect

SCHEMA = {"type": "object", "properties": {"id": {"type": "string"}}}


def function(name: str) -> dict[str, Any]:
    return {"type": "function", "name": name, "parameters": SCHEMA}


def group(name: str, *tools: dict[str, Any]) -> dict[str, Any]:
    return {"type": "namespace", "name": name, "description": "d", "tools": list(tools)}


TOOLS = [
    function("run"),
    group("agents", function("run"), function("stop"), {"type": "custom", "name": "tell"}),
    group("mail", function("stop")),
]


def read(tools: list[dict[str, Any]], asked: Any = "hi", **fields: Any) -> ChatRequest:
    body = open_body(json.dumps({"model": "m", "input": asked, "tools": tools, **fields}).encode())
    return dialect.read_request(body, dialect.envelope(body, {}), Opaque(b"key"))


def voice(tools: list[dict[str, Any]]) -> Voice:
    asked = open_body(json.dumps({"model": "m", "input": "hi", "tools": tools}).encode())
    return Voice("req_1", "m", 1_760_000_000, stream=True, options=dialect.envelope(asked, {}).options)


def test_each_tool_of_a_group_has_one_flat_name() -> None:
    tools = read(TOOLS).tools
    assert [(tool.name, tool.kind.value) for tool in tools] == [
        ("run", "function"), ("agents__run", "function"), ("agents__stop", "function"), ("agents__tell", "custom"),
        ("mail__stop", "function"),
    ]  # fmt: skip
    assert tools[1].schema == SCHEMA


def test_a_group_runs_nothing_at_the_provider() -> None:
    body = open_body(json.dumps({"model": "m", "input": "hi", "tools": TOOLS}).encode())
    assert not dialect.envelope(body, {}).server_tools


def test_calls_that_come_back_with_the_conversation_are_those_of_the_group() -> None:
    call = {"type": "function_call", "call_id": "c", "name": "stop", "namespace": "mail", "arguments": "{}"}
    result = {"type": "function_call_output", "call_id": "c", "output": "done"}
    turns = read(TOOLS, [{"role": "user", "content": "go"}, call, result]).messages
    assert turns[1].parts == (ToolCall("c", "mail__stop", "{}"),)
    assert turns[2].parts[0].name == "mail__stop"  # type: ignore[union-attr]


def test_a_group_may_be_named_in_the_choice() -> None:
    choice = {"type": "function", "name": "stop", "namespace": "mail"}
    assert read(TOOLS, tool_choice=choice).tool_choice == ToolChoice(ChoiceMode.NAMED, ("mail__stop",))
    only = {"type": "allowed_tools", "mode": "auto", "tools": [choice]}
    assert [tool.name for tool in read(TOOLS, tool_choice=only).tools] == ["mail__stop"]


def test_a_streamed_call_says_its_name_and_its_group_apart() -> None:
    encoder = dialect.encoder(voice(TOOLS))
    events = [
        Started("r", "m"), ToolStart(0, "c1", "mail__stop"), ToolArgs(0, "{}"), ToolEnd(0),
        ToolStart(1, "c2", "agents__tell", ToolKind.CUSTOM), ToolEnd(1), ToolStart(2, "c3", "run"), ToolEnd(2),
        Finished(Finish.TOOL_CALLS), Completed(),
    ]  # fmt: skip
    told = b"".join(encoder.write(event) for event in events).decode()
    frames = [json.loads(frame.split("data: ")[1]) for frame in told.split("\n\n") if frame]
    named = [("stop", "mail"), ("tell", "agents"), ("run", None)]
    for kind in ("added", "done"):
        items = [frame["item"] for frame in frames if frame["type"] == f"response.output_item.{kind}"]
        assert [(item["name"], item.get("namespace")) for item in items] == named
    assert [(item["name"], item.get("namespace")) for item in frames[-1]["response"]["output"]] == named


def test_a_whole_answer_says_them_apart_too() -> None:
    answer = Answer("r", "m", (Choice((ToolCall("c", "agents__run", "{}"), ToolCall("d", "run", "{}")), Finish.STOP),))
    output = json.loads(dialect.write_reply(answer, voice(TOOLS)))["output"]
    assert [(item["name"], item.get("namespace")) for item in output] == [("run", "agents"), ("run", None)]


@pytest.mark.parametrize(
    ("tools", "field"),
    [
        ([group("a", function("b")), function("a__b")], "tools[0].tools[0].name"),
        ([{"type": "namespace", "tools": []}], "tools[0].name"),
        ([{"type": "namespace", "name": "a"}], "tools[0].tools"),
        ([{"type": "namespace", "name": "a", "tools": [{"type": "web_search"}]}], "tools[0].tools[0].type"),
        ([{"type": "namespace", "name": "a", "tools": [7]}], "tools[0].tools[0]"),
    ],
)
def test_a_group_that_makes_no_sense_is_refused_by_name(tools: list[Any], field: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read(tools)
    assert refused.value.field == field
