"""Chunks in, events out: every split, every imitator's habit, exactly one end."""

from pathlib import Path

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
from tollway.gateway.dialects.openai_chat import dialect
from tollway.kit.sse import SseReader

GOLDEN = Path(__file__).parents[3] / "golden"
STREAMS = sorted(GOLDEN.glob("*/*.sse"))
WIRES = {"openai_chat", "deepseek", "openrouter", "mistral", "vllm", "groq"}
OURS = [path for path in STREAMS if path.parent.name in WIRES]
VOICE = Voice("req", "gpt-4o", 1, stream=True, opaque=Opaque(b"key"))
TERMINAL = (Completed, Failed, Cut)


def decode(pieces: list[bytes]) -> list[StreamEvent]:
    reader, decoder = SseReader(), dialect.decoder()
    events = [event for piece in pieces for frame in reader.feed(piece) for event in decoder.frame(frame)]
    events += [event for frame in reader.close() for event in decoder.frame(frame)]
    return events + decoder.close()


def golden(name: str) -> list[StreamEvent]:
    return decode([(GOLDEN / name).read_bytes()])


def chunk(inner: str) -> bytes:
    return b'data: {"id":"i","model":"m",' + inner.encode() + b"}\n\n"


def test_openai_tools_beside_text() -> None:
    assert golden("openai_chat/tools.sse") == [
        Started("chatcmpl-A1", "gpt-4o-2024-08-06"),
        TextDelta("Let me look, "),
        ToolStart(0, "call_1", "weather"),
        ToolArgs(0, '{"city":'),
        ToolArgs(0, '"Zürich"}'),
        ToolStart(1, "call_2", "clock"),
        ToolEnd(0),
        ToolEnd(1),
        Finished(Finish.TOOL_CALLS),
        UsageSeen(Usage(2006, cache_read=1920, output_total=300)),
        Completed(),
    ]


def test_deepseek_thinks_aloud_and_counts_its_cache_its_own_way() -> None:
    assert golden("deepseek/thinking.sse") == [
        Started("d1", "deepseek-chat"),
        Heartbeat(),
        ReasoningDelta("Hmm."),
        TextDelta("Yes"),
        Finished(Finish.STOP),
        UsageSeen(Usage(15, cache_read=8, output_total=9, reasoning=7)),
        Completed(),
    ]


def test_openrouter_seals_keep_all_but_the_text() -> None:
    seal = '{"type":"reasoning.text","signature":"EqQB","format":"anthropic-claude-v1","index":0}'
    assert golden("openrouter/claude.sse") == [
        Heartbeat(),
        Started("gen-1", "anthropic/claude-sonnet-4"),
        ReasoningDelta("Think"),
        ReasoningSeal("openai", seal),
        TextDelta("Hi"),
        Finished(Finish.STOP),
        UsageSeen(Usage(20, cache_read=4, cache_write_5m=6, output_total=5, reasoning=3)),
        Completed(),
    ]


def test_mistral_thinks_in_parts_and_finishes_with_a_whole_call() -> None:
    assert golden("mistral/magistral.sse")[1:-1] == [
        ReasoningDelta("Hm"),
        TextDelta("4"),
        ToolStart(0, "abcdefghi", "f"),
        ToolArgs(0, '{"a": 1}'),
        ToolEnd(0),
        Finished(Finish.TOOL_CALLS),
        UsageSeen(Usage(5, output_total=4)),
    ]


def test_a_finish_without_done_is_whole_and_content_in_the_finish_chunk_is_kept() -> None:
    events = golden("vllm/no_done.sse")
    assert [event for event in events if isinstance(event, TextDelta)] == [TextDelta("one"), TextDelta(" two")]
    assert Finished(Finish.STOP_SEQUENCE, "END") in events
    assert events[-2:] == [UsageSeen(Usage(3, output_total=2)), Completed()]


def test_an_error_event_fails_without_naming_hosts() -> None:
    assert golden("groq/error.sse")[-1] == Failed(502, "server_error", "Request to [ip] failed")


@pytest.mark.parametrize("path", OURS, ids=lambda path: f"{path.parent.name}-{path.stem}")
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_every_split_of_the_bytes_tells_the_same(path: Path, line_end: bytes) -> None:
    data = path.read_bytes().replace(b"\n", line_end)
    whole = decode([data])
    assert decode([data[i : i + 1] for i in range(len(data))]) == whole
    for cut in range(0, len(data), 7):
        assert decode([data[:cut], data[cut:]]) == whole


@given(st.binary(max_size=200), st.integers(0, 2000))
def test_any_bytes_end_exactly_once(garbage: bytes, cut: int) -> None:
    data = (GOLDEN / "openai_chat/tools.sse").read_bytes()
    events = decode([data[:cut] + garbage + data[cut:]])
    assert sum(isinstance(event, TERMINAL) for event in events) == 1
    assert isinstance(events[-1], TERMINAL)
    starts = sum(isinstance(event, ToolStart) for event in events)
    assert starts == sum(isinstance(event, ToolEnd) for event in events)


def test_bytes_that_end_early_are_cut_with_tools_ended_first() -> None:
    data = (GOLDEN / "openai_chat/tools.sse").read_bytes()
    events = decode([data[: data.index(b'"call_2"')]])
    assert events[-2:] == [ToolEnd(0), Cut()]


