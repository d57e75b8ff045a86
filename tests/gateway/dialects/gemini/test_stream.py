"""Streams in both framings: any split of the bytes, one terminal, nothing lost on the way through."""

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway.dialects.gemini.asking import GOLDEN, OPAQUE
from tollway.core.chat import Citation
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
from tollway.gateway.dialect import Voice
from tollway.gateway.dialects.gemini import dialect
from tollway.gateway.dialects.gemini.encoder import GeminiEncoder
from tollway.kit.sse import Frame, SseReader

GOLD = (GOLDEN / "stream_thought_text_calls.sse").read_bytes()
TERMINALS = (Completed, Failed, Cut)


def voice(framing: str = "sse") -> Voice:
    return Voice(request_id="req-1", model="m", created_s=1, stream=True, framing=framing, opaque=OPAQUE)


def decode(*pieces: bytes) -> list[StreamEvent]:
    """All events of a stream that comes in these pieces."""
    reader, decoder = SseReader(), dialect.decoder()
    frames = [frame for piece in pieces for frame in reader.feed(piece)] + reader.close()
    return [event for frame in frames for event in decoder.frame(frame)] + decoder.close()


def chunks(*answers: Any) -> bytes:
    return b"".join(b"data: " + msgspec.json.encode(answer) + b"\r\n\r\n" for answer in answers)


def told(*parts: Any, index: int = 0, **more: Any) -> dict[str, Any]:
    return {"candidates": [{"content": {"parts": list(parts), "role": "model"}, "index": index} | more]}


def encode(events: list[StreamEvent], framing: str = "sse") -> bytes:
    encoder = dialect.encoder(voice(framing))
    return b"".join(encoder.write(event) for event in events)


def test_the_golden_stream_tells_these_events() -> None:
    events = [event for event in decode(GOLD) if not isinstance(event, UsageSeen)]
    assert events == [
        Started("r-1", "gemini-2.5-flash"),
        ReasoningDelta("**Planning**\n"),
        TextDelta("Hé, "),
        TextDelta("\n"),
        TextDelta("日本 \u2028 ok"),
        ToolStart(0, events[5].id, "weather", signature="c2lnLTE=", family="gemini"),  # type: ignore[union-attr]
        ToolArgs(0, '{"city":"Oslo","days":[1,2]}'),
        ToolEnd(0),
        ToolStart(1, "given-7", "now"),
        ToolArgs(1, "{}"),
        ToolEnd(1),
        Finished(Finish.TOOL_CALLS),
        Completed(),
    ]
    counts = [event.usage for event in decode(GOLD) if isinstance(event, UsageSeen)]
    assert [usage.output_total for usage in counts] == [8, 10, 13, 38]
    assert counts[-1] == Usage(input_total=12, cache_read=4, output_total=38, reasoning=8)


def without_made_ids(events: list[StreamEvent]) -> list[StreamEvent]:
    return [
        msgspec.structs.replace(event, id="call_") if isinstance(event, ToolStart) and event.id != "given-7" else event
        for event in events
    ]


def test_every_split_in_two_tells_the_same_events() -> None:
    whole = without_made_ids(decode(GOLD))
    for at in range(len(GOLD) + 1):
        assert without_made_ids(decode(GOLD[:at], GOLD[at:])) == whole


@given(st.lists(st.integers(0, len(GOLD)), max_size=20))
def test_any_split_tells_the_same_events(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(GOLD)]
    pieces = [GOLD[start:end] for start, end in itertools.pairwise(edges)]
    assert without_made_ids(decode(*pieces)) == without_made_ids(decode(GOLD))


@given(st.integers(0, len(GOLD) - 1), st.binary(max_size=8))
def test_a_stream_cut_or_spoilt_anywhere_has_exactly_one_terminal_at_its_end(at: int, rubbish: bytes) -> None:
    events = decode(GOLD[:at] + rubbish)
    assert [isinstance(event, TERMINALS) for event in events].count(True) == 1
    assert isinstance(events[-1], TERMINALS)
    starts = sum(isinstance(event, ToolStart) for event in events)
    assert starts == sum(isinstance(event, ToolEnd) for event in events)


def test_a_stream_without_a_reason_to_stop_was_cut() -> None:
    assert decode(chunks(told({"text": "a"})))[-1] == Cut()
    assert isinstance(decode()[-1], Cut)
    assert isinstance(decode(b": ping\n\n")[-1], Cut)


def test_every_candidate_must_come_to_its_end() -> None:
    one, two = told({"text": "a"}, finishReason="STOP"), told({"text": "b"}, index=1)
    assert decode(chunks(one, two))[-2:] == [Finished(Finish.STOP), Cut()]
    end = told(index=1, finishReason="MAX_TOKENS")
    assert decode(chunks(one, two, end))[-3:] == [Finished(Finish.STOP), Finished(Finish.LENGTH, choice=1), Completed()]


def test_words_beside_thoughts_in_one_chunk_are_told_apart() -> None:
    events = decode(chunks(told({"text": "t", "thought": True}, {"text": "a"}, finishReason="STOP")))
    assert events[1:3] == [ReasoningDelta("t"), TextDelta("a")]


