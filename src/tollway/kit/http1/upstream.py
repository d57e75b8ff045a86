"""One connection to a provider: one request at a time, its answer read strictly."""

import asyncio
from typing import Protocol, cast

import httptools

from tollway.kit.http1.incoming import Incoming
from tollway.kit.http1.wire import Outbound, UpstreamError

MAX_HEAD = 128 * 1024
MAX_HEADERS = 256
MAX_INTERIM = 16
"""How many 1xx answers may precede the real one."""
COPY_LIMIT = 64 * 1024
BODYLESS = frozenset((b"GET", b"HEAD", b"DELETE", b"OPTIONS"))
"""Methods that announce no body when there is none."""


class Home(Protocol):
    """The pool a connection belongs to."""

    loop: asyncio.AbstractEventLoop

    def made(self, wire: "Wire") -> None:
        """It is connected."""

    def release(self, wire: "Wire") -> None:
        """Ready for the next request."""

    def forget(self, wire: "Wire") -> None:
        """Not to be used again."""

    def lost(self, wire: "Wire") -> None:
        """Its transport is gone."""


Patience = tuple[float, float, float, int]
"""Seconds to an answer's first byte, of silence within it, to its end; and bytes of the largest body."""


class StaleConnection(UpstreamError):
    """A kept connection was dead when we used it, and nothing came back: worth one more try."""


class _Stop(Exception):
    """Leaves the parser; the reason is in `Wire._fault`."""


