"""The front door: a path's surface, the caller behind a credential, and errors in the caller's own dialect."""

import asyncio
import logging
import math
import time
import traceback
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

import msgspec

from tollway.core.caller import Caller
from tollway.core.errors import (
    BadRequest,
    CreditsExhausted,
    Fault,
    Internal,
    MethodNotAllowed,
    NotFound,
    TollwayError,
    TooLarge,
)
from tollway.core.ids import CallId
from tollway.gateway.auth.identify import KeyRing, credential
from tollway.gateway.dialect import Dialect, Opaque, open_body
from tollway.gateway.limits.rate import ShareUsedUp, TooOften
from tollway.gateway.metering.tokens import count_request
from tollway.gateway.metrics.tally import Tally
from tollway.gateway.paths import Found, Paths
from tollway.gateway.pipeline.call import Call
from tollway.gateway.pipeline.detour import Detour, Detours
from tollway.gateway.pipeline.relay import Gateway, asked_model, relay
from tollway.gateway.surface import COUNT
from tollway.kit.http1.wire import Handler, Request, Sink
from tollway.kit.uuid7 import uuid7

log = logging.getLogger("tollway.http")
JSON = (b"content-type", b"application/json")
NOTHING: Mapping[bytes, bytes] = {}


@dataclass(slots=True)
class Front:
    """`handle(request, sink)` for every path; knows no server."""

    gateway: Gateway
    """A snapshot, replaced whole when the catalog changes."""
    keys: KeyRing
    paths: Paths
    control: Handler
    """Everything the surfaces do not own."""
    ready: Callable[[], Awaitable[str]]
    """Says what is wrong; empty when the gateway can serve."""
    opaque: Opaque
    max_body: int
    metrics: Handler
    """What stands at /metrics."""
    tally: Tally | None = None
    """Counts what was refused; None: nothing is counted."""
    detours: Detours | None = None
    """Paths at which other channels answer; None: there are none."""

    async def handle(self, request: Request, sink: Sink) -> None:
        """Answer one request."""
        found = self.paths.find(request.path, request.query)
        if found is None:
            await self._elsewhere(request, sink)
            return
        call_id = CallId("req_" + uuid7())
        dialect = found.surface.dialect
        times, call = (time.time(), self.gateway.now_s()), None
        method = request.method
        try:
            raw = self._credential(found, request)
            caller = self.keys.known(raw, request.peer) if raw else None
            if caller is None:
                caller = await self.keys.identify(raw, request.peer)
            call = self._call(found, request, caller, call_id, times)
            del request  # a stream may last for minutes: what was needed of the request is in the call
            if found.route.does == COUNT:
                await self._count(call, sink)
                self.note(found, method, 200, None, call, times[1])
            elif self.detours is None:
                await relay(call, self.gateway, sink)
            else:
                await relay(call, _at(self.gateway, self.detours.get(found.route.path)), sink)
        except TollwayError as error:
            self.note(found, method, refuse(sink, dialect, error, call_id), error, call, times[1])
        except Exception as error:  # noqa: BLE001  # a mistake of ours is an answer in the caller's dialect, and a line
            where = "".join(traceback.format_tb(error.__traceback__))  # not its message: it may hold a prompt or a key
            log.error("%s: %s\n%s", call_id, type(error).__name__, where)
            ours = Internal("internal error")
            self.note(found, method, refuse(sink, dialect, ours, call_id), ours, call, times[1])

    def note(
        self,
        found: Found,
        method: str,
        status: int,
        error: TollwayError | None,
        call: Call | None = None,
        began_s: float | None = None,
    ) -> None:
        """Count a request that no receipt tells of; `status` is 0 where an answer was cut."""
        if self.tally is None or not status:
            return
        route = found.route.path if found.route.does == COUNT else found.surface.path
        took_s = 0.0 if began_s is None else self.gateway.now_s() - began_s
        self.tally.request(route, method, status, took_s, call is not None and call.envelope.stream)
        if error is not None:
            self.tally.refused(route, error, call.caller.plan.name if call is not None else "")

    def _credential(self, found: Found, request: Request) -> bytes | None:
        """The key in a request's head. Raises MethodNotAllowed."""
        if request.method != "POST":
            raise MethodNotAllowed(f"{request.method} is not allowed here; use POST")
        return credential(request.headers, request.query, found.surface.credentials)

    def _call(
        self, found: Found, request: Request, caller: Caller, call_id: CallId, times: tuple[float, float]
    ) -> Call:
        """The call a request makes. Raises TollwayError when it makes none."""
        data, headers, dialect = request.body, request.headers, found.surface.dialect
        if b"content-encoding" in headers:
            data = inflated(data, headers[b"content-encoding"], self.max_body)
        body = open_body(data)
        passes = dialect.passes
        return Call(
            id=call_id,
            caller=caller,
            surface=found.surface.name,
            dialect=dialect,
            envelope=dialect.envelope(body, found.options),
            body=body,
            size=len(data),
            headers={name: headers[name] for name in passes if name in headers} if passes else NOTHING,
            heard=headers,
            options=found.options,
            arrived_s=times[0],
            started_s=times[1],
            opaque=self.opaque,
            seals=self.gateway.seals,
            path=request.path,
        )

    async def _count(self, call: Call, sink: Sink) -> None:
        """A token count, answered here without any provider."""
        model = asked_model(call, self.gateway, self.gateway.groups.of(call.caller)[0].router)
        try:
            slot = self.gateway.limits.admit(call.caller, model.id, call.started_s)
        except ShareUsedUp:
            slot = await self.gateway.limits.admit_soon(call.caller, model.id)
        try:
            tokens = await asyncio.to_thread(lambda: count_request(call.request(), model, exact=True))
        finally:
            slot.release()
        if call.dialect.write_count is None:
            raise NotFound("this dialect counts no tokens")
        answer(sink, 200, call.dialect.write_count(tokens), call.id)

    async def _elsewhere(self, request: Request, sink: Sink) -> None:
        if request.path == "/health":
            answer(sink, 200, b'{"status":"ok"}')
        elif request.path == "/ready":
            wrong = await self.ready()
            told = {"status": "not ready", "reason": wrong} if wrong else {"status": "ready"}
            answer(sink, 503 if wrong else 200, msgspec.json.encode(told))
        elif request.path == "/metrics":
            await self.metrics(request, sink)
        else:
            await self.control(request, sink)


