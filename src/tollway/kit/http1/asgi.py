"""Runs an ASGI app behind our front."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from types import TracebackType
from typing import Any
from urllib.parse import unquote

from tollway.kit.http1.wire import Handler, Request, Sink

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Receive, Send], Awaitable[None]]
"""An ASGI 3 application."""

OURS = frozenset((b"content-length", b"transfer-encoding", b"connection", b"date", b"server"))
"""Response headers our front writes itself."""


def asgi_handler(app: App, state: dict[str, Any] | None = None) -> Handler:
    """A Handler that runs `app`. When the client goes away the app's call is cancelled.

    `state` is the lifespan's, shared with every request.
    """

    async def handle(request: Request, sink: Sink) -> None:
        call = Call(request, sink)
        await app(scope_of(request, state), call.receive, call.send)

    return handle


def scope_of(request: Request, state: dict[str, Any] | None) -> dict[str, Any]:
    """The ASGI scope of a request."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": unquote(request.path),
        "raw_path": request.path.encode("ascii"),
        "query_string": request.query.encode("ascii"),
        "root_path": "",
        "headers": list(request.headers.items()),
        "client": (request.peer, 0) if request.peer else None,
        "server": None,
        "state": dict(state or {}),
    }


class Call:
    """One run of the app: its `receive` and `send`."""

    def __init__(self, request: Request, sink: Sink) -> None:
        self._sink = sink
        self._body: bytes | None = request.body
        self._start: Message | None = None
        self._over = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    @property
    def is_over(self) -> bool:
        """Whether the answer was sent whole."""
        return self._over.is_set()

    async def receive(self) -> Message:
        """The body, whole and once; then the end of the exchange."""
        body = self._body
        if body is not None:
            self._body = None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._over.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Pass the app's answer on; waits while the client lags behind."""
        kind = message["type"]
        if kind == "http.response.start":
            if self._start is not None:
                raise RuntimeError("the app started its answer twice")
            self._start = message
            return
        if kind != "http.response.body" or self._start is None or self.is_over:
            raise RuntimeError(f"unexpected ASGI message {kind}")
        body = bytes(message.get("body", b""))
        is_more = bool(message.get("more_body", False))
        if not self._sink.started:
            self._send_head(self._start, None if is_more else len(body))
        self._sink.write(body)
        if is_more:
            await self._room.wait()
        else:
            self._sink.end()
            self._over.set()

    def _send_head(self, start: Message, whole: int | None) -> None:
        """Sized when the app said so or the body is here whole."""
        lines = [(bytes(name).lower(), bytes(value)) for name, value in start.get("headers", ())]
        said = next((int(value) for name, value in lines if name == b"content-length"), None)
        self._sink.head(
            start["status"], [line for line in lines if line[0] not in OURS], said if said is not None else whole
        )
        self._sink.on_full(self._room.clear, self._room.set)


class Lifespan:
    """Starts and stops an ASGI app: `async with Lifespan(app) as state`."""

    def __init__(self, app: App) -> None:
        self._app = app
        self.state: dict[str, Any] = {}
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._outbox: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def startup(self) -> dict[str, Any]:
        """Run the start of the app and return its state, empty without a lifespan. Raises RuntimeError on failure."""
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        self._task = asyncio.ensure_future(self._run(scope))
        await self._say("lifespan.startup")
        return self.state

    async def shutdown(self) -> None:
        """Run the app's stop. Raises RuntimeError when it failed."""
        if self._task is not None and not self._task.done():
            await self._say("lifespan.shutdown")

    async def _run(self, scope: dict[str, Any]) -> None:
        await self._app(scope, self._inbox.get, self._outbox.put)

    async def _say(self, what: str) -> None:
        """Tell the app and wait for its word, or for its end: an app that ends without a word has no lifespan."""
        task = self._task
        if task is None:
            return
        await self._inbox.put({"type": what})
        word = asyncio.ensure_future(self._outbox.get())
        await asyncio.wait((task, word), return_when=asyncio.FIRST_COMPLETED)
        if not word.done():
            word.cancel()
            if not task.cancelled():
                task.exception()
            return
        message = word.result()
        if message["type"] == f"{what}.failed":
            raise RuntimeError(f"{what} failed: {message.get('message', '')}")

    async def __aenter__(self) -> dict[str, Any]:
        return await self.startup()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.shutdown()
