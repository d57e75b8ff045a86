"""Runs our handler under any ASGI server."""

import asyncio
import logging
import traceback
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, cast

from tollway.kit.http1.asgi import App, Message, Receive, Send
from tollway.kit.http1.limits import Limits
from tollway.kit.http1.stopping import stop_all
from tollway.kit.http1.wire import Answer, Handler, Headers, Refuse, Request, Screen, refuse_in_json

log = logging.getLogger(__name__)


def as_asgi(
    handler: Handler, *, limits: Limits | None = None, refuse: Refuse = refuse_in_json, screen: Screen | None = None
) -> App:
    """An ASGI 3 app that runs `handler`. Of the limits, `max_body` and `write_high_water` are kept here."""
    return AsgiFront(handler, limits or Limits(), refuse, screen)


class AsgiFront:
    """The ASGI app of one handler."""

    def __init__(self, handler: Handler, limits: Limits, refuse: Refuse, screen: Screen | None) -> None:
        self._handler = handler
        self._limits = limits
        self._refuse = refuse
        self._screen = screen
        self._running: set[asyncio.Future[None]] = set()
        """Handlers at work, also those whose connection was cut."""

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """The ASGI callable."""
        if scope["type"] == "lifespan":
            await answer_lifespan(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        else:
            await self._serve(request_of(scope), receive, send)

    async def _serve(self, request: Request, receive: Receive, send: Send) -> None:
        answer = self._screen(request) if self._screen is not None else None
        if answer is not None:
            has_body = b"content-length" in request.headers or b"transfer-encoding" in request.headers
            linger_s = self._limits.linger_s if has_body and b"expect" not in request.headers else 0.0
            await send_refusal(send, receive, answer, linger_s)
            return
        try:
            body = await self._read(request, receive)
        except ValueError as error:
            headers, text = self._refuse(413, "body_too_large", str(error), request.path)
            await send_refusal(send, receive, (413, headers, text), self._limits.linger_s)
            return
        if body is None:
            return
        request = Request(request.method, request.path, request.query, request.headers, body, request.peer)
        sink = AsgiSink(request.method == "HEAD", self._limits.write_high_water)
        work = asyncio.ensure_future(cast("Coroutine[Any, Any, None]", self._handler(request, sink)))
        self._running.add(work)
        work.add_done_callback(lambda task: self._finish(task, sink, request.path))
        leaving = asyncio.ensure_future(until_gone(receive, sink, work))
        is_over = False
        try:
            await sink.drain(send)
            is_over = True
            if not sink.is_aborted:
                await asyncio.wait((work,))
        finally:
            leaving.cancel()
            if not is_over:
                work.cancel()

    async def cut(self) -> None:
        """Cancel every handler still at work, and wait until each has put its things in order."""
        await stop_all(self._running, None)

    async def _read(self, request: Request, receive: Receive) -> bytes | None:
        """The whole body; None when the client left before. Raises ValueError when it is too large."""
        limit = self._limits.max_body
        announced = request.headers.get(b"content-length", b"0")
        pieces: list[bytes] = []
        size = int(announced) if announced.isdigit() else 0
        is_more = True
        while is_more and size <= limit:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            pieces.append(message.get("body", b""))
            is_more = message.get("more_body", False)
            size = max(size, sum(map(len, pieces))) if len(pieces) == 1 else size + len(pieces[-1])
        if size > limit:
            raise ValueError(f"The body is larger than {limit} bytes.")
        return b"".join(pieces)

    def _finish(self, task: asyncio.Future[None], sink: "AsgiSink", path: str) -> None:
        """The handler returned: see to it that there is an answer."""
        self._running.discard(task)
        if task.cancelled():
            sink.abort()
            return
        error = task.exception()
        if error is not None:
            where = "".join(traceback.format_tb(error.__traceback__))
            log.error("the handler failed: %s\n%s", type(error).__name__, where)
        if sink.done:
            return
        if sink.started:
            sink.abort()
            return
        headers, body = self._refuse(500, "internal_error", "Something went wrong.", path)
        sink.whole(500, headers, body)


def request_of(scope: Any) -> Request:
    """The request of an ASGI scope, without its body."""
    headers: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        joint = b"; " if name == b"cookie" else b", "
        headers[name] = headers[name] + joint + value if name in headers else value
    raw_path = scope.get("raw_path") or scope["path"].encode()
    client = scope.get("client")
    return Request(
        scope["method"],
        raw_path.decode("ascii", "replace"),
        scope["query_string"].decode("ascii", "replace"),
        headers,
        b"",
        client[0] if client else "",
    )


async def answer_lifespan(receive: Receive, send: Send) -> None:
    """Nothing of ours starts with the server: say yes."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def send_refusal(send: Send, receive: Receive, answer: Answer, linger_s: float) -> None:
    """Send a whole answer and close. Closing on a client that still sends would reset the answer: read on, bounded."""
    status, headers, body = answer
    lines = [*headers, (b"content-length", b"%d" % len(body)), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    with suppress(TimeoutError):
        async with asyncio.timeout(linger_s):
            while (await receive()).get("more_body", False):
                pass
    await send({"type": "http.response.body", "body": b""})


async def until_gone(receive: Receive, sink: "AsgiSink", work: "asyncio.Future[None]") -> None:
    """Cancel the handler when the client goes away before its answer is whole."""
    while (await receive())["type"] != "http.disconnect":
        pass
    if not sink.done:
        sink.abort()
        work.cancel()


class AsgiSink:
    """A Sink that keeps messages until `drain` passes them to the server."""

    def __init__(self, is_head: bool, high_water: int) -> None:
        self._is_head = is_head
        self._high_water = high_water
        self._messages: list[Message] = []
        self._size = 0
        self._left = -1
        self._is_mute = False
        self._is_full = False
        self.is_aborted = False
        self._news = asyncio.Event()
        self._pause: Callable[[], None] | None = None
        self._resume: Callable[[], None] | None = None
        self.started = False
        self.done = False

    def head(self, status: int, headers: Headers, length: int | None = None) -> None:
        """See Sink. Raises RuntimeError for a second head, ValueError for a header that holds a line break."""
        if self.started:
            raise RuntimeError("an answer has one head")
        lines = list(headers)
        if any(b"\n" in part or b"\r" in part for line in lines for part in line):
            raise ValueError("a header holds a line break")
        is_bodyless = status in (204, 304)
        self._is_mute = is_bodyless or self._is_head
        if length is not None:
            self._left = length
            if not is_bodyless:
                lines.append((b"content-length", b"%d" % length))
        self.started = True
        self._add({"type": "http.response.start", "status": status, "headers": lines}, 0)

    def whole(self, status: int, headers: Headers, body: bytes) -> None:
        """See Sink."""
        self.head(status, headers, len(body))
        self.write(body)
        self.end()

    def write(self, data: bytes) -> None:
        """See Sink. Raises RuntimeError before the head, or for more bytes than announced."""
        if self.done or not data:
            return
        if not self.started:
            raise RuntimeError("the head comes first")
        if self._left >= 0:
            self._left -= len(data)
            if self._left < 0:
                self.abort()
                raise RuntimeError("the body is longer than announced")
        if not self._is_mute:
            self._add({"type": "http.response.body", "body": data, "more_body": True}, len(data))

    def end(self, last: bytes = b"") -> None:
        """See Sink. A body shorter than announced is an abort. Raises RuntimeError before the head."""
        if last:
            self.write(last)
        if self.done:
            return
        if not self.started:
            raise RuntimeError("the head comes first")
        if self._left > 0 and not self._is_mute:
            self.abort()
            raise RuntimeError("the body is shorter than announced")
        newest = self._messages[-1] if self._messages else None
        if newest is not None and newest["type"] == "http.response.body":
            newest["more_body"] = False
        else:
            self._add({"type": "http.response.body", "body": b"", "more_body": False}, 0)
        self.done = True
        self._news.set()

    def abort(self) -> None:
        """See Sink."""
        if not self.done:
            self.done = True
            self.is_aborted = True
            self._news.set()

    def break_off(self) -> None:
        """See Sink."""
        if not self.done:
            self.done = True
            self._news.set()

    def on_full(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        """See Sink."""
        if self.done:
            return
        self._pause = pause
        self._resume = resume
        if self._is_full:
            pause()

    def _add(self, message: Message, size: int) -> None:
        self._messages.append(message)
        self._size += size
        self._news.set()
        if self._size > self._high_water and not self._is_full:
            self._is_full = True
            if self._pause is not None:
                self._pause()

    async def drain(self, send: Send) -> None:
        """Pass everything on, until the answer ended. Returning early makes the server cut the connection."""
        while not self.is_aborted:
            messages = self._messages
            self._messages = []
            for message in messages:
                await send(message)
                self._size -= len(message.get("body", b""))
                if self.is_aborted:
                    return
            if self._is_full and self._size <= self._high_water // 2:
                self._is_full = False
                if self._resume is not None and not self.done:
                    self._resume()
            if self.done and not self._messages:
                return
            if not self._messages:
                self._news.clear()
                await self._news.wait()
