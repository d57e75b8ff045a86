"""Frames out of bytes cut anywhere."""

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.kit.sse import SseError, SseReader, comment, frame

STREAM = (
    b'data: {"a":1}\n\n' + comment(b"ping") + frame(b'{"b":2}', b"named") + b"data: one\ndata: two\n\n"
    + b"event: crlf\r\ndata: x\r\n\r\n" + b"data: cr\rdata: y\r\r" + b"id: 7\nretry: 10\ndata:tight\n\n" + b"data: last"
)  # fmt: skip


def told(pieces: list[bytes]) -> list[tuple[bytes, bytes]]:
    reader = SseReader()
    frames = [each for piece in pieces for each in reader.feed(piece)]
    return [(each.event, each.data) for each in (*frames, *reader.close())]


WHOLE = told([STREAM])


def test_a_stream_is_cut_into_its_frames() -> None:
    assert WHOLE == [
        (b"", b'{"a":1}'),
        (b"", b""),
        (b"named", b'{"b":2}'),
        (b"", b"one\ntwo"),
        (b"crlf", b"x"),
        (b"", b"cr\ny"),
        (b"", b"tight"),
        (b"", b"last"),
    ]


@pytest.mark.parametrize("at", range(1, len(STREAM)))
def test_every_split_in_two_tells_the_same(at: int) -> None:
    assert told([STREAM[:at], STREAM[at:]]) == WHOLE


def test_byte_by_byte_tells_the_same() -> None:
    assert told([STREAM[at : at + 1] for at in range(len(STREAM))]) == WHOLE


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_any_split_tells_the_same(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    assert told([STREAM[a:b] for a, b in itertools.pairwise(edges)]) == WHOLE


def test_one_huge_frame_in_many_reads_is_joined_once() -> None:
    reader, piece = SseReader(), b"x" * 16384
    began = time.thread_time()
    assert reader.feed(b"data: ") == []
    for _ in range(1024):
        assert reader.feed(piece) == []
    (whole,) = reader.feed(b"\n\n")
    assert len(whole.data) == 16 * 1024 * 1024
    assert time.thread_time() - began < 2.0  # copying the whole at every read took half a minute


def test_a_frame_over_the_limit_is_refused() -> None:
    reader = SseReader(limit=100)
    reader.feed(b"data: " + b"x" * 60)
    with pytest.raises(SseError):
        reader.feed(b"x" * 60)
