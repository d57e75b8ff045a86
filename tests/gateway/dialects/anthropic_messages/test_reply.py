"""Whole answers, both ways."""

import json
from typing import Any

import pytest

from tollway.core.chat import Citation, Raw, Reasoning, Refusal, Text, ToolCall
from tollway.core.errors import Fault, Remedy
from tollway.core.media import Media, MediaKind
from tollway.core.stream import Answer, Choice, Finish
from tollway.core.usage import Usage
from tollway.gateway.dialect import Opaque, Voice, open_body
from tollway.gateway.dialects.anthropic_messages import dialect

OPAQUE = Opaque(b"key")
VOICE = Voice("req_1", "claude", 1, input_estimate=42, opaque=OPAQUE)


def wire(*content: dict[str, Any], **fields: Any) -> bytes:
    usage = {"input_tokens": 10, "output_tokens": 5}
    message = {"type": "message", "id": "msg_1", "role": "assistant", "model": "m", "content": list(content)}
    return json.dumps(message | {"stop_reason": "end_turn", "stop_sequence": None, "usage": usage} | fields).encode()


def write(*parts: Any, finish: Finish = Finish.STOP, usage: Usage | None = None) -> dict[str, Any]:
    answer = Answer("chat-1", "gpt", (Choice(parts, finish),), usage)
    told: dict[str, Any] = json.loads(dialect.write_reply(answer, VOICE))
    return told


def test_every_block_is_kept_not_only_the_last() -> None:
    place = {
        "type": "char_location",
        "cited_text": "q",
        "document_index": 1,
        "document_title": "D",
        "start_char_index": 3,
    }
    search = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    answer = dialect.read_reply(
        wire(
            {"type": "thinking", "thinking": "t", "signature": "s"},
            {"type": "redacted_thinking", "data": "r"},
            search,
            {"type": "text", "text": "a", "citations": [place]},
            {"type": "text", "text": "b"},
            {"type": "tool_use", "id": "t", "name": "f", "input": {"x": [1]}},
            stop_reason="tool_use",
        )
    )
    citation = Citation(title="D", quote="q", document=1, family="anthropic", raw=place)
    parts = (
        Reasoning("t", signature="s", family="anthropic"),
        Reasoning(redacted="r", family="anthropic"),
        Raw("anthropic", search),
        Text("a", citations=(citation,)),
        Text("b"),
        ToolCall("t", "f", '{"x":[1]}'),
    )
    usage = Usage(input_total=10, output_total=5)
    assert answer == Answer("msg_1", "m", (Choice(parts, Finish.TOOL_CALLS),), usage)


def test_an_error_in_a_200_is_a_fault() -> None:
    with pytest.raises(Fault) as caught:
        dialect.read_reply(b'{"type":"error","error":{"type":"overloaded_error","message":"busy"}}')
    assert (caught.value.status, caught.value.remedy) == (529, Remedy.NEXT_CHANNEL)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b'{"type":"x"}', b'{"type":"message","content":[{"type":"text"}]}', b"\xff", b"null"]
)
def test_what_is_no_answer_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        dialect.read_reply(data)
    if b"content" not in data:
        with pytest.raises(ValueError):
            dialect.glance(data)


@pytest.mark.parametrize(
    ("said", "usage"),
    [
        (
            {"cache_read_input_tokens": 3, "cache_creation_input_tokens": 4},
            Usage(input_total=17, cache_read=3, cache_write_5m=4, output_total=5),
        ),
        (
            {
                "cache_creation_input_tokens": 9,
                "cache_creation": {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 7},
            },
            Usage(input_total=19, cache_write_5m=2, cache_write_1h=7, output_total=5),
        ),
        (
            {"server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0}},
            Usage(input_total=10, output_total=5, tool_calls=(("web_search", 2),)),
        ),
        ({"cache_read_input_tokens": None, "service_tier": "standard"}, Usage(input_total=10, output_total=5)),
    ],
)
def test_usage_in_our_arithmetic(said: dict[str, Any], usage: Usage) -> None:
    data = wire({"type": "text", "text": "a"}, usage={"input_tokens": 10, "output_tokens": 5} | said)
    assert dialect.glance(data).usage == usage
    assert dialect.read_reply(data).usage == usage


@pytest.mark.parametrize(
    ("content", "empty"),
    [
        ([], True),
        ([{"type": "text", "text": ""}], True),
        ([{"type": "text", "text": "a"}], False),
        ([{"type": "tool_use"}], False),
    ],
)
def test_a_glance_sees_whether_anything_was_said(content: list[dict[str, Any]], empty: bool) -> None:
    seen = dialect.glance(wire(*content))
    assert (seen.empty, seen.finish) == (empty, "end_turn")


def test_cached_tokens_are_not_counted_twice_toward_claude() -> None:
    usage = write(Text("a"), usage=Usage(input_total=100, cache_read=90, output_total=1))["usage"]
    assert (usage["input_tokens"], usage["cache_read_input_tokens"]) == (10, 90)
    assert write(Text("a"), usage=Usage(input_total=5, cache_read=9))["usage"]["input_tokens"] == 0
    assert write(Text("a"))["usage"]["input_tokens"] == 42


def test_thoughts_come_first_and_a_call_decides_the_stop_reason() -> None:
    said = write(Text("a"), ToolCall("t", "f", '{"a":'), Reasoning("hm"))
    assert [block["type"] for block in said["content"]] == ["thinking", "text", "tool_use"]
    assert OPAQUE.unseal(said["content"][0]["signature"]) == ("none", "")
    assert said["content"][2]["input"] == {"_raw": '{"a":'}
    assert (said["stop_reason"], said["id"], said["model"]) == ("tool_use", "msg_chat-1", "claude")


def test_foreign_seals_are_wrapped_and_come_back() -> None:
    said = write(
        Reasoning("hm", signature="s", family="gemini"), ToolCall("t", "f", "{}", signature="c", family="gemini")
    )
    body = json.dumps({"model": "m", "max_tokens": 1, "messages": [{"role": "assistant", "content": said["content"]}]})
    opened = open_body(body.encode())
    parts = dialect.read_request(opened, dialect.envelope(opened, {}), OPAQUE).messages[0].parts
    assert parts == (
        Reasoning("hm", signature="s", family="gemini"),
        ToolCall("t", "f", "{}", signature="c", family="gemini"),
    )


@pytest.mark.parametrize(
    ("finish", "word"),
    [
        (Finish.STOP, "end_turn"),
        (Finish.LENGTH, "max_tokens"),
        (Finish.MALFORMED_TOOL, "end_turn"),
        (Finish.OTHER, "end_turn"),
    ],
)
def test_finishes(finish: Finish, word: str) -> None:
    assert write(Text("a"), finish=finish)["stop_reason"] == word


def test_refusals_pictures_and_silence() -> None:
    assert write(Refusal("no"))["stop_reason"] == "refusal"
    picture = Media(kind=MediaKind.IMAGE, url="https://e.com/a.png")
    assert write(picture)["content"] == [{"type": "text", "text": "![image](https://e.com/a.png)"}]
    assert write()["content"] == [{"type": "text", "text": ""}]
    assert write(Raw("gemini", {}))["content"] == [{"type": "text", "text": ""}]
