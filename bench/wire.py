"""CPU per request and per streamed chunk of both sides of the wire: without sockets, then over loopback.

Run: `python -m bench.wire`. Figures are process CPU, the best of some turns; compare them only on one machine.
"""

import asyncio
import sys
import time
from collections.abc import Iterable

import uvloop

from tollway.kit.http1.client import Client
from tollway.kit.http1.connection import Connection, Front
from tollway.kit.http1.limits import Limits
from tollway.kit.http1.pool import Pool
from tollway.kit.http1.server import serve
from tollway.kit.http1.upstream import Wire
from tollway.kit.http1.wire import Outbound, Request, Sink, refuse_in_json

HEADERS = b"".join(b"x-header-%d: some value of usual length\r\n" % n for n in range(9))
ASKED = (
    b"POST /v1/chat/completions HTTP/1.1\r\nhost: example\r\ncontent-length: 860\r\n" + HEADERS + b"\r\n" + b"x" * 860
)
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1200\r\n\r\n" + b"y" * 1200
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
CHUNK = b"10e\r\n" + b"z" * 270 + b"\r\n"
BODY = b"y" * 1200
ROUNDS = 20_000
TURNS = 4


class Nowhere(asyncio.Transport):
    """A transport that costs nothing."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        pass

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        pass

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None:
        pass


async def answer(request: Request, sink: Sink) -> None:
    """1.2 KB, sized."""
    sink.head(200, ((b"content-type", b"application/json"),), len(BODY))
    sink.write(BODY)
    sink.end()


def report(what: str, took_s: float, rounds: int) -> None:
    """One line of the table."""
    print(f"{what:<64}{took_s / rounds * 1e6:8.2f} us")


async def server_alone() -> None:
    """One request through the server, on connections that repeat their head as a client's do."""
    front = Front(answer, Limits(), refuse_in_json, None)
    connections = [Connection(front) for _ in range(50)]
    for connection in connections:
        connection.connection_made(Nowhere())
    taken = []
    for _ in range(TURNS):
        started = time.process_time()
        for _ in range(ROUNDS // len(connections)):
            for connection in connections:
                connection.data_received(ASKED)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        taken.append(time.process_time() - started)
    report("server, one request, no socket", min(taken), ROUNDS)
    for connection in connections:
        connection.connection_lost(None)
    await asyncio.sleep(0)


async def client_alone() -> None:
    """One request through a kept connection, and one chunk through a pump."""
    pool = Pool("http://example", 10, 10)
    wire = Wire(pool)
    wire.connection_made(Nowhere())
    headers = ((b"authorization", b"Bearer key"), (b"content-type", b"application/json"))
    outbound = Outbound("http://example", b"/v1/chat/completions", headers, b"x" * 860)
    head, taken = pool.learn(outbound), []
    for _ in range(TURNS):
        started = time.process_time()
        for _ in range(ROUNDS):
            pool.take()
            pool.loop.call_soon(wire.data_received, ANSWER)
            await (await wire.ask(outbound, head)).read()
        taken.append(time.process_time() - started)
    report("client, one request, no socket (one loop turn included)", min(taken), ROUNDS)
    pool.take()
    pool.loop.call_soon(wire.data_received, STREAM)
    inbound = await wire.ask(outbound, head)
    pumping = asyncio.ensure_future(inbound.pump(lambda data: None))
    await asyncio.sleep(0)
    started = time.process_time()
    for _ in range(ROUNDS):
        wire.data_received(CHUNK)
    report("client, one chunk of a stream, no socket", time.process_time() - started, ROUNDS)
    pumping.cancel()


async def over_loopback() -> None:
    """Server and client in one process, 32 requests in flight; then streams relayed piece by piece."""
    server = await serve(answer)
    client = Client()
    outbound = Outbound(f"http://127.0.0.1:{server.port}", b"/v1", ((b"x-key", b"k"),), b"x" * 860)

    async def ask(times: int) -> None:
        for _ in range(times):
            await (await client.send(outbound)).read()

    await asyncio.gather(*(ask(20) for _ in range(32)))
    started = time.process_time()
    await asyncio.gather(*(ask(ROUNDS // 32) for _ in range(32)))
    report("server + client over loopback, one request, kernel included", time.process_time() - started, ROUNDS)
    await client.close()
    await server.drain(1)


async def main() -> None:
    """The table."""
    print(sys.version.split()[0], type(asyncio.get_running_loop()).__module__)
    await server_alone()
    await client_alone()
    await over_loopback()


if __name__ == "__main__":
    uvloop.run(main())
    asyncio.run(main())
