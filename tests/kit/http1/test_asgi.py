"""An ASGI app behind our front."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI
from fastapi import Request as AppRequest
from fastapi.responses import Response, StreamingResponse

from tests.kit.http1.conftest import Run
from tests.kit.http1.wiretools import HEAD, own_front, read_answer, say, serving, until
from tollway.kit.http1.asgi import App, Lifespan, Message, Receive, Send, asgi_handler

CLOSE = b"Connection: close\r\n\r\n"


class Log(list[str]):
    """What happened, in order."""


def control_plane(log: Log) -> FastAPI:
    """A small app of every kind of route."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, str]]:
        log.append("up")
        yield {"greeting": "hello"}
        log.append("down")

    app = FastAPI(lifespan=lifespan)

    @app.post("/things/{name}")
    async def things(name: str, request: AppRequest, q: str = "") -> dict[str, str]:
        return {"name": name, "q": q, "body": (await request.body()).decode(), "greeting": request.state.greeting}

    @app.get("/empty")
    async def empty() -> Response:
        return Response(status_code=204, headers={"x-one": "1"})

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            for n in range(3):
                yield b"piece %d;" % n
                await asyncio.sleep(0)

        return StreamingResponse(pieces(), media_type="text/plain")

    @app.get("/endless")
    async def endless() -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            while True:
                log.append("piece")
                yield b"x" * 100_000
                await asyncio.sleep(0)

        return StreamingResponse(pieces())

    @app.get("/broken")
    async def broken() -> None:
        raise LookupError("a secret")

    return app


def test_a_fastapi_app_answers_behind_our_front(run: Run) -> None:
    log = Log()

    async def go() -> None:
        app = control_plane(log)
        async with Lifespan(app) as state, own_front(asgi_handler(app, state)) as port:
            ask = b"POST /things/a%20b?q=x%26y" + HEAD + b"Content-Length: 4\r\n" + CLOSE + b"body"
            assert (await say(port, [ask])).endswith(b'{"name":"a b","q":"x&y","body":"body","greeting":"hello"}')
            empty = await say(port, [b"GET /empty" + HEAD + CLOSE])
            assert empty.startswith(b"HTTP/1.1 204 ")
            assert b"x-one: 1\r\n" in empty
            head = await say(port, [b"HEAD /nowhere" + HEAD + CLOSE])
            assert head.startswith(b"HTTP/1.1 404 ")
            assert head.endswith(b"\r\n\r\n")
            broken = await say(port, [b"GET /broken" + HEAD + CLOSE])
            assert broken.startswith(b"HTTP/1.1 500 ")
            assert b"secret" not in broken
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for _ in range(2):
                writer.write(b"GET /stream" + HEAD + b"\r\n")
                assert (await read_answer(reader))[2] == b"piece 0;piece 1;piece 2;"
            writer.close()
        assert log == ["up", "down"]

    run(go())


def test_a_slow_client_holds_the_app_back_and_one_that_leaves_ends_it(run: Run) -> None:
    log = Log()

    async def go() -> None:
        app = control_plane(log)
        async with serving(asgi_handler(app)) as server:
            _, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
            writer.write(b"GET /endless" + HEAD + b"\r\n")
            await until(lambda: bool(log))
            await asyncio.sleep(0.3)
            written = len(log)
            assert written < 200
            await asyncio.sleep(0.1)
            assert len(log) == written
            writer.transport.abort()
            await until(lambda: server.running_requests == 0)

    run(go())


def test_an_app_hears_of_the_end_only_after_its_answer(run: Run) -> None:
    heard: list[str] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        heard.append((await receive())["type"])
        waiting = asyncio.ensure_future(ask_on(receive))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"Content-Length", b"2")]})
        await send({"type": "http.response.body", "body": b"o", "more_body": True})
        await send({"type": "http.response.body", "body": b"k"})
        heard.append(await waiting)

    async def ask_on(receive: Receive) -> str:
        return str((await receive())["type"])

    async def go() -> None:
        async with own_front(asgi_handler(app)) as port:
            answer = await say(port, [b"GET /" + HEAD + CLOSE])
            assert b"content-length: 2\r\n" in answer
            assert answer.endswith(b"\r\n\r\nok")
            await until(lambda: heard == ["http.request", "http.disconnect"])

    run(go())


async def no_lifespan(scope: Message, receive: Receive, send: Send) -> None:
    """An app that knows only requests."""
    assert scope["type"] == "http"


async def failing(scope: Message, receive: Receive, send: Send) -> None:
    """An app that cannot start."""
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})


@pytest.mark.parametrize(("app", "error"), [(no_lifespan, None), (failing, "no database")])
def test_a_start_that_fails_says_so_and_an_app_without_one_just_runs(run: Run, app: App, error: str | None) -> None:
    async def go() -> None:
        if error is None:
            async with Lifespan(app) as state:
                assert state == {}
            return
        with pytest.raises(RuntimeError, match=error):
            await Lifespan(app).startup()

    run(go())