class Wire:
    """An asyncio protocol (by shape) and the Source of its answers."""

    __slots__ = (
        "_asked", "_deadline", "_dry", "_fault", "_got_bytes", "_has_head", "_head_bytes", "_headers",
        "_heard", "_home", "_incoming", "_interim", "_is_complete", "_is_dirty", "_is_head", "_is_held",
        "_is_interim", "_is_until_close", "_keep_alive", "_parser", "_phase", "_pieces", "_total_deadline",
        "_uses", "_waiter", "idle_since", "transport",
    )  # fmt: skip

    def __init__(self, home: Home) -> None:
        self._home = home
        self.transport: asyncio.Transport
        self.idle_since = 0.0
        self._uses = 0
        self._asked: Patience | None = None
        """What holds for the request being answered; not the request itself, which may be large."""
        self._incoming: Incoming | None = None
        self._waiter: asyncio.Future[Incoming] | None = None
        self._is_held = False
        self._heard = False
        self._parser = httptools.HttpResponseParser(self)
        self._begin()

    def _begin(self) -> None:
        self._headers: list[tuple[bytes, bytes]] = []
        self._pieces: list[bytes] = []
        self._fault: UpstreamError | None = None
        self._head_bytes = self._dry = self._interim = 0
        self._got_bytes = self._has_head = self._is_interim = False
        self._is_complete = self._is_dirty = self._is_until_close = self._keep_alive = False

    async def ask(self, outbound: Outbound, head: bytes) -> Incoming:
        """Send one request and return its answer's head; `head` is all of the request's but the length of its body.

        Raises UpstreamError; StaleConnection when worth a retry.
        """
        transport, body = self.transport, outbound.body
        if transport.is_closing():
            raise StaleConnection("reset", "the connection was closed before the request was sent")
        self._begin()
        first_byte_s, total_s = outbound.first_byte_timeout_s, outbound.total_timeout_s
        self._asked = (first_byte_s, outbound.idle_timeout_s, total_s, outbound.max_body)
        self._heard = False  # what the last answer said is no sign of life in this one
        self._uses += 1
        self._phase = "first_byte"
        loop = self._home.loop
        now = loop.time()
        self._deadline = now + first_byte_s
        self._total_deadline = now + total_s
        method = outbound.method
        self._is_head = method == b"HEAD"
        if not body and method in BODYLESS:
            transport.write(head + b"\r\n")
        elif len(body) > COPY_LIMIT:
            transport.write(b"%bcontent-length: %d\r\n\r\n" % (head, len(body)))
            transport.write(body)
        else:
            transport.write(b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body))
        # A short answer may end, and this wire be taken by the next request, before whoever waits here runs again.
        waiter: asyncio.Future[Incoming] = loop.create_future()
        self._waiter = waiter
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                waiter.result().close()
            elif self._waiter is waiter:
                self.cut()
            raise
        finally:
            if self._waiter is waiter:
                self._waiter = None

    @property
    def is_usable(self) -> bool:
        """Whether a request may be sent."""
        return self._asked is None and not self.transport.is_closing()

    # Source.

    def hold(self, is_held: bool) -> None:
        """See Source."""
        if is_held != self._is_held and not self.transport.is_closing():
            self._is_held = is_held
            if is_held:
                self.transport.pause_reading()
            else:
                self.transport.resume_reading()

    def cut(self) -> None:
        """See Source."""
        self._asked = None
        self._incoming = None
        self._home.forget(self)
        self.transport.abort()

    # The loop calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected."""
        self.transport = cast(asyncio.Transport, transport)
        self._home.made(self)

    def data_received(self, data: bytes) -> None:
        """A piece of the answer; on an idle connection it is nobody's, and ends it."""
        self._heard = True
        if self._asked is None:
            self.cut()
            return
        self._got_bytes = True
        self._dry += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fault = UpstreamError("protocol", "the provider switched protocols")
        except httptools.HttpParserError as error:
            self._is_dirty = True
            if self._fault is None and not self._is_complete:
                self._fault = UpstreamError("protocol", f"not HTTP/1.1: {error}")
        pieces = self._pieces
        if pieces and not self._is_complete and self._fault is None and self._waiter is None:
            incoming = self._incoming
            if incoming is not None:  # in the middle of a body: nothing else can have happened
                self._pieces = []
                incoming.take(pieces[0] if len(pieces) == 1 else b"".join(pieces))
            return
        self._check_size(len(data))
        self._hand_over()

    def _check_size(self, size: int) -> None:
        if self._is_complete or self._fault is not None:
            return
        if not self._has_head:
            self._head_bytes += size
            if self._head_bytes > MAX_HEAD:
                self._fault = UpstreamError("protocol", "the answer's head is too large")
        elif self._dry > MAX_HEAD:
            self._fault = UpstreamError("protocol", "the answer's chunk extensions or trailers are too large")

    def _hand_over(self) -> None:
        """Pass on what this read brought: the head, the body so far, the end."""
        incoming = self._incoming
        if incoming is not None:
            waiter = self._waiter
            if waiter is not None and not waiter.done() and self._fault is None:
                waiter.set_result(incoming)
                if self._is_complete:  # a short answer in one read: nobody has begun to listen yet
                    incoming.whole(self._pieces)
                    self._finish(None)
                    return
            pieces = self._pieces
            if pieces:
                self._pieces = []
                incoming.take(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if self._asked is None:
            return
        if self._fault is not None:
            self._fail(self._fault)
        elif self._is_complete:
            self._finish(incoming)

    def _finish(self, incoming: Incoming | None) -> None:
        self._asked = None
        self._incoming = None
        transport = self.transport
        is_reusable = self._keep_alive and not self._is_dirty and not transport.is_closing()
        if is_reusable and not transport.get_write_buffer_size():
            self.hold(False)
            self._home.release(self)
        else:
            self._home.forget(self)
            transport.abort()
        if incoming is not None:
            incoming.finish()

    def _fail(self, error: UpstreamError) -> None:
        incoming = self._incoming
        waiter = self._waiter
        self.cut()
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
        if incoming is not None:
            incoming.fail(error)

    def eof_received(self) -> None:
        """The provider closed its side: the end of a body without a length, else a cut."""
        self._end("the provider closed the connection before its answer was whole", is_clean=True)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._end(f"the connection was lost: {exc or 'closed'}", is_clean=exc is None)
        self._home.lost(self)

    def _end(self, message: str, is_clean: bool) -> None:
        self._home.forget(self)
        if self._asked is None:
            return
        if self._is_until_close and is_clean:
            self._is_dirty = True
            self._finish(self._incoming)
        elif self._uses > 1 and not self._got_bytes:
            self._fail(StaleConnection("reset", message))
        else:
            self._fail(UpstreamError("reset", message))

    def pause_writing(self) -> None:
        """The request is written whole; nothing to pause."""

    def resume_writing(self) -> None:
        """See pause_writing."""

    def sweep(self, now: float, idle_max_age_s: float) -> None:
        """Fail what took too long; called four times a second."""
        asked = self._asked
        if asked is None:
            if self.idle_since and now - self.idle_since > idle_max_age_s:
                self._home.forget(self)
                self.transport.close()
            return
        first_byte_s, idle_s, total_s, _ = asked
        if now > self._total_deadline:
            self._fail(UpstreamError("total", f"the answer took longer than {total_s} s"))
        elif self._heard or (self._is_held and self._incoming is not None):
            self._heard = False
            self._phase = "idle"
            self._deadline = now + idle_s
        elif now > self._deadline:
            limit = idle_s if self._phase == "idle" else first_byte_s
            self._fail(UpstreamError(self._phase, f"nothing came for {limit} s"))

    # llhttp calls these.

    def on_message_begin(self) -> None:
        """An answer starts; a second one to the same request is nobody's."""
        if self._is_complete:
            self._is_dirty = True
            raise _Stop

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header line, or a trailer, which nobody reads."""
        if not self._has_head:
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """A head is whole: an interim one is skipped, the real one makes the answer."""
        parser = self._parser
        status = parser.get_status_code()
        if len(self._headers) > MAX_HEADERS:
            raise self._stop("the answer has too many headers")
        if status < 200:
            self._skip_interim(status)
            return
        self._has_head = True
        self._dry = 0
        names = dict(self._headers)
        if b"transfer-encoding" in names:
            if names[b"transfer-encoding"].lower().strip() != b"chunked" or parser.get_http_version() == "1.0":
                raise self._stop("a transfer encoding we did not ask for")
        elif b"content-length" not in names and not self._is_head and status not in (204, 304):
            self._is_until_close = True
        asked = self._asked
        if asked is None:
            raise _Stop
        self._incoming = Incoming(self, status, self._headers, asked[3])
        if self._is_head:
            self._keep_alive = parser.should_keep_alive()
            self._is_complete = True
            self._parser = httptools.HttpResponseParser(self)

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        if self._is_complete:
            self._is_dirty = True
            raise _Stop
        self._dry = 0
        self._pieces.append(data)

    def on_message_complete(self) -> None:
        """The answer is whole, or an interim one is over."""
        if self._is_interim:
            self._is_interim = False
            self._headers = []
        elif not self._is_complete:
            self._keep_alive = self._parser.should_keep_alive()
            self._is_complete = True

    def _skip_interim(self, status: int) -> None:
        self._interim += 1
        self._is_interim = True
        if status < 100 or status == 101 or self._interim > MAX_INTERIM:
            raise self._stop(f"status {status} where an answer was due")

    def _stop(self, message: str) -> _Stop:
        self._fault = UpstreamError("protocol", message)
        return _Stop()
