"""Canonical events as the vendor's stream."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gateway.dialects.anthropic_messages.test_decoder import EVENTS, decode
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
from tollway.gateway.dialect import Opaque, Voice
from tollway.gateway.dialects.anthropic_messages import dialect
from tollway.kit.sse import SseReader

OPAQUE = Opaque(b"key")
END: list[StreamEvent] = [Finished(Finish.STOP), UsageSeen(Usage(input_total=5, output_total=7)), Completed()]


def encode(*events: StreamEvent) -> bytes:
    encoder = dialect.encoder(Voice("req_1", "claude", 1, stream=True, input_estimate=42, opaque=OPAQUE))
    return b"".join([encoder.write(event) for event in events])


def told(*events: StreamEvent) -> list[dict[str, Any]]:
    """The frames as objects; each frame's name must be its type."""
    frames = SseReader().feed(encode(*events))
    for frame in frames:
        assert json.loads(frame.data)["type"].encode() == frame.event
    return [json.loads(frame.data) for frame in frames]


def shape(*events: StreamEvent) -> list[str]:
    """What the stream does, in short; also checks that one block is open at a time and none stays open."""
    short, open_index, count = list[str](), None, 0
    for event in told(*events):
        kind = event["type"]
        if kind == "content_block_start":
            assert open_index is None and event["index"] == count
            open_index, count = event["index"], count + 1
            short.append("+" + event["content_block"]["type"])
        elif kind in {"content_block_delta", "content_block_stop"}:
            assert event["index"] == open_index
            open_index = None if kind == "content_block_stop" else open_index
            short.append(event["delta"]["type"] if kind == "content_block_delta" else "-")
        else:
            short.append(kind)
    assert open_index is None or short[-1] == "error"
    return short