@pytest.mark.parametrize(
    ("data", "failure"),
    [
        (b"data: {oops\n\n", Failed(502, "bad_response", "the provider sent something that is not a chunk")),
        (b'data: {"error":{"message":"busy","code":429}}\n\n', Failed(429, "upstream_error", "busy")),
        (b'data: {"error":"overloaded"}\n\n', Failed(502, "upstream_error", "overloaded")),
        (
            chunk('"error":{"code":502,"message":"lost"},"choices":[{"index":0,"delta":{},"finish_reason":"error"}]'),
            Failed(502, "upstream_error", "lost"),
        ),
    ],
)
def test_errors_inside_a_stream_fail(data: bytes, failure: Failed) -> None:
    assert decode([data, b'data: {"choices":[]}\n\ndata: [DONE]\n\n'])[-1] == failure


def test_calls_all_numbered_zero_are_told_apart_by_id() -> None:
    call = '{"index":0,"id":"%s","function":{"name":"f","arguments":"{}"}}'
    one = '"choices":[{"index":0,"delta":{"tool_calls":[' + call + "]}}]"
    events = decode([chunk(one % "a"), chunk(one % "b")])
    assert [(e.slot, e.id) for e in events if isinstance(e, ToolStart)] == [(0, "a"), (1, "b")]


def test_several_answers_keep_their_own_slots() -> None:
    one = '"choices":[{"index":%d,"delta":{"tool_calls":[{"index":3,"id":"c%d","function":{"name":"f"}}]}}]'
    events = decode([chunk(one % (0, 0)), chunk(one % (1, 1))])
    assert [(e.choice, e.slot) for e in events if isinstance(e, ToolStart)] == [(0, 0), (1, 0)]


def test_a_forced_tool_that_finishes_with_stop_is_still_a_tool_call() -> None:
    call = '"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f"}}]}}]'
    events = decode([chunk(call), chunk('"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]')])
    assert Finished(Finish.TOOL_CALLS) in events


def test_moonshot_counts_inside_the_choice() -> None:
    usage = '"usage":{"prompt_tokens":5,"completion_tokens":2,"cached_tokens":3}'
    events = decode([chunk('"choices":[{"index":0,"delta":{},"finish_reason":"stop",' + usage + "}]")])
    assert UsageSeen(Usage(5, cache_read=3, output_total=2)) in events


def encode(events: list[StreamEvent], voice: Voice = VOICE) -> bytes:
    encoder = dialect.encoder(voice)
    return b"".join(encoder.write(event) for event in events)


words = st.text(min_size=1, max_size=20)
pieces = st.one_of(
    words.map(TextDelta),
    words.map(RefusalDelta),
    words.map(ReasoningDelta),
    words.map(lambda text: ReasoningSeal("openai", "s" + text)),
    words.map(lambda text: ReasoningSeal("openai", redacted="r" + text)),
    st.builds(lambda url: Cited(Citation(url="http://" + url, title="t", start=1, end=2)), words),
    st.just(MediaPiece(Media(kind=MediaKind.IMAGE, mime="image/png", data="AAAA"))),
    st.just(MediaPiece(Media(kind=MediaKind.AUDIO, data="AAAA", transcript="hi"), partial=True)),
)


@given(st.lists(pieces, max_size=8), st.lists(st.tuples(words, st.sampled_from(ToolKind)), max_size=3))
def test_what_is_encoded_decodes_to_the_same_events(said: list[StreamEvent], calls: list[tuple[str, ToolKind]]) -> None:
    events: list[StreamEvent] = [Started("id", VOICE.model), *said]
    kinds = [ToolKind.CUSTOM if kind is ToolKind.CUSTOM else ToolKind.FUNCTION for _, kind in calls]
    for slot, (name, _) in enumerate(calls):
        events += [ToolStart(slot, f"c{slot}", name, kinds[slot]), ToolArgs(slot, '{"a":1}')]
    events += [ToolEnd(slot) for slot in range(len(calls))]
    usage = Usage(10, 2, 3, 0, 1, 1, 9, 4, 1, 1)
    events += [Finished(Finish.TOOL_CALLS if calls else Finish.LENGTH), UsageSeen(usage), Completed()]
    assert decode([encode(events)]) == events


def test_a_call_without_arguments_becomes_an_empty_object() -> None:
    told = decode([encode([Started("i", "m"), ToolStart(0, "c", "f"), ToolEnd(0), Finished(Finish.STOP), Completed()])])
    assert ToolArgs(0, "{}") in told


def test_usage_is_shown_only_when_asked_for() -> None:
    events: list[StreamEvent] = [
        Started("i", "m"),
        Finished(Finish.STOP),
        UsageSeen(Usage(1, output_total=1)),
        Completed(),
    ]
    assert b"prompt_tokens" in encode(events)
    assert b"usage" not in encode(events, Voice("r", "m", 1, include_usage=False))


@pytest.mark.parametrize("end", [Failed(500, "server_error", "boom"), Cut()])
def test_a_stream_that_fails_says_so_and_never_done(end: StreamEvent) -> None:
    told = encode([Started("i", "m"), TextDelta("a"), end])
    assert b'"error":{' in told.split(b"\n\n")[-2]
    assert b"[DONE]" not in told
    assert b"(request id: req)" in told


def test_another_familys_seal_travels_wrapped_and_never_as_text() -> None:
    told = encode([Started("i", "m"), ReasoningDelta("t"), ReasoningSeal("anthropic", "sig"), Completed()])
    assert b'"reasoning_details":[{"type":"thinking","thinking":"","signature":"relay1.anthropic.' in told
    assert b'"reasoning_content":"\\n"' not in told


def test_the_second_answer_has_a_role_chunk_of_its_own() -> None:
    told = encode(
        [Started("i", "m"), TextDelta("a"), TextDelta("b", 1), Finished(Finish.STOP), Finished(Finish.STOP, choice=1)]
    )
    assert told.count(b'"role":"assistant"') == 2


def test_a_heartbeat_is_a_comment() -> None:
    assert dialect.encoder(VOICE).heartbeat() == b": ping\n\n"
