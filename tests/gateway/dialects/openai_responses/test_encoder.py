"""Canonical events as the vendor's stream: its order, its numbers, its names (relay.md 6.15)."""

import json
from pathlib import Path
from typing import Any

import pytest

from tollway.core.chat import Citation, ToolKind
from tollway.core.media import Media, MediaKind
from tollway.core.stream import (
    Cited,
    Completed,
    Cut,
    Failed,
    Finish,
    Finished,
    Heartbeat,
    MediaPiece,
    RawPiece,
    ReasoningDelta,
    ReasoningSeal,
    RefusalDelta,
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
from tollway.gateway.dialects.openai_responses import dialect
from tollway.gateway.dialects.openai_responses.seals import own_seal

GOLDEN = Path(__file__).parents[3] / "golden" / "openai_responses" / "written.sse"
OPAQUE = Opaque(b"key")
USAGE = UsageSeen(Usage(20, 5, output_total=9, reasoning=4))
ASKED = (
    b'{"model":"claude-haiku","input":"hi","instructions":"Be brief.","temperature":0.5,"tools":[{"type":"function",'
    b'"name":"f","parameters":{"type":"object"}}],"metadata":{"a":"b"},"text":{"verbosity":"low"},"user":null}'
)
AGENT: list[StreamEvent] = [
    Started("msg_abc", "upstream"),
    ReasoningDelta("let me "),
    ReasoningDelta("think"),
    ReasoningSeal("anthropic", signature="sig=="),
    TextDelta("Hel"),
    TextDelta("lo 🚂\n"),
    Cited(Citation(url="https://example.com/a", title="A", start=0, end=5)),
    ToolStart(0, "call_1", "f"),
    ToolArgs(0, '{"a":'),
    ToolArgs(0, "1}"),
    ToolEnd(0),
    ToolStart(1, "call_2", "g"),
    ToolEnd(1),
    Finished(Finish.TOOL_CALLS),
    USAGE,
    Completed(),
]


def voice() -> Voice:
    options = dialect.envelope(open_body(ASKED), {}).options
    return Voice("req_1", "claude-haiku", 1_760_000_000, stream=True, opaque=OPAQUE, options=options)


def said(*events: StreamEvent) -> bytes:
    encoder = dialect.encoder(voice())
    return b"".join(encoder.write(event) for event in events)


def told(*events: StreamEvent) -> list[dict[str, Any]]:
    frames = [frame.split("\n") for frame in said(*events).decode().split("\n\n") if frame]
    values: list[dict[str, Any]] = [json.loads(data.removeprefix("data: ")) for _, data in frames]
    assert [f"event: {value['type']}" for value in values] == [name for name, _ in frames]
    assert [value["sequence_number"] for value in values] == list(range(len(values)))
    return values


def kinds(*events: StreamEvent) -> list[str]:
    return [value["type"].removeprefix("response.") for value in told(*events)]


def output(*events: StreamEvent) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = told(*events, Completed())[-1]["response"]["output"]
    return items


def test_a_whole_agents_turn_byte_for_byte() -> None:
    assert said(*AGENT) == GOLDEN.read_bytes()


def test_the_required_order_of_events() -> None:
    assert kinds(*AGENT) == [
        "created", "in_progress",
        "output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta",
        "reasoning_summary_text.delta", "reasoning_summary_text.done", "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added", "content_part.added", "output_text.delta", "output_text.delta",
        "output_text.annotation.added", "output_text.done", "content_part.done", "output_item.done",
        "output_item.added", "function_call_arguments.delta", "function_call_arguments.delta",
        "function_call_arguments.done", "output_item.done",
        "output_item.added", "function_call_arguments.delta", "function_call_arguments.done", "output_item.done",
        "completed",
    ]  # fmt: skip


def test_the_response_repeats_its_question_and_says_that_nothing_is_stored() -> None:
    for event in (told(*AGENT)[0], told(*AGENT)[-1]):
        response = event["response"]
        assert response["instructions"] == "Be brief."
        assert response["temperature"] == 0.5
        assert response["tools"][0]["name"] == "f"
        assert response["metadata"] == {"a": "b"}
        assert response["text"] == {"format": {"type": "text"}, "verbosity": "low"}
        assert (response["store"], response["error"], response["user"]) == (False, None, None)
        assert (response["tool_choice"], response["parallel_tool_calls"], response["top_p"]) == ("auto", True, 1.0)


def test_the_end_holds_what_was_told() -> None:
    values = told(*AGENT)
    items = [value["item"] for value in values if value["type"] == "response.output_item.done"]
    assert values[-1]["response"]["output"] == items
    assert values[-1]["response"]["usage"] == {
        "input_tokens": 20, "input_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 0},
        "output_tokens": 9, "output_tokens_details": {"reasoning_tokens": 4}, "total_tokens": 29,
    }  # fmt: skip
    assert [item["id"].partition("_")[0] for item in items] == ["rs", "msg", "fc", "fc"]
    assert items[3]["arguments"] == "{}"


@pytest.mark.parametrize(
    ("finish", "status", "reason"),
    [
        (Finish.STOP, "completed", None),
        (Finish.STOP_SEQUENCE, "completed", None),
        (Finish.PAUSE, "completed", None),
        (Finish.OTHER, "completed", None),
        (Finish.LENGTH, "incomplete", "max_output_tokens"),
        (Finish.CONTEXT_WINDOW, "incomplete", "max_output_tokens"),
        (Finish.CONTENT_FILTER, "incomplete", "content_filter"),
    ],
)
def test_why_it_ended(finish: Finish, status: str, reason: str | None) -> None:
    last = told(TextDelta("x"), Finished(finish), USAGE, Completed())[-1]
    assert last["type"] == f"response.{status}"
    assert last["response"]["status"] == last["response"]["output"][0]["status"] == status
    assert last["response"]["incomplete_details"] == (None if reason is None else {"reason": reason})


def test_calls_that_stream_by_turns_are_open_beside_each_other() -> None:
    calls = (ToolStart(0, "a", "f"), ToolStart(1, "b", "g", ToolKind.CUSTOM), ToolArgs(1, "x"), ToolArgs(0, "{}"))
    items = output(*calls, ToolEnd(1), ToolArgs(0, " "), ToolEnd(0), TextDelta("after"), Finished(Finish.TOOL_CALLS))
    assert [item["type"] for item in items] == ["function_call", "custom_tool_call", "message"]
    assert (items[0]["arguments"], items[1]["input"]) == ("{} ", "x")


def test_a_message_of_several_kinds_of_words_has_several_parts() -> None:
    items = output(TextDelta("a"), RefusalDelta("no"), RefusalDelta("!"), TextDelta("b"))
    assert [part.get("text", part.get("refusal")) for part in items[0]["content"]] == ["a", "no!", "b"]
    indices = [value["content_index"] for value in told(TextDelta("a"), RefusalDelta("n")) if "content_index" in value]
    assert indices == [0, 0, 0, 0, 1, 1]


def test_thoughts_under_every_kind_of_seal() -> None:
    own = own_seal("gAAAA", "rs_vendor")
    items = output(
        ReasoningDelta("hm"), ReasoningSeal("openai", redacted=own), ReasoningSeal("anthropic", redacted="x")
    )
    assert [(item["id"][:9], bool(item["summary"])) for item in items] == [
        ("rs_req_1_", True), ("rs_vendor", False), ("rs_req_1_", False),
    ]  # fmt: skip
    assert items[1]["encrypted_content"] == "gAAAA"
    assert items[2]["encrypted_content"].startswith("relay1.anthropic.")
    signed = output(ToolStart(0, "c", "f", signature="sig", family="gemini"), ToolEnd(0))
    assert [item["type"] for item in signed] == ["reasoning", "function_call"]
    assert signed[0]["encrypted_content"].startswith("relay1.gemini.")


def test_pictures_sounds_and_items_of_the_vendors_own() -> None:
    drawn = MediaPiece(Media(kind=MediaKind.IMAGE, mime="image/png", data="AAAA"))
    linked = MediaPiece(Media(kind=MediaKind.IMAGE, url="https://example.com/a.png"))
    spoken = MediaPiece(Media(kind=MediaKind.AUDIO, data="AAAA", transcript="hello"))
    raw = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
    items = output(drawn, RawPiece("openai_responses", raw), RawPiece("anthropic", {"type": "x"}), linked, spoken)
    assert [item["type"] for item in items] == ["image_generation_call", "web_search_call", "message"]
    assert (items[0]["result"], items[1]) == ("AAAA", raw)
    assert items[2]["content"][0]["text"] == "![image](https://example.com/a.png)hello"


def test_an_answer_without_a_word_is_an_empty_message() -> None:
    assert output(Finished(Finish.STOP))[0]["content"][0]["text"] == ""


@pytest.mark.parametrize("end", [Failed(529, "overloaded", "too busy"), Cut("gone")])
def test_a_failure_is_told_as_the_vendor_does_and_nothing_after_it(end: StreamEvent) -> None:
    values = told(Started("", ""), TextDelta("x"), end, TextDelta("y"), Completed())
    error, failed = values[-2:]
    assert error["type"] == "error"
    assert error["message"] == error["error"]["message"] == failed["response"]["error"]["message"]
    assert "request id: req_1" in error["message"]
    assert error["code"] == failed["response"]["error"]["code"]
    assert (failed["response"]["status"], failed["response"]["id"]) == ("failed", "resp_req_1")


def test_a_stream_that_passed_by_only_gets_its_failure() -> None:
    assert kinds(Cut("gone")) == ["error", "failed"]


def test_other_alternatives_and_heartbeats_say_nothing() -> None:
    assert kinds(TextDelta("x", 1), Finished(Finish.STOP, choice=1)) == []
    assert said(Heartbeat()) == b": ping\n\n"