def test_golden_bytes_of_a_plain_answer() -> None:
    assert encode(Started("chat-1", "gpt"), TextDelta('he"llo'), TextDelta(""), *END).decode() == (
        'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_chat-1","type":"message",'
        '"role":"assistant","model":"claude","content":[],"stop_reason":null,"stop_sequence":null,"usage":'
        '{"input_tokens":42,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"cache_creation":'
        '{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0},"output_tokens":0}}}\n\n'
        'event: ping\ndata: {"type":"ping"}\n\n'
        'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":'
        '{"type":"text","text":""}}\n\n'
        'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":'
        '{"type":"text_delta","text":"he\\"llo"}}\n\n'
        'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
        'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},'
        '"usage":{"input_tokens":5,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":7}}\n\n'
        'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    )


def test_decoding_then_encoding_then_decoding_is_the_identity() -> None:
    first = EVENTS[0]
    assert isinstance(first, Started)
    renamed = Started(first.id, "claude", first.usage)  # the model is told as the caller named it
    assert decode(encode(*EVENTS)) == [renamed, Heartbeat(), *EVENTS[1:]]


fragments = st.text(min_size=1, max_size=8)
thoughts = st.builds(
    lambda words, seal: [*map(ReasoningDelta, words), ReasoningSeal("anthropic", signature=seal)],
    st.lists(fragments, max_size=3),
    st.text("abc", min_size=1),
)
said = st.lists(fragments, min_size=1, max_size=3).map(lambda words: [TextDelta(word) for word in words])


@st.composite
def streams(draw: st.DrawFn) -> list[StreamEvent]:
    """A well-formed stream that Messages can hold."""
    events: list[StreamEvent] = [Started("msg_1", "claude", Usage(input_total=3))]
    for piece in draw(st.lists(thoughts | said, max_size=4)):
        events += piece
    slots = draw(st.integers(0, 3))
    for slot in range(slots):
        events.append(ToolStart(slot, f"t{slot}", "f"))
        events += [ToolArgs(slot, part) for part in draw(st.lists(fragments, min_size=1, max_size=3))]
        events.append(ToolEnd(slot))
    if len(events) == 1:
        events.append(TextDelta("x"))
    usage = Usage(input_total=3, cache_read=1, output_total=draw(st.integers(1, 99)))
    return [*events, Finished(Finish.TOOL_CALLS if slots else Finish.LENGTH), UsageSeen(usage), Completed()]


@settings(max_examples=150, deadline=None)
@given(streams())
def test_what_is_encoded_is_decoded_to_the_same_events(events: list[StreamEvent]) -> None:
    assert decode(encode(*events)) == [events[0], Heartbeat(), *events[1:]]


def test_a_call_told_beside_others_waits_until_the_earlier_one_is_complete() -> None:
    events: list[StreamEvent] = [
        Started("x", "m"),
        TextDelta("first"),
        ToolStart(0, "a", "f"),
        ToolStart(1, "b", "g"),
        ToolArgs(1, '{"b":'),
        ToolArgs(0, '{"a":1}'),
        ToolEnd(1),
        TextDelta("after"),
        ToolEnd(0),
        *END,
    ]
    names = ["message_start", "ping", "+text", "text_delta", "-", "+tool_use", "input_json_delta", "-"]
    assert shape(*events) == [
        *names, "+tool_use", "input_json_delta", "-", "+text", "text_delta", "-", "message_delta", "message_stop",
    ]  # fmt: skip


def test_calls_whose_end_was_never_told_are_closed_one_after_another() -> None:
    events = [ToolStart(0, "a", "f"), ToolStart(1, "b", "g"), ToolArgs(1, "{}"), ToolStart(2, "c", "h"), *END]
    blocks = ["+tool_use", "-", "+tool_use", "input_json_delta", "-", "+tool_use", "-"]
    assert shape(*events) == ["message_start", "ping", *blocks, "message_delta", "message_stop"]


def test_the_stop_reason_is_tool_use_whatever_the_upstream_said() -> None:
    assert told(ToolStart(0, "a", "f"), ToolEnd(0), *END)[-2]["delta"]["stop_reason"] == "tool_use"


def test_words_in_the_same_breath_as_the_finish_are_not_lost_and_the_end_comes_without_usage_too() -> None:
    events = told(TextDelta("all"), Finished(Finish.STOP_SEQUENCE, "END"), Completed())
    assert events[3]["delta"]["text"] == "all"
    assert events[-2]["delta"] == {"stop_reason": "stop_sequence", "stop_sequence": "END"}
    assert events[-2]["usage"]["input_tokens"] == 42


def test_a_call_without_id_gets_one() -> None:
    first, second = [
        e["content_block"]["id"]
        for e in told(ToolStart(0, "", "f"), ToolEnd(0), ToolStart(1, "", "f"), *END)
        if "content_block" in e
    ]
    assert first.startswith("toolu_") and second.startswith("toolu_") and first != second


def test_a_free_text_call_is_a_call_with_one_string() -> None:
    events = [
        ToolStart(0, "a", "sql", kind=ToolKind.CUSTOM),
        ToolArgs(0, 'say "'),
        ToolArgs(0, 'hi"'),
        ToolEnd(0),
        *END,
    ]
    parts = [event["delta"]["partial_json"] for event in told(*events) if event["type"] == "content_block_delta"]
    assert json.loads("".join(parts)) == {"input": 'say "hi"'}


def test_thoughts_carry_the_seal_of_whoever_made_them() -> None:
    events = told(
        ReasoningDelta("a"),
        ReasoningSeal("anthropic", signature="own"),
        ReasoningDelta("b"),
        ReasoningSeal("gemini", signature="theirs"),
        ReasoningDelta("c"),
        TextDelta("x"),
        *END,
    )
    seals = [event["delta"]["signature"] for event in events if event.get("delta", {}).get("type") == "signature_delta"]
    assert seals[0] == "own"
    assert OPAQUE.unseal(seals[1]) == ("gemini", "theirs")
    assert OPAQUE.unseal(seals[2]) == ("none", "")


def test_a_whole_encrypted_thought_and_the_seal_of_a_call_travel_as_redacted_thinking() -> None:
    events = told(
        ReasoningSeal("openai", redacted="enc"),
        ToolStart(0, "t", "f", signature="thought", family="gemini"),
        ToolEnd(0),
        *END,
    )
    blocks = [event["content_block"] for event in events if event["type"] == "content_block_start"]
    assert OPAQUE.unseal(blocks[0]["data"]) == ("openai", "enc")
    assert OPAQUE.unseal(blocks[1]["data"]) == ("gemini+tool", "t thought")
    assert blocks[2]["id"] == "t"


def test_sources_pictures_and_refusals_have_a_place() -> None:
    events = told(
        TextDelta("a"),
        Cited(Citation(url="https://e.com", title="T", quote="q")),
        Cited(Citation(quote="from nowhere")),
        MediaPiece(Media(kind=MediaKind.IMAGE, mime="image/png", data="QQ==")),
        RefusalDelta("no"),
        Finished(Finish.STOP),
        Completed(),
    )
    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    assert deltas[1]["citation"]["url"] == "https://e.com"
    assert deltas[2]["text"] == "![image](data:image/png;base64,QQ==)"
    assert len(deltas) == 4
    assert events[-2]["delta"]["stop_reason"] == "refusal"


def test_pieces_of_other_families_are_left_out() -> None:
    assert shape(RawPiece("gemini", {"a": 1}), TextDelta("x"), *END)[2:4] == ["+text", "text_delta"]


def test_an_answer_of_nothing_is_one_empty_text() -> None:
    assert shape(*END) == ["message_start", "ping", "+text", "-", "message_delta", "message_stop"]


@pytest.mark.parametrize(
    ("event", "kind", "message"),
    [
        (Failed(529, "overloaded_error", "busy"), "overloaded_error", "busy"),
        (Failed(429, "x", "slow"), "rate_limit_error", "slow"),
        (Cut("gone"), "api_error", "gone"),
    ],
)
def test_a_broken_stream_ends_with_an_error_and_nothing_after(event: StreamEvent, kind: str, message: str) -> None:
    events = told(Started("x", "m"), TextDelta("a"), event, TextDelta("b"), *END)
    error = {"type": kind, "message": f"{message} (request id: req_1)"}
    assert events[-1] == {"type": "error", "error": error, "request_id": "req_1"}


def test_the_heartbeat_is_the_vendors_ping() -> None:
    encoder = dialect.encoder(Voice("r", "m", 1))
    assert encoder.heartbeat() == b'event: ping\ndata: {"type":"ping"}\n\n'


kinds = st.one_of(
    st.builds(TextDelta, fragments),
    st.builds(ReasoningDelta, fragments),
    st.builds(ReasoningSeal, st.sampled_from(["anthropic", "gemini"]), st.none() | fragments, st.none() | fragments),
    st.builds(ToolStart, st.integers(0, 2), st.text("ab", max_size=2), fragments, st.sampled_from(ToolKind)),
    st.builds(ToolArgs, st.integers(0, 2), fragments),
    st.builds(ToolEnd, st.integers(0, 2)),
    st.builds(Finished, st.sampled_from(Finish)),
    st.just(Heartbeat()),
    st.builds(RefusalDelta, fragments),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(kinds, max_size=25), st.sampled_from([Completed(), Cut(), Failed(500, "c", "m")]))
def test_whatever_order_events_come_in_the_stream_stays_well_formed(
    events: list[StreamEvent], end: StreamEvent
) -> None:
    done = shape(Started("x", "m"), *events, end)
    assert done[-1] == ("message_stop" if isinstance(end, Completed) else "error")
    assert done.count("message_stop") + done.count("error") == 1
