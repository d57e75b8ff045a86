"""A dialect is a mirror: what it says it understands, however the bytes are cut, and it always comes to one end."""

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.laws.corpus import ANSWERS, QUESTIONS, STREAMS, gist_of_answer, gist_of_request, gist_of_stream
from tests.laws.plugins import DIALECTS, OF_VECTORS, TWO_WAY
from tollway.core.errors import (
    BadRequest,
    CreditsExhausted,
    Draining,
    Fault,
    Internal,
    ModelNotFound,
    NoChannelAnswered,
    RateLimited,
    Unauthenticated,
)
from tollway.core.stream import Completed, Cut, Failed, Finished, StreamEvent
from tollway.gateway.dialect import Dialect, Edits, Opaque, Target, Voice, close_body, open_body
from tollway.kit.sse import SseReader, frame

PATH = {"model": "m", "action": "streamGenerateContent"}
TARGET = Target("openai", "m", 1000, frozenset({"tools", "vision", "structured"}))
OPAQUE = Opaque(b"key")
VOICE = Voice("req_1", "m", 7, stream=True, opaque=OPAQUE)
TERMINALS = (Completed, Failed, Cut)
ERRORS = [
    BadRequest("wrong", field="messages[0]"),
    Unauthenticated("who?"),
    ModelNotFound("no such model"),
    RateLimited("slow down", retry_after_s=2),
    CreditsExhausted(1, 2),
    Draining("stopping"),
    Internal("sorry"),
    NoChannelAnswered([]),
]

two_way = pytest.mark.parametrize("dialect", TWO_WAY.values(), ids=TWO_WAY)
SPOKEN = {name: dialect for name, dialect in DIALECTS.items() if name not in OF_VECTORS}
every = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)


def said(dialect: Dialect, events: list[StreamEvent]) -> bytes:
    encoder = dialect.encoder(VOICE)
    return b"".join(encoder.write(event) for event in events)


def heard(dialect: Dialect, pieces: list[bytes]) -> list[StreamEvent]:
    reader, decoder = SseReader(), dialect.decoder()
    events = [event for piece in pieces for each in reader.feed(piece) for event in decoder.frame(each)]
    events += [event for each in reader.close() for event in decoder.frame(each)]
    return events + decoder.close()


@two_way
@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_said_is_the_question_understood(dialect: Dialect, name: str) -> None:
    request = QUESTIONS[name]
    written = dialect.write_request(request, TARGET)
    body = open_body(close_body(written.body))
    again = dialect.read_request(body, dialect.envelope(body, PATH), OPAQUE)
    if "stop" in written.dropped:  # a dialect may lack a word, if it says so
        request = replace(request, sampling=replace(request.sampling, stop=()))
    assert gist_of_request(again) == gist_of_request(request)


@two_way
@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_said_is_the_answer_understood(dialect: Dialect, name: str) -> None:
    body = dialect.write_reply(ANSWERS[name], VOICE)
    assert gist_of_answer(dialect.read_reply(body)) == gist_of_answer(ANSWERS[name])


@two_way
@pytest.mark.parametrize("name", ANSWERS)
def test_a_glance_sees_the_usage_that_reading_sees(dialect: Dialect, name: str) -> None:
    body = dialect.write_reply(ANSWERS[name], VOICE)
    glance = dialect.glance(body)
    assert not glance.empty
    assert glance.usage == dialect.read_reply(body).usage


@two_way
@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize(
    "end", [Completed(), Cut(), Failed(529, "overloaded", "too busy")], ids=lambda end: type(end).__name__
)
def test_a_stream_said_is_the_stream_understood(dialect: Dialect, name: str, end: StreamEvent) -> None:
    events = STREAMS[name]
    told, again = gist_of_stream(events), gist_of_stream(heard(dialect, [said(dialect, [*events, end])]))
    assert len(again["terminal"]) == 1
    assert (again["terminal"] == [Completed]) is isinstance(end, Completed)
    assert again["text"] == told["text"]
    assert again["calls"] == told["calls"]
    assert again["ended"] == told["ended"]
    if isinstance(end, Completed):
        assert (again["finish"], again["usage"], again["thought"]) == (told["finish"], told["usage"], told["thought"])


