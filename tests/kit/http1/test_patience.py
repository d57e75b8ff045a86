"""How long our front waits for a client, and how it goes away."""

import asyncio
import gc
import tracemalloc
from contextlib import suppress
from typing import cast

from tests.kit.http1.conftest import Run
from tests.kit.http1.wiretools import HEAD, echo, own_front, read_answer, say, serving, until
from tollway.kit.http1.limits import Limits
from tollway.kit.http1.wire import Request, Sink

HASTY = Limits(header_timeout_s=0.3, body_timeout_s=0.3, idle_timeout_s=0.3, write_timeout_s=0.3, linger_s=0.1)


def test_a_slow_head_is_refused(run: Run) -> None:
    async def go() -> None:
        async with own_front(echo, HASTY) as port:
            for start in (b"G", b"GET / HT", b"GET /" + HEAD + b"X: y"):
                assert (await say(port, [start])).startswith(b"HTTP/1.1 408 ")

    run(go())


def test_a_head_that_drips_is_refused_all_the_same(run: Run) -> None:
    async def go() -> None:
        async with own_front(echo, HASTY) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            answer = asyncio.ensure_future(reader.read())
            for byte in b"GET /" + HEAD + b"X: " + b"y" * 100:
                writer.write(bytes([byte]))
                await asyncio.sleep(0.02)
                if answer.done():
                    break
            assert answer.result().startswith(b"HTTP/1.1 408 ")
            writer.close()

    run(go())


def test_a_body_that_stops_is_refused_and_one_that_drips_is_not(run: Run) -> None:
    async def go() -> None:
        head = b"POST /" + HEAD + b"Connection: close\r\nContent-Length: 10\r\n\r\n"
        async with own_front(echo, HASTY) as port:
            assert (await say(port, [head, b"12345"])).startswith(b"HTTP/1.1 408 ")
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head)
            for _ in range(10):
                await asyncio.sleep(0.1)
                writer.write(b"x")
            assert (await reader.read()).endswith(b"POST|/||xxxxxxxxxx")
            writer.close()

    run(go())


def test_a_silent_connection_is_closed_without_a_word(run: Run) -> None:
    async def go() -> None:
        async with own_front(echo, HASTY) as port:
            assert await say(port, []) == b""
            answer = await say(port, [b"GET /" + HEAD + b"\r\n"])
            assert answer.endswith(b"GET|/||")

    run(go())


def test_a_client_that_takes_nothing_is_cut(run: Run) -> None:
    async def go() -> None:
        cancelled = asyncio.Event()

        async def endless(request: Request, sink: Sink) -> None:
            room = asyncio.Event()
            room.set()
            sink.on_full(room.clear, room.set)
            sink.head(200, ())
            try:
                while True:
                    await room.wait()
                    sink.write(b"x" * 65536)
                    await asyncio.sleep(0)
            except asyncio.CancelledError:
                cancelled.set()
                raise

        async with serving(endless, HASTY) as server:
            _, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
            writer.write(b"GET /" + HEAD + b"\r\n")
            await cancelled.wait()
            await until(lambda: server.open_connections == 0)
            writer.close()

    run(go())


def test_a_whole_answer_nobody_takes_does_not_hold_its_connection(run: Run) -> None:
    async def go() -> None:
        async def large(request: Request, sink: Sink) -> None:
            sink.head(200, (), 20_000_000)
            sink.write(b"x" * 20_000_000)
            sink.end()

        async with serving(large, HASTY) as server:
            _, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
            writer.write(b"GET /" + HEAD + b"Connection: close\r\n\r\n")
            await until(lambda: server.open_connections == 1)
            await until(lambda: server.open_connections == 0)
            writer.close()

    run(go())


def test_a_drain_closes_the_idle_finishes_the_busy_and_cancels_the_late(run: Run) -> None:
    async def go() -> None:
        late: list[str] = []

        async def handler(request: Request, sink: Sink) -> None:
            try:
                await asyncio.sleep(0.1 if request.path == "/busy" else 10)
            except asyncio.CancelledError:
                late.append(request.path)
                raise
            await echo(request, sink)

        async with serving(handler) as server:
            idle, _ = await asyncio.open_connection("127.0.0.1", server.port)
            busy, busy_writer = await asyncio.open_connection("127.0.0.1", server.port)
            busy_writer.write(b"GET /busy" + HEAD + b"\r\n")
            slow, slow_writer = await asyncio.open_connection("127.0.0.1", server.port)
            slow_writer.write(b"GET /slow" + HEAD + b"\r\n")
            await until(lambda: server.running_requests == 2)
            draining = asyncio.ensure_future(server.drain(0.4))
            assert await idle.read() == b""
            assert not draining.done()
            _, headers, body = await read_answer(busy)
            assert (headers[b"connection"], body) == (b"close", b"GET|/busy||")
            with suppress(ConnectionResetError):
                assert await slow.read() == b""
            await draining
            assert late == ["/slow"]
            assert (server.open_connections, server.running_requests) == (0, 0)
            busy_writer.close()
            slow_writer.close()

    run(go())


def test_what_a_handler_does_after_its_answer_is_not_cancelled_by_the_client_leaving(run: Run) -> None:
    async def go() -> None:
        settled = asyncio.Event()

        async def handler(request: Request, sink: Sink) -> None:
            await echo(request, sink)
            await asyncio.sleep(0.1)
            settled.set()

        async with own_front(handler) as port:
            await say(port, [b"GET /" + HEAD + b"Connection: close\r\n\r\n"])
            await settled.wait()

    run(go())


def test_a_thousand_slow_readers_stay_within_bounds(run: Run) -> None:
    readers = 1000

    async def go() -> None:
        async def flood(request: Request, sink: Sink) -> None:
            room = asyncio.Event()
            room.set()
            sink.on_full(room.clear, room.set)
            sink.head(200, ())
            while True:
                await room.wait()
                sink.write(b"x" * 16_384)
                await asyncio.sleep(0)

        async with serving(flood, Limits(write_high_water=16_384)) as server:
            tracemalloc.start()
            socks = [await connect_slowly(server.port) for _ in range(readers)]
            for sock in socks:
                sock.write(b"GET /" + HEAD + b"\r\n")
            await until(lambda: server.running_requests == readers)
            await asyncio.sleep(1)
            held, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert held / readers < 200_000
            for sock in socks:
                sock.abort()
            await until(lambda: server.running_requests == 0)
        gc.collect()

    run(go())


class Mute(asyncio.Protocol):
    """Takes nothing."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).pause_reading()


async def connect_slowly(port: int) -> asyncio.Transport:
    """A connection whose client reads nothing."""
    transport, _ = await asyncio.get_running_loop().create_connection(Mute, "127.0.0.1", port)
    return cast(asyncio.Transport, transport)
