"""GET /metrics: who may read it, and in which of Prometheus' formats it is said."""

import asyncio
import hmac
import ipaddress
from collections.abc import Awaitable, Callable

from tollway.core.caller import Caller, Scope
from tollway.core.errors import Forbidden, MethodNotAllowed, TollwayError
from tollway.kit.http1.wire import Request, Sink, refuse_in_json

PATH = "/metrics"
FORWARDED = (b"forwarded", b"x-forwarded-for", b"x-real-ip", b"cf-connecting-ip", b"via")
"""What a proxy on this machine says of whom it speaks for: such a request is not this machine's own."""
Write = Callable[[str], Awaitable[tuple[bytes, str]]]
"""From an Accept header to the text and its content type."""


class MetricsPage:
    """Answers this machine itself, whoever knows the token, and administrators."""

    def __init__(
        self,
        write: Write,
        identify: Callable[[bytes | None, str], Awaitable[Caller]],
        credential: Callable[[Request], bytes | None],
        token: str = "",
    ) -> None:
        """`identify` turns a credential into a caller, or raises; `credential` finds it in a request."""
        self._write, self._identify, self._credential = write, identify, credential
        self._token = token.encode()
        self._one_at_a_time = asyncio.Lock()

    async def handle(self, request: Request, sink: Sink) -> None:
        """Answer one scrape."""
        try:
            await self._check(request)
        except TollwayError as error:
            headers, body = refuse_in_json(error.status, error.code, error.message, PATH)
            sink.whole(error.status, headers, body)
            return
        async with self._one_at_a_time:
            text, kind = await self._write(request.headers.get(b"accept", b"").decode("latin-1"))
        sink.whole(200, ((b"content-type", kind.encode()), (b"cache-control", b"no-store")), text)

    async def _check(self, request: Request) -> None:
        """Raises MethodNotAllowed, and Unauthenticated, Forbidden or RateLimited for those who may not read it."""
        if request.method != "GET":
            raise MethodNotAllowed(f"{request.method} is not allowed here; use GET")
        raw = self._credential(request)
        if raw is None and self._is_own(request):
            return
        if raw is not None and self._token and hmac.compare_digest(raw, self._token):
            return
        caller = await self._identify(raw, request.peer)
        if caller.scope is not Scope.ADMIN:
            raise Forbidden("metrics are for administrators' keys and the metrics token")

    def _is_own(self, request: Request) -> bool:
        """It comes from this machine, and not through a proxy on it. With a token set, nobody comes without it."""
        if self._token or any(name in request.headers for name in FORWARDED):
            return False
        try:
            return ipaddress.ip_address(request.peer).is_loopback
        except ValueError:  # a socket without an address
            return False