@two_way
@settings(max_examples=30)
@given(data=st.data())
def test_no_split_of_the_bytes_changes_what_is_heard(dialect: Dialect, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(STREAMS)))
    stream = said(dialect, [*STREAMS[name], Completed()])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    pieces = [stream[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert heard(dialect, pieces) == heard(dialect, [stream])


@two_way
def test_one_byte_at_a_time_is_heard_the_same(dialect: Dialect) -> None:
    stream = said(dialect, [*STREAMS["two tools"], Completed()])
    assert heard(dialect, [stream[i : i + 1] for i in range(len(stream))]) == heard(dialect, [stream])


@two_way
def test_a_stream_broken_anywhere_has_one_end_which_is_no_clean_one(dialect: Dialect) -> None:
    stream = said(dialect, [*STREAMS["one tool"], Completed()])
    frames = [each.raw for each in SseReader().feed(stream)]
    for count in range(len(frames)):
        events = heard(dialect, frames[:count])
        ends = [event for event in events if isinstance(event, TERMINALS)]
        assert len(ends) == 1
        assert events[-1] is ends[0]
        told_why = any(isinstance(event, Finished) for event in events)
        assert told_why or not isinstance(ends[0], Completed)
    assert isinstance(heard(dialect, [])[-1], Cut)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
WIRE_WORDS = ["id", "type", "choices", "delta", "index", "candidates", "content", "parts", "message", "usage", "error"]
objects = st.dictionaries(st.sampled_from(WIRE_WORDS), json_values, max_size=5)


@two_way
@settings(max_examples=60)
@given(
    frames=st.lists(
        st.binary(max_size=30).filter(lambda b: b"\n" not in b) | objects.map(lambda o: json.dumps(o).encode())
    )
)
def test_rubbish_from_a_provider_is_one_end_and_no_exception(dialect: Dialect, frames: list[bytes]) -> None:
    decoder = dialect.decoder()
    parsed = [each for data in frames for each in SseReader().feed(frame(data.replace(b"\r", b"")))]
    events = [event for each in parsed for event in decoder.frame(each)] + decoder.close()
    assert len([event for event in events if isinstance(event, TERMINALS)]) == 1
    assert isinstance(events[-1], TERMINALS)
    assert decoder.close() == []


@two_way
@settings(max_examples=60)
@given(
    body=st.binary(max_size=40)
    | json_values.map(lambda value: json.dumps(value).encode())
    | objects.map(lambda o: json.dumps(o).encode())
)
def test_rubbish_for_an_answer_is_a_value_error_or_a_fault(dialect: Dialect, body: bytes) -> None:
    for read in (dialect.read_reply, dialect.glance):
        with contextlib.suppress(ValueError, Fault):
            read(body)


@every
@settings(max_examples=60)
@given(body=st.dictionaries(st.text(max_size=8), json_values, max_size=4) | objects)
def test_any_json_object_is_understood_or_refused_by_name(dialect: Dialect, body: dict[str, object]) -> None:
    opened = open_body(json.dumps({"model": "m", "max_tokens": 5} | body).encode())
    try:
        dialect.read_request(opened, dialect.envelope(opened, PATH), OPAQUE)
    except BadRequest as refused:
        assert refused.field


@pytest.mark.parametrize("dialect", SPOKEN.values(), ids=SPOKEN)
def test_a_heartbeat_means_nothing(dialect: Dialect) -> None:
    beat = dialect.encoder(VOICE).heartbeat()
    assert beat
    if not dialect.one_way:
        decoder = dialect.decoder()
        events = [event for each in SseReader().feed(beat) for event in decoder.frame(each)]
        assert gist_of_stream(events) == gist_of_stream([])


@every
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_keeps_its_status_class_and_names_the_request(dialect: Dialect, error: Exception) -> None:
    status, body = dialect.write_error(error, "req_1")  # type: ignore[arg-type]
    assert status // 100 == error.status // 100  # type: ignore[attr-defined]
    assert isinstance(json.loads(body), dict)
    assert "req_1" in body.decode()


@two_way
def test_a_passing_body_keeps_every_field_it_does_not_know(dialect: Dialect) -> None:
    written = close_body(dialect.write_request(QUESTIONS["tools"], TARGET).body)
    tomorrow = b'"field_of_tomorrow": {"a": [1, 2.50, "x"]}'
    body = open_body(written[:-1] + b"," + tomorrow + b"}")
    before = dict(body)
    edited = dialect.edit_request(body, dialect.envelope(body, PATH), Edits("other", max_output=5))
    assert body == before
    assert b'{"a": [1, 2.50, "x"]}' in close_body(edited)
