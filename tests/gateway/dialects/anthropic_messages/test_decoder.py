"""The vendor's stream as canonical events."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tollway.core.chat import Citation
from tollway.core.stream import (
    Cited,
    Completed,
    Cut,
    Failed,
    Finish,
    Finished,
    Heartbeat,
    RawPiece,
    ReasoningDelta,
    ReasoningSeal,
    Started,
    StreamEvent,
    TextDelta,
    ToolArgs,
    ToolEnd,
    ToolStart,
    UsageSeen,
)
from tollway.core.usage import Usage
from tollway.gateway.dialects.anthropic_messages import dialect
from tollway.kit.sse import SseReader

GOLDEN = Path("tests/golden/anthropic_messages/everything.sse").read_bytes()
FOUND = {
    "type": "web_search_result",
    "title": "T",
    "url": "https://example.com",
    "encrypted_content": "x",
    "page_age": None,
}
PLACE = {
    "type": "web_search_result_location",
    "cited_text": "q",
    "url": "https://example.com",
    "title": "T",
    "encrypted_index": "e",
}
EVENTS: list[StreamEvent] = [
    Started(
        "msg_01",
        "claude-sonnet-4-6",
        Usage(input_total=60, cache_read=20, cache_write_5m=10, cache_write_1h=20, output_total=1),
    ),
    Heartbeat(),
    ReasoningDelta("Let me "),
    ReasoningDelta("see."),
    ReasoningSeal("anthropic", signature="EqQBCgIYAhIM"),
    ReasoningSeal("anthropic", redacted="EmwKAhgBEgy3"),
    RawPiece(
        "anthropic", {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "naïve"}}
    ),
    RawPiece("anthropic", {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [FOUND]}),
    Cited(Citation(url="https://example.com", title="T", quote="q", family="anthropic", raw=PLACE)),
    TextDelta("Naïve 😀 "),
    TextDelta("answer."),
    ToolStart(0, "toolu_1", "get_weather"),
    ToolArgs(0, '{"city":'),
    ToolArgs(0, ' "Rome"}'),
    ToolEnd(0),
    ToolStart(1, "toolu_2", "now"),
    ToolArgs(1, "{}"),
    ToolEnd(1),
    Finished(Finish.TOOL_CALLS),
    UsageSeen(
        Usage(
            input_total=60,
            cache_read=20,
            cache_write_5m=10,
            cache_write_1h=20,
            output_total=77,
            reasoning=12,
            tool_calls=(("web_search", 1),),
        )
    ),
    Completed(),
]
TERMINAL = (Completed, Failed, Cut)


def decode(*chunks: bytes) -> list[StreamEvent]:
    reader, decoder, events = SseReader(), dialect.decoder(), list[StreamEvent]()
    for chunk in chunks:
        for frame in reader.feed(chunk):
            events += decoder.frame(frame)
    for frame in reader.close():
        events += decoder.frame(frame)
    return events + decoder.close()


def frames(*data: str) -> bytes:
    return b"".join(b"event: x\ndata: " + one.encode() + b"\n\n" for one in data)


START = '{"type":"message_start","message":{"id":"m","model":"c","usage":{"input_tokens":5,"output_tokens":1}}}'
TOOL = '{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}'
STOP = '{"type":"message_stop"}'


def test_every_kind_of_block_is_understood() -> None:
    assert decode(GOLDEN) == EVENTS


def test_the_first_tool_after_text_is_slot_zero_and_a_call_without_arguments_means_an_empty_object() -> None:
    slots = [event.slot for event in decode(GOLDEN) if isinstance(event, ToolStart)]
    assert slots == [0, 1]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_any_split_of_the_bytes_and_any_line_end_tell_the_same(size: int, line_end: bytes) -> None:
    data = GOLDEN.replace(b"\n", line_end)
    assert decode(*[data[start : start + size] for start in range(0, len(data), size)]) == EVENTS


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, len(GOLDEN)), max_size=12))
def test_wherever_the_bytes_are_cut_the_events_are_the_same(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(GOLDEN)]
    assert decode(*[GOLDEN[a:b] for a, b in pairwise(places)]) == EVENTS


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(GOLDEN) - 30))
def test_a_stream_that_breaks_off_ends_once_with_every_tool_closed(length: int) -> None:
    events = decode(GOLDEN[:length])
    assert [type(event) in TERMINAL for event in events].count(True) == 1
    assert isinstance(events[-1], Cut | Failed)
    assert sum(isinstance(e, ToolStart) for e in events) == sum(isinstance(e, ToolEnd) for e in events)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.integers(0, len(GOLDEN)))
def test_rubbish_never_raises_and_ends_once(rubbish: bytes, place: int) -> None:
    events = decode(GOLDEN[:place], rubbish, GOLDEN[place:])
    assert [type(event) in TERMINAL for event in events].count(True) == 1
    assert type(events[-1]) in TERMINAL


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("overloaded_error", 529),
        ("rate_limit_error", 429),
        ("invalid_request_error", 400),
        ("api_error", 500),
        ("timeout_error", 504),
        ("new_error", 500),
    ],
)
def test_an_error_inside_the_stream_ends_it_with_its_status(kind: str, status: int) -> None:
    data = frames(START, TOOL, '{"type":"error","error":{"type":"%s","message":"sorry"}}' % kind, STOP)  # noqa: UP031
    assert decode(data)[-3:] == [ToolArgs(0, "{}"), ToolEnd(0), Failed(status, kind, "sorry")]


@pytest.mark.parametrize(
    "data", ["{", "[]", '{"a":1}', '{"type":"content_block_delta","delta":5}', "nonsense", "[" * 3000]
)
def test_garbage_is_a_failure_not_an_end(data: str) -> None:
    assert decode(frames(START, data, STOP))[1:] == [
        Failed(502, "bad_stream", "the upstream sent an event that cannot be read")
    ]


def test_nothing_is_told_after_the_end() -> None:
    assert decode(frames(START, STOP, START, "{")) == [
        Started("m", "c", Usage(input_total=5, output_total=1)),
        Finished(Finish.OTHER),
        Completed(),
    ]


def test_comments_show_life_and_a_foreign_done_line_is_not_an_end() -> None:
    assert decode(b": keep-alive\n\n" + frames("[DONE]")) == [Heartbeat(), Cut()]


def test_usage_merges_output_replaces_others_only_when_they_say_more() -> None:
    counts = '{"input_tokens":%d,"cache_read_input_tokens":%d,"output_tokens":%d}'
    first = '{"type":"message_start","message":{"id":"m","model":"c","usage":' + counts % (5, 3, 9) + "}}"
    later = '{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":' + counts % (0, 4, 0) + "}"
    seen = next(event for event in decode(frames(first, later, STOP)) if isinstance(event, UsageSeen))
    assert seen.usage == Usage(input_total=9, cache_read=4, output_total=0)


@pytest.mark.parametrize(
    ("word", "finish"),
    [
        ("end_turn", Finish.STOP),
        ("max_tokens", Finish.LENGTH),
        ("model_context_window_exceeded", Finish.CONTEXT_WINDOW),
        ("refusal", Finish.CONTENT_FILTER),
        ("pause_turn", Finish.PAUSE),
        ("brand_new", Finish.OTHER),
    ],
)
def test_every_stop_reason_has_its_finish(word: str, finish: Finish) -> None:
    data = frames(START, '{"type":"message_delta","delta":{"stop_reason":"%s"}}' % word, STOP)  # noqa: UP031
    assert Finished(finish) in decode(data)


def test_input_that_came_whole_with_the_start_is_not_lost() -> None:
    start = TOOL.replace('"input":{}', '"input":{"a":1}')
    assert ToolArgs(0, '{"a":1}') in decode(frames(START, start, STOP))
