"""One client's connection: requests go to the handler one at a time, answers leave in order."""

import asyncio
import logging
import time
import traceback
from email.utils import formatdate
from typing import cast

from tollway.kit.http1.attendant import Attendant
from tollway.kit.http1.familiar import Familiar
from tollway.kit.http1.limits import Limits
from tollway.kit.http1.reading import BODY, IDLE, Asked, Refused, RequestReader
from tollway.kit.http1.sink import ServerSink
from tollway.kit.http1.wire import Handler, Refuse, Request, Screen

log = logging.getLogger(__name__)

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
BUSY, CLOSING = 3, 4
"""Where a connection stands besides its reader's IDLE, HEAD and BODY."""


class Front:
    """What the connections of one server share."""

    __slots__ = (
        "_heads", "connections", "date_line", "familiar", "handler", "is_draining", "limits", "loop", "refuse",
        "running", "screen",
    )  # fmt: skip

    def __init__(self, handler: Handler, limits: Limits, refuse: Refuse, screen: Screen | None) -> None:
        self.handler = handler
        self.limits = limits
        self.refuse = refuse
        self.screen = screen
        self.loop = asyncio.get_running_loop()
        self.connections: set[Connection] = set()
        self.running: set[ServerSink] = set()
        """Answers that handlers are at work on. Keeps the tasks alive: the loop itself holds them only weakly."""
        self.familiar: dict[tuple[bytes, bytes], Familiar] = {}
        self.is_draining = False
        self._heads: list[ServerSink] = []
        self.tell_date()

    def tell_date(self) -> None:
        """Renew the `date` header."""
        self.date_line = b"date: %b" % formatdate(time.time(), usegmt=True).encode("ascii")

    def failed(self, sink: ServerSink, task: asyncio.Task[None]) -> None:
        """The handler did not come to a good end: see to it that there is an answer."""
        if task.cancelled():
            sink.abort()
            return
        error = task.exception()
        if error is not None:
            where = "".join(traceback.format_tb(error.__traceback__))
            log.error("the handler failed: %s\n%s", type(error).__name__, where)
        if sink.done:
            return
        if error is None:
            log.error("the handler returned before its answer was whole")
        if sink.started:
            sink.abort()
            return
        headers, body = self.refuse(500, "internal_error", "Something went wrong.", sink.path)
        sink.whole(500, headers, body)

    def flush_soon(self, sink: ServerSink) -> None:
        """Flush this head when the tick ends."""
        self._heads.append(sink)
        if len(self._heads) == 1:
            self.loop.call_soon(self._flush)

    def _flush(self) -> None:
        heads = self._heads
        self._heads = []
        for sink in heads:
            sink.flush()