def _at(gateway: Gateway, detour: Detour | None) -> Gateway:
    """The gateway as it is at a path."""
    if detour is None:
        return gateway
    return replace(gateway, catalog=detour.catalog, router=detour.groups.every, groups=detour.groups)


def refuse(sink: Sink, dialect: Dialect, error: TollwayError, call_id: str) -> int:
    """Tell the caller in his own dialect, with which status; 0: a call that has begun to answer is cut instead."""
    if sink.started:
        sink.abort()
        return 0
    status, body = dialect.write_error(error, call_id)
    if isinstance(error, Fault) and error.verbatim and error.verbatim.lstrip()[:1] == b"{":
        status, body = error.status, error.verbatim
    extra: list[tuple[bytes, bytes]] = []
    if error.retry_after_s is not None:
        extra.append((b"retry-after", b"%d" % max(1, math.ceil(error.retry_after_s))))
    if isinstance(error, TooOften):
        extra += error.slot.headers(dialect.family, time.time())
    if isinstance(error, CreditsExhausted):
        extra.append((b"x-should-retry", b"false"))
    answer(sink, status, body, call_id, tuple(extra))
    return status


def answer(
    sink: Sink, status: int, body: bytes, call_id: str = "", extra: tuple[tuple[bytes, bytes], ...] = ()
) -> None:
    """A small JSON answer of our own."""
    name = call_id.encode()
    ids = ((b"x-request-id", name), (b"request-id", name)) if call_id else ()
    sink.whole(status, (JSON, *ids, *extra), body)


def inflated(data: bytes, encoding: bytes, limit: int) -> bytes:
    """A compressed body in clear. Raises BadRequest for an encoding we do not know, TooLarge past `limit`."""
    name = encoding.strip().lower()
    if name in (b"identity", b""):
        return data
    if name not in (b"gzip", b"deflate"):
        raise BadRequest(
            f"content-encoding {name.decode('latin-1')!r} is not supported; use gzip", field="content-encoding"
        )
    stream = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    try:
        out = stream.decompress(data, limit)
    except zlib.error as error:
        raise BadRequest(f"the body is not valid {name.decode()}", field="content-encoding") from error
    if stream.unconsumed_tail:
        raise TooLarge(f"the body is larger than {limit} bytes when decompressed")
    if not stream.eof:
        raise BadRequest(f"the {name.decode()} body is cut short", field="content-encoding")
    return out