def test_slots_count_the_calls_of_each_candidate() -> None:
    call = {"functionCall": {"name": "f"}}
    events = decode(chunks(told(call), told(call, index=1), told(call)))
    assert [(event.choice, event.slot) for event in events if isinstance(event, ToolStart)] == [(0, 0), (1, 0), (0, 1)]


def test_a_signature_on_words_or_on_nothing_is_a_seal() -> None:
    signed = {"text": "a", "thoughtSignature": "s"}
    events = decode(chunks(told(signed), told({"text": "", "thoughtSignature": "z"}, finishReason="STOP")))
    assert events[1:4] == [TextDelta("a"), ReasoningSeal("gemini", "s"), ReasoningSeal("gemini", "z")]


def test_a_blocked_prompt_fails_as_the_callers_fault() -> None:
    events = decode(chunks({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}))
    assert isinstance(events[-1], Failed)
    assert (events[-1].status, events[-1].code) == (400, "prompt_blocked")


def test_an_error_and_garbage_fail_and_nothing_follows() -> None:
    error = {"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}
    events = decode(chunks(told({"text": "a"}), error, told({"text": "b"})))
    assert events[-1] == Failed(503, "UNAVAILABLE", "overloaded")
    garbage = decode(chunks(told({"text": "a"})) + b"data: {nonsense\n\n" + chunks(told({"text": "b"})))
    assert isinstance(garbage[-1], Failed) and garbage[-1].status == 502


def test_a_malformed_call_without_a_word_fails_but_after_words_it_ends_them() -> None:
    end = {"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL", "finishMessage": "bad"}]}
    assert decode(chunks(end))[-1] == Failed(502, "malformed_tool_call", "bad")
    assert decode(chunks(told({"text": "a"}), end))[-2:] == [Finished(Finish.MALFORMED_TOOL), Completed()]


def test_a_comment_is_a_sign_of_life() -> None:
    assert dialect.decoder().frame(Frame(b"", b"", b": x\n\n")) == [Heartbeat()]


def test_sources_are_told_once_with_offsets_while_the_text_is_plain() -> None:
    grounding = {
        "webSearchQueries": ["q"],
        "groundingChunks": [{"web": {"uri": "https://x.org", "title": "X"}}],
        "groundingSupports": [{"segment": {"endIndex": 4, "text": "word"}, "groundingChunkIndices": [0]}],
    }
    usage = {"usageMetadata": {"promptTokenCount": 1}}
    ends = [told(groundingMetadata=grounding), told(groundingMetadata=grounding, finishReason="STOP") | usage]
    cited = [event for event in decode(chunks(told({"text": "words"}), *ends)) if isinstance(event, Cited)]
    assert cited == [Cited(Citation(url="https://x.org", title="X", quote="word", start=0, end=4))]
    events = decode(chunks(told({"text": "wörds"}), *ends))
    assert [event.citation.end for event in events if isinstance(event, Cited)] == [None]
    (seen,) = [event for event in events if isinstance(event, UsageSeen)]
    assert seen.usage.tool_calls == (("web_search", 1),)


def test_code_and_pictures_are_told() -> None:
    code = {"executableCode": {"language": "PYTHON", "code": "1"}}
    picture = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
    usage = {"usageMetadata": {"candidatesTokenCount": 1290}}
    events = decode(chunks(told(code, picture, finishReason="STOP") | usage))
    assert events[1:3] == [
        TextDelta("```python\n1\n```\n"),
        MediaPiece(Media(kind=MediaKind.IMAGE, mime="image/png", data="AAAA")),
    ]
    assert isinstance(events[3], UsageSeen) and events[3].usage.images == 1


def objects(wire: bytes, framing: str) -> list[Any]:
    if framing == "array":
        return list(msgspec.json.decode(wire))
    return [msgspec.json.decode(frame.data) for frame in SseReader().feed(wire)]


FRAMINGS = pytest.mark.parametrize("framing", ["sse", "array"])


@FRAMINGS
def test_calls_go_out_whole_and_reasons_and_usage_only_at_the_end(framing: str) -> None:
    events: list[StreamEvent] = [
        Started("r", "m"),
        TextDelta("a"),
        ToolStart(0, "c", "f"),
        ToolArgs(0, '{"x"'),
        UsageSeen(Usage(input_total=1, output_total=1)),
        ToolStart(1, "d", "g"),
        ToolArgs(0, ":1}"),
        ToolEnd(0),
        ToolEnd(1),
        Finished(Finish.TOOL_CALLS),
        UsageSeen(Usage(input_total=1, output_total=7, reasoning=3)),
        Completed(),
    ]
    said = objects(encode(events, framing), framing)
    parts = [answer["candidates"][0]["content"]["parts"] for answer in said]
    assert parts[1:3] == [
        [{"functionCall": {"id": "c", "name": "f", "args": {"x": 1}}}],
        [{"functionCall": {"id": "d", "name": "g", "args": {}}}],
    ]
    assert [("finishReason" in answer["candidates"][0], "usageMetadata" in answer) for answer in said] == (
        [(False, False)] * 3 + [(True, True)]
    )
    assert (
        said[-1]["usageMetadata"]["candidatesTokenCount"] == 4 and said[-1]["usageMetadata"]["thoughtsTokenCount"] == 3
    )


