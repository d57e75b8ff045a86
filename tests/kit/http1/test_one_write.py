"""How many writes an answer costs, seen by a transport that only remembers."""

import asyncio
from collections.abc import Iterable

from tests.kit.http1.wiretools import HEAD
from tollway.kit.http1.connection import Connection, Front
from tollway.kit.http1.limits import Limits
from tollway.kit.http1.wire import Handler, Request, Sink, refuse_in_json

ASKED = b"GET /" + HEAD + b"\r\n"


class Remembering(asyncio.Transport):
    """Keeps what is written, piece by piece."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.writes.append(b"".join(list_of_data))

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0


async def writes_of(handler: Handler) -> list[bytes]:
    """The writes of one answer."""
    connection = Connection(Front(handler, Limits(), refuse_in_json, None))
    transport = Remembering()
    connection.connection_made(transport)
    connection.data_received(ASKED)
    await asyncio.sleep(0.02)
    return transport.writes


async def test_a_sized_answer_is_one_write() -> None:
    async def sized(request: Request, sink: Sink) -> None:
        sink.head(200, (), 5)
        sink.write(b"hello")
        sink.end()

    [write] = await writes_of(sized)
    assert write.endswith(b"\r\n\r\nhello")


async def test_a_long_answer_is_not_copied_behind_its_head() -> None:
    async def long(request: Request, sink: Sink) -> None:
        sink.head(200, (), 1_000_000)
        sink.write(b"x" * 1_000_000)
        sink.end()

    head, body = await writes_of(long)
    assert head.endswith(b"\r\n\r\n")
    assert body == b"x" * 1_000_000


async def test_a_streams_head_leaves_with_its_first_piece_and_every_piece_at_once() -> None:
    async def streamed(request: Request, sink: Sink) -> None:
        sink.head(200, ())
        for piece in (b"one", b"two"):
            sink.write(piece)
            await asyncio.sleep(0)
        sink.end()

    first, second, last = await writes_of(streamed)
    assert first.endswith(b"\r\n\r\n3\r\none\r\n")
    assert (second, last) == (b"3\r\ntwo\r\n", b"0\r\n\r\n")


async def test_a_head_without_a_body_yet_leaves_at_the_end_of_the_tick() -> None:
    async def hesitant(request: Request, sink: Sink) -> None:
        sink.head(200, ())
        await asyncio.sleep(0.01)
        sink.write(b"late")
        sink.end()

    first, second, _ = await writes_of(hesitant)
    assert first.endswith(b"\r\n\r\n")
    assert second == b"4\r\nlate\r\n"


async def test_a_whole_answer_is_one_write_and_a_long_one_is_not_copied() -> None:
    async def short(request: Request, sink: Sink) -> None:
        sink.whole(200, ((b"x-note", b"n"),), b"hello")

    async def long(request: Request, sink: Sink) -> None:
        sink.whole(200, (), b"x" * 1_000_000)

    [write] = await writes_of(short)
    assert b"\r\nx-note: n\r\n" in write
    assert write.endswith(b"content-length: 5\r\n\r\nhello")
    head, body = await writes_of(long)
    assert head.endswith(b"content-length: 1000000\r\n\r\n")
    assert len(body) == 1_000_000


async def test_a_whole_answer_to_head_has_no_body() -> None:
    async def short(request: Request, sink: Sink) -> None:
        sink.whole(200, (), b"hello")

    connection = Connection(Front(short, Limits(), refuse_in_json, None))
    transport = Remembering()
    connection.connection_made(transport)
    connection.data_received(b"HEAD /" + HEAD + b"\r\n")
    await asyncio.sleep(0.02)
    [write] = transport.writes
    assert write.endswith(b"content-length: 5\r\n\r\n")
