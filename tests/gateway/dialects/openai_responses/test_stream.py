"""Events in, events out: the vendor's order, every split, other servers' habits, exactly one end."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from tollway.gateway.dialects.openai_responses import dialect
from tollway.gateway.dialects.openai_responses.seals import own_seal
from tollway.kit.sse import SseReader

AGENT = (Path(__file__).parents[3] / "golden" / "openai_responses" / "agent.sse").read_bytes()
SEARCH = {
    "id": "ws_0a1", "type": "web_search_call", "status": "completed",
    "action": {"type": "search", "query": "oslo weather"},
}  # fmt: skip
NOTE = Citation(url="https://example.com/source", title="A source", start=0, end=9)
CALL = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "f", "arguments": '{"a":1}'}
WORDS = {"id": "msg_1", "type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello"}]}


def heard(*pieces: bytes) -> list[StreamEvent]:
    reader, decoder = SseReader(), dialect.decoder()
    events = [event for piece in pieces for frame in reader.feed(piece) for event in decoder.frame(frame)]
    events += [event for frame in reader.close() for event in decoder.frame(frame)]
    return [event for event in events + decoder.close() if not isinstance(event, Heartbeat)]


def say(kind: str, **fields: Any) -> bytes:
    return f"data: {json.dumps({'type': kind, **fields})}\n\n".encode()


def ended(*output: Any, status: str = "completed", **more: Any) -> bytes:
    said = {"id": "resp_1", "model": "m", "status": status, "output": list(output), **more}
    return say(f"response.{status}", response=said)


BEGUN = say("response.created", response={"id": "resp_1", "model": "m", "status": "in_progress", "output": []})


def test_the_vendors_own_stream_is_told_once_and_in_its_order() -> None:
    assert heard(AGENT) == [
        Started("resp_0a1", "gpt-5.2-2025-12-11"),
        ReasoningDelta("**Loo"),
        ReasoningDelta("king**"),
        ReasoningDelta("\n\nThen answer."),
        ReasoningSeal("openai", redacted=own_seal("gAAAAB-final", "rs_0a1")),
        RawPiece("openai_responses", SEARCH),
        TextDelta("Let me "),
        TextDelta("ask, für 🚂"),
        Cited(NOTE),
        ToolStart(0, "call_a", "weather"),
        ToolArgs(0, '{"city":"'),
        ToolArgs(0, 'Oslo"}'),
        ToolEnd(0),
        ToolStart(1, "call_b", "weather"),
        ToolArgs(1, '{"city":"'),
        ToolArgs(1, 'Rome"}'),
        ToolEnd(1),
        ToolStart(2, "call_c", "shout", ToolKind.CUSTOM),
        ToolArgs(2, "HEY"),
        ToolEnd(2),
        Finished(Finish.TOOL_CALLS),
        UsageSeen(Usage(75, 64, output_total=155, reasoning=128, tool_calls=(("web_search", 1),))),
        Completed(),
    ]


@given(cuts=st.lists(st.integers(0, len(AGENT)), max_size=8).map(sorted))
def test_no_split_changes_what_is_heard(cuts: list[int]) -> None:
    pieces = [AGENT[start:end] for start, end in zip([0, *cuts], [*cuts, len(AGENT)], strict=True)]
    assert heard(*pieces) == heard(AGENT)


@given(count=st.integers(0, AGENT.count(b"\n\n") - 1))
def test_a_stream_without_its_last_event_is_cut(count: int) -> None:
    events = heard(b"\n\n".join(AGENT.split(b"\n\n")[:count]) + b"\n\n")
    assert isinstance(events[-1], Cut)
    starts = sum(isinstance(event, ToolStart) for event in events)
    assert sum(isinstance(event, ToolEnd) for event in events) == starts


def only_words(*events: StreamEvent) -> list[StreamEvent]:
    return [Started("resp_1", "m"), *events, Finished(Finish.STOP), Completed()]


@pytest.mark.parametrize(
    "pieces",
    [
        [say("response.output_text.delta", delta="Hello")],
        [say("response.output_text.delta", delta="Hello"), say("response.output_item.done", item=WORDS)],
        [say("response.output_text.delta", item_id="msg_1", delta="Hel"), say("response.output_item.done", item=WORDS)],
        [say("response.output_text.delta", output_index=0, delta="Hel"),
         say("response.output_text.done", output_index=0, text="Hello")],
        [say("response.output_item.added", output_index=0, item={"type": "message", "id": "other"}),
         say("response.output_text.delta", delta="Hello")],
        [say("response.output_item.done", output_index=0, item=WORDS)],
        [],
    ],
    ids=["no names", "named at the end", "a remainder in the item", "a remainder in its text", "another id",
         "no deltas", "nothing but the end"],
)  # fmt: skip
def test_words_are_told_once_however_a_server_names_them(pieces: list[bytes]) -> None:
    events = heard(BEGUN, *pieces, ended(WORDS))
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "Hello"
    assert [type(event) for event in events[-2:]] == [Finished, Completed]


@pytest.mark.parametrize(
    "pieces",
    [
        [say("response.output_item.added", output_index=0, item={**CALL, "arguments": ""}),
         say("response.function_call_arguments.delta", output_index=0, delta='{"a"'),
         say("response.function_call_arguments.done", item_id="fc_1", arguments='{"a":1}')],
        [say("response.function_call_arguments.delta", item_id="fc_1", delta='{"a":'),
         say("response.output_item.added", output_index=0, item={**CALL, "arguments": ""}),
         say("response.function_call_arguments.delta", item_id="fc_1", output_index=0, delta="1}")],
        [say("response.output_item.done", item=CALL)],
        [say("response.output_item.added", output_index=3, item={**CALL, "id": None, "arguments": ""}),
         say("response.output_item.done", output_index=3, item={**CALL, "id": None})],
    ],
    ids=["by turns", "deltas first", "whole", "no id"],
)  # fmt: skip
@pytest.mark.parametrize("repeated", [True, False])
def test_a_call_is_told_once_though_the_end_repeats_it(pieces: list[bytes], repeated: bool) -> None:
    events = heard(BEGUN, *pieces, ended(*([CALL] if repeated else [])))
    assert [event for event in events if isinstance(event, ToolStart)] == [ToolStart(0, "call_1", "f")]
    assert "".join(event.fragment for event in events if isinstance(event, ToolArgs)) == '{"a":1}'
    assert [event for event in events if isinstance(event, ToolEnd)] == [ToolEnd(0)]
    assert Finished(Finish.TOOL_CALLS) in events


def test_a_call_that_only_the_end_tells_is_told() -> None:
    events = heard(BEGUN, ended(CALL))
    assert events[1:4] == [ToolStart(0, "call_1", "f"), ToolArgs(0, '{"a":1}'), ToolEnd(0)]


def test_two_calls_whose_arguments_come_by_turns_are_kept_apart() -> None:
    def added(at: int) -> bytes:
        item = {"type": "function_call", "id": f"fc_{at}", "call_id": f"call_{at}", "name": "f", "arguments": ""}
        return say("response.output_item.added", output_index=at, item=item)

    def args(at: int, delta: str) -> bytes:
        return say("response.function_call_arguments.delta", output_index=at, item_id=f"fc_{at}", delta=delta)

    events = heard(BEGUN, added(0), added(1), args(0, "[0"), args(1, "[1"), args(0, "]"), args(1, "]"), ended())
    for slot in (0, 1):
        told = [event.fragment for event in events if isinstance(event, ToolArgs) and event.slot == slot]
        assert "".join(told) == f"[{slot}]"
        assert ToolEnd(slot) in events


def test_a_function_without_arguments_has_an_empty_object() -> None:
    events = heard(BEGUN, say("response.output_item.done", item={**CALL, "arguments": ""}), ended())
    assert ToolArgs(0, "{}") in events


def test_thoughts_in_full_and_in_summary() -> None:
    item = {"id": "rs_1", "type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "a b"}]}
    events = heard(
        BEGUN,
        say("response.reasoning_text.delta", item_id="rs_1", output_index=0, content_index=0, delta="a "),
        say("response.output_item.done", output_index=0, item=item),
        ended(item),
    )
    assert events == only_words(ReasoningDelta("a "), ReasoningDelta("b"))


def test_refusals_pictures_and_sources_of_the_vendors_own() -> None:
    picture = {"type": "image_generation_call", "id": "ig_1", "result": "AAAA", "output_format": "webp"}
    cited = {"type": "file_citation", "file_id": "file_1", "filename": "a.txt", "index": 0}
    said = {"id": "msg_1", "type": "message", "content": [
        {"type": "output_text", "text": "see", "annotations": [cited]}, {"type": "refusal", "refusal": "no"},
    ]}  # fmt: skip
    events = heard(BEGUN, say("response.output_item.done", item=picture), say("response.output_item.done", item=said),
                   ended(picture, said))  # fmt: skip
    assert events == only_words(
        MediaPiece(Media(kind=MediaKind.IMAGE, mime="image/webp", data="AAAA")),
        TextDelta("see"),
        Cited(Citation(title="a.txt", family="openai_responses", raw=cited)),
        RefusalDelta("no"),
    )


@pytest.mark.parametrize(
    ("details", "finish"),
    [
        ({"reason": "max_output_tokens"}, Finish.LENGTH),
        ({"reason": "content_filter"}, Finish.CONTENT_FILTER),
        ({"reason": "new"}, Finish.OTHER),
        (None, Finish.OTHER),
    ],
)
def test_an_incomplete_answer_says_why(details: Any, finish: Finish) -> None:
    events = heard(BEGUN, ended(WORDS, status="incomplete", incomplete_details=details))
    assert events[-2:] == [Finished(finish), Completed()]


@pytest.mark.parametrize(
    ("frame", "failed"),
    [
        (say("error", code="rate_limit_exceeded", message="slow", param=None),
         Failed(429, "rate_limit_exceeded", "slow")),
        (say("error", error={"type": "invalid_request_error", "code": "context_length_exceeded", "message": "long"}),
         Failed(400, "context_length_exceeded", "long")),
        (say("response.failed", response={"error": {"code": "server_error", "message": "http://10.0.0.1 died"}}),
         Failed(502, "server_error", "[url] died")),
        (say("response.failed", response={"error": None}), Failed(502, "upstream_error", "the provider failed")),
        (say("response.completed", response=None), Failed(502, "upstream_error", "the provider failed")),
        (b"data: {broken\n\n", Failed(502, "bad_response", "the provider sent something that is not a chunk")),
    ],
)  # fmt: skip
def test_a_failure_is_told_once(frame: bytes, failed: Failed) -> None:
    last = say("response.failed", response={"error": {"code": "server_error", "message": "again"}})
    assert heard(BEGUN, say("response.output_text.delta", delta="x"), frame, last)[-2:] == [TextDelta("x"), failed]


def test_what_a_failed_answer_consumed_is_told_before_its_failure() -> None:
    usage = {"input_tokens": 5, "output_tokens": 2}
    said = {"error": {"code": "server_error", "message": "no"}, "usage": usage}
    assert heard(BEGUN, say("response.failed", response=said))[1] == UsageSeen(Usage(5, output_total=2))


def test_events_nobody_knows_are_signs_of_life() -> None:
    decoder = dialect.decoder()
    for data in (say("response.tomorrow", delta=[1]), say("response.web_search_call.searching"), b": ping\n\n"):
        assert [event for frame in SseReader().feed(data) for event in decoder.frame(frame)] == [Heartbeat()]
    assert [event for frame in SseReader().feed(b"data: [DONE]\n\n") for event in decoder.frame(frame)] == [Cut()]
