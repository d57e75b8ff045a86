"""Random and mutated bytes on both sides: nothing escapes, nothing hangs, and the split never matters."""

import asyncio
from collections.abc import Iterable, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.http1.wiretools import HEAD
from tollway.kit.http1.connection import Connection, Front
from tollway.kit.http1.limits import Limits
from tollway.kit.http1.pool import Pool
from tollway.kit.http1.upstream import Wire
from tollway.kit.http1.wire import Outbound, Request, Sink, UpstreamError, refuse_in_json

REQUESTS = [
    b"GET /a?b=c" + HEAD + b"\r\n",
    b"POST /b" + HEAD + b"Content-Length: 5\r\n\r\nhello",
    b"POST /c" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\n",
    b"POST /d" + HEAD + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc",
    b"POST /e" + HEAD + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\nok",
    b"HEAD http://x/f HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
]
ANSWERS = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\nX: y\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\n\r\nto the end",
    b"HTTP/1.1 204 No Content\r\n\r\n",
]
SHARDS = [
    b"\r\n",
    b"\n",
    b"\r",
    b" ",
    b":",
    b"0",
    b"\x00",
    b"\xff",
    b"Content-Length: 1\r\n",
    b"Transfer-Encoding: chunked\r\n",
]


@st.composite
def mutated(draw: st.DrawFn, seeds: Sequence[bytes]) -> bytes:
    """A few well-formed messages, then cuts, doublings and shards in them."""
    data = b"".join(draw(st.lists(st.sampled_from(seeds), min_size=1, max_size=3)))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 8)))
        shard = draw(st.sampled_from([*SHARDS, data[start:end] * 2]) | st.binary(max_size=3))
        data = data[:start] + shard + data[end:]
    return data


@st.composite
def cut(draw: st.DrawFn, data: st.SearchStrategy[bytes]) -> list[bytes]:
    """Bytes in pieces."""
    whole = draw(data)
    places = sorted(draw(st.sets(st.integers(1, max(1, len(whole) - 1)), max_size=6)))
    return [whole[a:b] for a, b in zip([0, *places], [*places, len(whole)], strict=True) if a < b]


class Deaf(asyncio.Transport):
    """A transport that remembers only whether it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.written = 0
        self.is_closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += len(data)

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.written += sum(len(piece) for piece in list_of_data)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = True


async def serve_bytes(pieces: Iterable[bytes]) -> list[tuple[str, str, bytes]]:
    """What the front hands to its handler; the connection must end when time passes."""
    served: list[tuple[str, str, bytes]] = []

    async def handler(request: Request, sink: Sink) -> None:
        served.append((request.method, request.path, request.body))
        await asyncio.sleep(0)
        sink.head(200, (), 2)
        sink.write(b"ok")
        sink.end()

    front = Front(handler, Limits(max_body=1000), refuse_in_json, None)
    connection, transport = Connection(front), Deaf()
    connection.connection_made(transport)
    for piece in pieces:
        connection.data_received(piece)
    for _ in range(40):
        await asyncio.sleep(0)
    assert not front.running
    for now in (1.0, 100.0, 200.0, 300.0):
        connection.sweep(now)
    assert transport.is_closed
    connection.connection_lost(None)
    assert not front.connections
    return served


async def answer_bytes(pieces: Iterable[bytes]) -> bytes | None:
    """The body the client makes of an answer, None for an UpstreamError. It must not wait after the end."""
    pool = Pool("http://example", 1, 1)
    wire, transport = Wire(pool), Deaf()
    wire.connection_made(transport)
    asking = asyncio.ensure_future(wire.ask(Outbound("http://example", b"/", (), b""), b""))
    await asyncio.sleep(0)
    for piece in pieces:
        wire.data_received(piece)
    wire.eof_received()
    wire.connection_lost(None)
    try:
        async with asyncio.timeout(1):
            return await (await asking).read()
    except UpstreamError:
        return None


@settings(max_examples=400, deadline=None)
@given(cut(mutated(REQUESTS) | st.binary(max_size=60)))
def test_the_front_survives_any_bytes_and_reads_them_the_same_in_any_pieces(pieces: list[bytes]) -> None:
    async def go() -> None:
        assert await serve_bytes(pieces) == await serve_bytes([b"".join(pieces)])

    asyncio.run(go())


@settings(max_examples=400, deadline=None)
@given(cut(mutated(ANSWERS) | st.binary(max_size=60)))
def test_the_client_survives_any_bytes_and_reads_them_the_same_in_any_pieces(pieces: list[bytes]) -> None:
    async def go() -> None:
        assert await answer_bytes(pieces) == await answer_bytes([b"".join(pieces)])

    asyncio.run(go())
