"""Raw sockets on either side of the code under test."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager

import uvicorn

from tollway.kit.http1.asgi_front import as_asgi
from tollway.kit.http1.limits import Limits
from tollway.kit.http1.server import Server, serve
from tollway.kit.http1.wire import Handler, Refuse, Request, Screen, Sink, refuse_in_json

HEAD = b" HTTP/1.1\r\nHost: example\r\n"
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def echo(request: Request, sink: Sink) -> None:
    """Answers with what it understood."""
    body = b"|".join((request.method.encode(), request.path.encode(), request.query.encode(), request.body))
    sink.head(200, ((b"content-type", b"text/plain"),), len(body))
    sink.write(body)
    sink.end()


async def drip(request: Request, sink: Sink) -> None:
    """Answers in five pieces without a length."""
    sink.head(200, ())
    for piece in range(5):
        sink.write(b"piece %d;" % piece)
        await asyncio.sleep(0.002)
    sink.end()


@asynccontextmanager
async def own_front(
    handler: Handler, limits: Limits | None = None, refuse: Refuse = refuse_in_json, screen: Screen | None = None
) -> AsyncIterator[int]:
    """Our server; yields its port."""
    server = await serve(handler, limits=limits, refuse=refuse, screen=screen)
    try:
        yield server.port
    finally:
        await server.drain(0.05)


@asynccontextmanager
async def serving(handler: Handler, limits: Limits | None = None) -> AsyncIterator[Server]:
    """Our server itself."""
    server = await serve(handler, limits=limits)
    try:
        yield server
    finally:
        await server.drain(0.05)


@asynccontextmanager
async def asgi_front(
    handler: Handler, limits: Limits | None = None, refuse: Refuse = refuse_in_json, screen: Screen | None = None
) -> AsyncIterator[int]:
    """The same handler under uvicorn; yields its port."""
    app = as_asgi(handler, limits=limits, refuse=refuse, screen=screen)
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", lifespan="on", ws="none")
    config.timeout_graceful_shutdown = 1
    server = uvicorn.Server(config)
    task = asyncio.ensure_future(server.serve())
    while not server.started:
        await asyncio.sleep(0.005)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await task


async def say(port: int, pieces: Iterable[bytes], patience_s: float = 5.0) -> bytes:
    """Send pieces as separate writes; everything that comes back until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0)
        async with asyncio.timeout(patience_s):
            return await reader.read()
    finally:
        writer.close()


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, dict[bytes, bytes], bytes]:
    """One answer with a length or chunks, by a reader of its own."""
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head[:-4].split(b"\r\n")
    headers = {line.partition(b": ")[0].lower(): line.partition(b": ")[2] for line in lines}
    body = b""
    if b"content-length" in headers:
        body = await reader.readexactly(int(headers[b"content-length"]))
    elif b"transfer-encoding" in headers:
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
    return int(first.split()[1]), headers, body


@asynccontextmanager
async def scripted(talk: Talk) -> AsyncIterator[str]:
    """A raw server that does as told for each connection; yields its origin."""
    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """One request with its sized body; empty at the end of the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length: "):
            return head + await reader.readexactly(int(line[16:]))
    return head


def answering(*pieces: bytes, then_close: bool = True) -> Talk:
    """A talk that answers its first request with these bytes, piece by piece."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await read_request(reader):
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(0)
        if not then_close:
            await reader.read()
        writer.close()

    return talk


async def until(fact: Callable[[], bool], patience_s: float = 5.0) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(patience_s):
        while not fact():
            await asyncio.sleep(0.005)