@FRAMINGS
@pytest.mark.parametrize("end", [Failed(529, "overloaded", "too busy"), Cut()])
def test_a_broken_answer_never_passes_for_a_whole_one(framing: str, end: StreamEvent) -> None:
    wire = encode([Started("r", "m"), TextDelta("a"), end], framing)
    assert b"finishReason" not in wire
    if framing == "array":
        with pytest.raises(msgspec.DecodeError):
            msgspec.json.decode(wire)
        wire += b"]"
    last = objects(wire, framing)[-1]
    assert last["error"]["code"] in (529, 502) and last["error"]["message"].endswith("(request id: req-1)")


def test_an_error_before_the_first_word_opens_the_array() -> None:
    assert encode([Cut()], "array").startswith(b'[{"error":')


def test_googles_own_stream_passes_into_an_array_with_its_json_untouched() -> None:
    encoder = GeminiEncoder(voice("array"))
    frames = SseReader().feed(GOLD)
    wire = b"".join(encoder.pass_on(frame) for frame in frames) + encoder.pass_end()
    assert [bytes(part) for part in msgspec.json.decode(wire, type=list[msgspec.Raw])] == [part.data for part in frames]
    cut = GeminiEncoder(voice("array"))
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(cut.pass_on(frames[0]) + cut.write(Cut()))
    plain = GeminiEncoder(voice())
    assert (plain.pass_on(frames[0]), plain.pass_end()) == (frames[0].raw, b"")


def test_a_heartbeat_means_nothing() -> None:
    for framing in ("sse", "array"):
        encoder = dialect.encoder(voice(framing))
        wire = encoder.write(TextDelta("a")) + encoder.heartbeat() + encoder.write(Completed())
        assert len(objects(wire, framing)) == 2
    assert dialect.encoder(voice()).heartbeat().strip() == b""  # google-genai reads a comment as broken JSON


@pytest.mark.parametrize("refused", [RefusalDelta("no"), TextDelta("no")])
def test_a_refusal_is_text(refused: StreamEvent) -> None:
    assert b'"parts":[{"text":"no"}]' in encode([refused])


texts = st.text(min_size=1, max_size=20)
choices = st.integers(0, 1)
pieces = st.one_of(
    st.builds(TextDelta, texts, choices),
    st.builds(ReasoningDelta, texts, choices),
    st.builds(ReasoningSeal, st.just("gemini"), texts, choice=choices),
    st.builds(
        MediaPiece,
        st.just(Media(kind=MediaKind.IMAGE, mime="image/png", data="AAAA")),
        choice=choices,
    ),
    st.tuples(texts, texts, st.dictionaries(texts, st.integers() | texts, max_size=2), choices),
)


@st.composite
def streams(draw: st.DrawFn) -> list[StreamEvent]:
    """Events as a Gemini provider could have told them."""
    events: list[StreamEvent] = [Started("r", "m")]
    slots = {0: 0, 1: 0}
    used = set()
    for piece in draw(st.lists(pieces, min_size=1, max_size=8)):
        if isinstance(piece, tuple):
            call_id, name, args, choice = piece
            slot, slots[choice] = slots[choice], slots[choice] + 1
            args_json = msgspec.json.encode(args).decode()
            events += [
                ToolStart(slot, call_id, name, choice=choice),
                ToolArgs(slot, args_json, choice),
                ToolEnd(slot, choice),
            ]
            used.add(choice)
        else:
            events.append(piece)
            used.add(piece.choice)
    total = draw(st.integers(1, 99))
    images = sum(isinstance(event, MediaPiece) for event in events)
    events.append(UsageSeen(Usage(input_total=total, output_total=total, reasoning=1, images=images)))
    for choice in sorted(used):
        reasons = [Finish.TOOL_CALLS] if slots[choice] else [Finish.STOP, Finish.LENGTH, Finish.CONTENT_FILTER]
        events.append(Finished(draw(st.sampled_from(reasons)), choice=choice))
    return [*events, Completed()]


def in_order(events: list[StreamEvent]) -> list[StreamEvent]:
    """Candidates end in any order."""
    ends = [event for event in events if isinstance(event, Finished)]
    return [event for event in events if event not in ends] + sorted(ends, key=lambda end: end.choice)


@given(streams())
def test_what_is_encoded_decodes_to_the_same_events(events: list[StreamEvent]) -> None:
    assert in_order(decode(encode(events))) == in_order(events)
    decoder = dialect.decoder()
    elements = msgspec.json.decode(encode(events, "array"), type=list[msgspec.Raw])
    found = [event for element in elements for event in decoder.frame(Frame(b"", bytes(element), b""))]
    assert in_order(found + decoder.close()) == in_order(events)