class Connection:
    """An asyncio protocol (by shape) and the Outlet of its answers."""

    __slots__ = (
        "_current", "_front", "_heard", "_is_deaf", "_is_paused", "_last", "_reader", "_rested", "_served",
        "_since", "_stuck_since", "_taken", "is_full", "sent", "transport",
    )  # fmt: skip

    def __init__(self, front: Front) -> None:
        self._front = front
        self._current: ServerSink | None = None
        self._rested: Attendant | None = None
        """One that waits for the next request."""
        self._heard = False
        self._is_deaf = False
        self._is_paused = False
        self._served = 0
        self._last = (-1, -1)
        self._since = self._stuck_since = 0.0
        self._taken = 0
        self.is_full = False
        self.sent = 0
        self.transport: asyncio.Transport
        self._reader: RequestReader

    # The loop calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected."""
        front = self._front
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=front.limits.write_high_water)
        peer = transport.get_extra_info("peername")
        self._reader = RequestReader(front.limits, front.screen, str(peer[0]) if peer else "", front.familiar)
        front.connections.add(self)
        if len(front.connections) > front.limits.max_connections:
            self._reader.refused = Refused(503, "too_many_connections", "Too many connections.")
            self._refuse()

    def data_received(self, data: bytes) -> None:
        """Bytes came: finish a request and start it, or hold the client back while one is being answered."""
        self._heard = True
        if self._is_deaf:
            return
        reader = self._reader
        was_busy = self._current is not None
        if not was_busy:
            asked = reader.again(data)
            if asked is not None:
                self._start(asked)
                return
        reader.feed(data)
        if not was_busy and reader.ready:
            self._start(reader.ready.pop(0))
        if self._current is not None or reader.ready:
            if was_busy or reader.ready or reader.phase:
                self._pause_reading()
        elif reader.refused is not None:
            self._refuse()
        elif reader.wants_continue:
            self._continue()

    def eof_received(self) -> None:
        """The client will send nothing more: it went away."""
        self._is_deaf = True
        self._lose()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._is_deaf = True
        self._front.connections.discard(self)
        self._lose()
        if self._rested is not None:
            self._rested.dismiss()
            self._rested = None

    def pause_writing(self) -> None:
        """The client lags behind."""
        self.is_full = True
        if self._current is not None:
            self._current.fill(True)

    def resume_writing(self) -> None:
        """The client caught up."""
        self.is_full = False
        if self._current is not None:
            self._current.fill(False)

    # The answer calls these.

    @property
    def date_line(self) -> bytes:
        """The `date` header of this second."""
        return self._front.date_line

    @property
    def is_draining(self) -> bool:
        """Whether the server is shutting down."""
        return self._front.is_draining

    def flush_soon(self, answer: ServerSink) -> None:
        """Send the answer's head when the tick ends."""
        self._front.flush_soon(answer)

    def answered(self, answer: ServerSink) -> None:
        """An answer ended: on to the next request, if there is to be one."""
        self._current = None
        self._served += 1
        reader = self._reader
        if answer.is_last or (self._front.is_draining and not reader.ready):
            self._close()
        elif self._is_paused or reader.ready or reader.refused is not None or reader.wants_continue:
            self._front.loop.call_soon(self._go_on)

    def close_if_idle(self) -> None:
        """Close unless a request is being read or answered."""
        if self._current is None and not self._reader.ready and self._reader.phase == IDLE:
            self._close()

    def sweep(self, now: float) -> None:
        """Cut or refuse a client that has been in one place for too long; called four times a second."""
        reader = self._reader
        state = CLOSING if self._is_deaf else BUSY if self._current is not None else reader.phase
        place = (state, self._served)
        if place != self._last or (self._heard and state in (IDLE, BODY)):
            self._last = place
            self._since = now
        self._heard = False
        if self._is_stuck(now):
            self.transport.abort()
            return
        waited = now - self._since
        limits = self._front.limits
        if state == CLOSING:
            if waited > limits.linger_s and not self.transport.get_write_buffer_size():
                self.transport.abort()
        elif state == IDLE:
            if waited > (limits.idle_timeout_s if self._served else limits.header_timeout_s):
                self._close()
        elif state != BUSY and waited > (limits.body_timeout_s if state == BODY else limits.header_timeout_s):
            reader.refused = Refused(408, "request_timeout", "The request did not arrive in time.")
            self._refuse()

    def _is_stuck(self, now: float) -> bool:
        """Whether bytes wait and the client has taken none for the write limit."""
        waiting = self.transport.get_write_buffer_size()
        taken = self.sent - waiting
        if not waiting or taken != self._taken:
            self._taken = taken
            self._stuck_since = now
        return now - self._stuck_since > self._front.limits.write_timeout_s

    def cut(self) -> None:
        """End now, whatever is in flight."""
        self._lose()
        self.transport.abort()

    def _start(self, asked: Asked) -> None:
        sink = ServerSink(self, asked)
        self._current = sink
        attendant = self._rested
        if attendant is None:  # the first request, or the last one's handler has not returned yet
            attendant = Attendant(self._front, self._rest)
        else:
            self._rested = None
        attendant.serve(asked.request, sink)

    def _rest(self, attendant: Attendant) -> bool:
        """Whether the attendant may wait for the next request: one is enough."""
        if self._is_deaf or self._rested is not None:
            return False
        self._rested = attendant
        return True

    def _go_on(self) -> None:
        """After an answer: the next request in the queue, or read on."""
        reader = self._reader
        if self._is_deaf or self._current is not None:
            return
        if reader.ready:
            self._start(reader.ready.pop(0))
            return
        if reader.refused is not None:
            self._refuse()
            return
        if self._is_paused:
            self._is_paused = False
            self.transport.resume_reading()
        if reader.wants_continue:
            self._continue()

    def _continue(self) -> None:
        self._reader.wants_continue = False
        self.sent += len(CONTINUE)
        self.transport.write(CONTINUE)

    def _pause_reading(self) -> None:
        if not self._is_paused and not self._is_deaf:
            self._is_paused = True
            self.transport.pause_reading()

    def _refuse(self) -> None:
        """Answer what cannot be served, and close."""
        refused = self._reader.refused
        if refused is None:
            return
        if refused.answer is not None:
            status, headers, body = refused.answer
        else:
            status = refused.status
            headers, body = self._front.refuse(status, refused.code, refused.message, refused.path)
        request = Request("HEAD" if refused.is_head else "GET", refused.path or "", "", {}, b"", "")
        sink = ServerSink(self, Asked(request, False, False))
        self._current = sink
        sink.whole(status, headers, body)

    def _close(self) -> None:
        """Close once everything is sent; closing on a refused client that still sends would reset the answer."""
        if self._is_deaf:
            return
        self._is_deaf = True
        if self._reader.refused is not None and self.transport.can_write_eof() and not self.transport.is_closing():
            if self._is_paused:
                self.transport.resume_reading()
            self.transport.write_eof()
        else:
            self.transport.close()

    def _lose(self) -> None:
        current = self._current
        self._current = None
        self._reader.ready.clear()
        if current is not None:
            current.lose()
