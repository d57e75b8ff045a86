"""A client that repeats its head is understood from memory, and exactly as if it were read anew."""

import asyncio

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.kit.http1.test_fuzz import Deaf, mutated
from tests.kit.http1.wiretools import HEAD
from tollway.kit.http1.connection import Connection, Front
from tollway.kit.http1.familiar import Memory
from tollway.kit.http1.limits import Limits
from tollway.kit.http1.wire import Request, Sink, refuse_in_json

SEED = b"POST /b?c=d" + HEAD + b"X-Key: k\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello"
LIMITS = Limits(max_body=1000)


async def heard(reads: list[bytes]) -> tuple[list[tuple[object, ...]], int, bool]:
    """What the handler gets of these reads, one by one, how much is answered, and whether the connection ends."""
    served: list[tuple[object, ...]] = []

    async def handler(request: Request, sink: Sink) -> None:
        served.append((request.method, request.path, request.query, dict(request.headers), request.body))
        sink.head(200, (), 2)
        sink.end(b"ok")

    connection, transport = Connection(Front(handler, LIMITS, refuse_in_json, None)), Deaf()
    connection.connection_made(transport)
    for read in reads:
        connection.data_received(read)
        for _ in range(8):
            await asyncio.sleep(0)
    over = transport.is_closed
    connection.connection_lost(None)
    await asyncio.sleep(0)
    return served, transport.written, over


@settings(max_examples=500, deadline=None)
@given(mutated([SEED]) | st.binary(max_size=40))
@example(SEED.replace(b"Content-Length: 5", b"Content-Length: 4").replace(b"hello", b"hell"))
@example(SEED.replace(b"Content-Length: 5", b"Content-Length: +5"))
@example(SEED.replace(b"Content-Length: 5", b"Content-Length: 5_0"))
@example(SEED.replace(b"Content-Length: 5", b"Content-Length: 1001").replace(b"hello", b"x" * 1001))
@example(SEED.replace(b"Content-Length: 5", b"Content-Length: 000000000000000005"))
@example(SEED + SEED)
@example(SEED[:-1])
def test_a_read_means_the_same_to_a_connection_that_knows_the_head_as_to_a_new_one(read: bytes) -> None:
    async def go() -> None:
        first, answered, _ = await heard([SEED])
        knowing, new = await heard([SEED, SEED, SEED, read]), await heard([read])
        assert knowing[0][:3] == first * 3
        assert (knowing[0][3:], knowing[1] - 3 * answered, knowing[2]) == new

    asyncio.run(go())


async def test_the_third_request_with_the_same_head_is_not_parsed() -> None:
    front = Front(lambda request, sink: asyncio.sleep(0), LIMITS, refuse_in_json, None)
    connection = Connection(front)
    connection.connection_made(Deaf())
    reader = connection._reader
    for body in (b"hello", b"hello", b"longer than before"):
        read = SEED.replace(b": 5", b": %d" % len(body)).replace(b"hello", body)
        asked = reader.again(read)
        if asked is None:
            reader.feed(read)
            asked = reader.ready.pop(0)
        assert asked.request.body == body
        assert asked.request.headers[b"content-length"] == b"%d" % len(body)
    assert reader.again(SEED) is not None
    assert len(front.familiar) == 1


def test_a_head_that_is_new_every_time_is_soon_left_alone() -> None:
    shared: dict[tuple[bytes, bytes], object] = {}
    memory = Memory(shared)  # type: ignore[arg-type]
    for n in range(100):
        length = b"%d" % n
        memory.learn(
            b"POST / HTTP/1.1\r\nx: %d\r\ncontent-length: 0\r\n\r\n" % n,
            "POST",
            "/",
            "",
            {b"content-length": b"0", b"x": length},
        )
    assert len(shared) < 10


def test_heads_that_bear_on_how_bytes_are_read_are_not_remembered() -> None:
    for more in ({b"expect": b"100-continue"}, {b"upgrade": b"h2c"}, {b"transfer-encoding": b"chunked"}):
        shared: dict[tuple[bytes, bytes], object] = {}
        Memory(shared).learn(  # type: ignore[arg-type]
            b"POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\nok", "POST", "/", "", {b"content-length": b"2", **more}
        )
        assert not shared
