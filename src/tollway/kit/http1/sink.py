"""Writes one answer onto a connection of our own front."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Protocol

from tollway.kit.http1.reading import Asked
from tollway.kit.http1.wire import Headers

STATUS_LINES = {int(status): b"HTTP/1.1 %d %b" % (status, status.phrase.encode("ascii")) for status in HTTPStatus}
COPY_LIMIT = 64 * 1024
"""Pieces up to this size are copied behind their head; longer ones are handed over as they are."""


class Outlet(Protocol):
    """The connection an answer is written to."""

    transport: asyncio.Transport
    is_full: bool
    """The client lags behind by the write limit."""
    sent: int
    """Bytes written so far."""

    @property
    def date_line(self) -> bytes:
        """The `date` header of this second."""

    @property
    def is_draining(self) -> bool:
        """Whether the connection must end with this answer."""

    def flush_soon(self, answer: "ServerSink") -> None:
        """Call `answer.flush()` at the end of this tick."""

    def answered(self, answer: "ServerSink") -> None:
        """The answer ended: whole, or by `abort`."""


class ServerSink:
    """A Sink. `done` when the answer ended, or the client went away."""

    __slots__ = (
        "_head", "_is_chunked", "_is_http10", "_is_mute", "_left", "_pause", "_resume", "done", "is_last", "method",
        "outlet", "path", "started", "task",
    )  # fmt: skip

    def __init__(self, outlet: Outlet, asked: Asked) -> None:
        self.outlet = outlet
        self.method = asked.request.method
        self.path = asked.request.path
        self._is_http10 = asked.http10
        self.task: asyncio.Task[None] | None = None
        self.started = False
        self.done = False
        self.is_last = not asked.keep_alive
        """The connection closes after this answer."""
        self._head: bytes | None = None
        self._left = -1
        self._is_chunked = False
        self._is_mute = False
        self._pause: Callable[[], None] | None = None
        self._resume: Callable[[], None] | None = None

    def head(self, status: int, headers: Headers, length: int | None = None) -> None:
        """See Sink. The head waits for the first piece of the body, at most to the end of the tick.

        Raises RuntimeError for a second head, ValueError for a header that would break the framing.
        """
        head = self._made(status, headers, length)
        self.started = True
        if not self.done:
            self._head = head
            self.outlet.flush_soon(self)

    def whole(self, status: int, headers: Headers, body: bytes) -> None:
        """See Sink. One write. Raises as `head` does."""
        size = len(body)
        head = self._made(status, headers, size)
        self.started = True
        if self.done:
            return
        outlet = self.outlet
        data = head if self._is_mute or size > COPY_LIMIT else head + body
        outlet.sent += len(data)
        outlet.transport.write(data)
        if size > COPY_LIMIT and not self._is_mute:
            outlet.sent += size
            outlet.transport.write(body)
        self._close(self.is_last)

    def _made(self, status: int, headers: Headers, length: int | None) -> bytes:
        """The head as bytes."""
        if self.started:
            raise RuntimeError("an answer has one head")
        outlet = self.outlet
        lines = [STATUS_LINES.get(status) or b"HTTP/1.1 %d " % status, outlet.date_line, *map(b": ".join, headers)]
        self._add_framing(lines, status, length)
        if outlet.is_draining:
            self.is_last = True
        if self.is_last:
            lines.append(b"connection: close")
        elif self._is_http10:
            lines.append(b"connection: keep-alive")
        lines.append(b"\r\n")
        head = b"\r\n".join(lines)
        if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines):
            raise ValueError("a header holds a line break")
        return head

    def _add_framing(self, lines: list[bytes], status: int, length: int | None) -> None:
        """Say how the body ends. Without a length: chunked, or on HTTP/1.0 by closing."""
        is_bodyless = status in (204, 304) or status < 200
        self._is_mute = is_bodyless or self.method == "HEAD"
        if length is not None:
            if not is_bodyless:
                lines.append(b"content-length: %d" % length)
            self._left = length
        elif self._is_http10:
            self.is_last = self.is_last or not self._is_mute
        elif not is_bodyless:
            lines.append(b"transfer-encoding: chunked")
            self._is_chunked = True

    def write(self, data: bytes) -> None:
        """See Sink. Raises RuntimeError before the head, or for more bytes than announced."""
        if self.done:
            return
        if not self.started:
            raise RuntimeError("the head comes first")
        size = len(data)
        if not size:
            return
        if self._left >= 0:
            self._left -= size
            if self._left < 0:
                self.abort()
                raise RuntimeError("the body is longer than announced")
        if self._is_mute:
            return
        outlet = self.outlet
        head = self._head
        self._head = None
        if size > COPY_LIMIT:
            self._write_long(head, data, size)
            return
        if self._is_chunked:
            data = b"%x\r\n%b\r\n" % (size, data)
        if head is not None:
            data = head + data
        outlet.sent += len(data)
        outlet.transport.write(data)

    def _write_long(self, head: bytes | None, data: bytes, size: int) -> None:
        """Without a copy. Not by `writelines`: on some versions of asyncio it never reports a full buffer."""
        before = head or b""
        if self._is_chunked:
            before += b"%x\r\n" % size
        outlet = self.outlet
        outlet.sent += len(before) + size + 2 * self._is_chunked
        if before:
            outlet.transport.write(before)
        outlet.transport.write(data)
        if self._is_chunked:
            outlet.transport.write(b"\r\n")

    def flush(self) -> None:
        """Send the head if it still waits."""
        head = self._head
        if head is not None:
            self._head = None
            self.outlet.sent += len(head)
            self.outlet.transport.write(head)

    def end(self, last: bytes = b"") -> None:
        """See Sink. A body shorter than announced is an abort. Raises RuntimeError before the head."""
        if last and self._is_chunked and not self._is_mute and not self.done and len(last) <= COPY_LIMIT:
            data = b"%b%x\r\n%b\r\n0\r\n\r\n" % (self._head or b"", len(last), last)  # one write for the end
            self._head = None
            self.outlet.sent += len(data)
            self.outlet.transport.write(data)
            self._close(self.is_last)
            return
        if last:
            self.write(last)
        if self.done:
            return
        if not self.started:
            raise RuntimeError("the head comes first")
        if self._left > 0 and not self._is_mute:
            self.abort()
            raise RuntimeError("the body is shorter than announced")
        if self._is_chunked and not self._is_mute:
            tail = b"0\r\n\r\n" if self._head is None else self._head + b"0\r\n\r\n"
            self._head = None
            self.outlet.sent += len(tail)
            self.outlet.transport.write(tail)
        elif self._head is not None:
            self.flush()
        self._close(self.is_last)

    def abort(self) -> None:
        """See Sink."""
        if not self.done:
            self._head = None
            self.outlet.transport.abort()
            self._close(True)

    def break_off(self) -> None:
        """See Sink."""
        if not self.done:
            self.flush()
            self.outlet.transport.close()
            self._close(True)

    def _close(self, is_last: bool) -> None:
        self.done = True
        self.is_last = is_last
        self._pause = self._resume = None
        self.outlet.answered(self)

    def lose(self) -> None:
        """The client went away: the handler is cancelled, what it still writes goes nowhere."""
        if self.done:
            return
        self.done = True
        self._pause = self._resume = self._head = None
        if self.task is not None:
            self.task.cancel()

    def on_full(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        """See Sink."""
        if self.done:
            return
        self._pause = pause
        self._resume = resume
        if self.outlet.is_full:
            pause()

    def fill(self, is_full: bool) -> None:
        """Tell the source that the client lags behind, or caught up."""
        tell = self._pause if is_full else self._resume
        if tell is not None:
            tell()
