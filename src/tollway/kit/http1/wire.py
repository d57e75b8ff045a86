"""The words of the wire: requests and answers on both sides, whatever carries them."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import msgspec

Headers = Sequence[tuple[bytes, bytes]]
"""Header lines in order; names are lower-case."""


class Outbound(msgspec.Struct, frozen=True):
    """One request to a provider, ready to send."""

    origin: str
    """`scheme://host[:port]`, the pool it goes through; `tunnel.through` makes one that leads through a proxy."""
    target: bytes
    """Path and query."""
    headers: tuple[tuple[bytes, bytes], ...]
    """Without host, content-length and connection: the client writes those."""
    body: bytes
    method: bytes = b"POST"
    connect_timeout_s: float = 10.0
    first_byte_timeout_s: float = 60.0
    idle_timeout_s: float = 120.0
    total_timeout_s: float = 600.0
    max_body: int = 128 * 1024 * 1024
    """Largest answer `read()` will hold, bytes."""
    priority: int = 0
    """Where requests wait for a connection, higher goes first; equals in the order of their arrival."""


class Inbound(Protocol):
    """A provider's answer, its head received and its body on the way."""

    status: int
    headers: Headers

    async def read(self) -> bytes:
        """The whole body. Raises UpstreamError when it does not arrive whole."""

    async def pump(self, on_data: Callable[[bytes], None]) -> None:
        """Call `on_data` with the body as it comes, in the reader's own callback; return at its clean end.

        May be called again after `on_data` raised, after `stop_pump`, or when it was cancelled: whoever is done with
        the answer closes it. Raises UpstreamError on a cut.
        """

    def stop_pump(self) -> None:
        """Make the running `pump` return after the current piece; later bytes wait."""

    def pause(self) -> None:
        """Stop reading from the provider (the caller is slow)."""

    def resume(self) -> None:
        """Read on."""

    def close(self) -> None:
        """Done with it: back to the pool if the body was read to its end, else the connection is cut at once."""


class UpstreamError(Exception):
    """The wire failed.

    `phase` is `connect`, `tls`, `first_byte`, `idle`, `total`, `reset`, `protocol` or `too_large`.
    """

    def __init__(self, phase: str, message: str) -> None:
        super().__init__(message)
        self.phase = phase


class Sink(Protocol):
    """Where an answer goes: our own HTTP/1.1 front, or ASGI. One answer per sink."""

    def head(self, status: int, headers: Headers, length: int | None = None) -> None:
        """Send the head. With `length` the body is sized; without, chunked (or to close on HTTP/1.0)."""

    def whole(self, status: int, headers: Headers, body: bytes) -> None:
        """Send a whole answer: `head` with the body's length, `write` and `end` in one."""

    def write(self, data: bytes) -> None:
        """Send a piece of the body. Never blocks; see `on_full`."""

    def end(self, last: bytes = b"") -> None:
        """The answer is whole, with `last` as its last piece."""

    def abort(self) -> None:
        """Cut the connection so that the client cannot take what it got for a whole answer."""

    def break_off(self) -> None:
        """Send what was written, then close without the proper end: the client knows that it did not get all."""

    def on_full(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        """Call `pause` when the client lags behind by the write limit and `resume` when it caught up."""

    @property
    def started(self) -> bool:
        """Whether a head was sent."""


class Request(msgspec.Struct, frozen=True):
    """One HTTP request, its body whole. When the client goes away its handler's task is cancelled."""

    method: str
    path: str
    """Percent-encoded as received, without the query."""
    query: str
    headers: dict[bytes, bytes]
    """Lower-case names; lines of one name joined by `, ` (cookie: `; `). Not to be changed: requests may share it."""
    body: bytes
    peer: str
    """Address of the client's socket."""


Handler = Callable[[Request, Sink], Awaitable[None]]
"""`async def handle(request, sink)`: knows no server. Returns after `end()` or `abort()`."""

Answer = tuple[int, Headers, bytes]
"""A short whole answer: status, headers, body."""

Screen = Callable[[Request], Answer | None]
"""Looks at a request whose body has not been read (it is empty here) and may refuse it. Must be quick, and answer the
same head in the same way: it is not asked again where a connection repeats its head."""

Refuse = Callable[[int, str, str, str | None], tuple[Headers, bytes]]
"""`(status, code, message, path or None)` to headers and body: the front's own refusals in the caller's dialect."""


def refuse_in_json(status: int, code: str, message: str, path: str | None) -> tuple[Headers, bytes]:
    """The plain refusal: `{"error": {"code", "message"}}`."""
    body = msgspec.json.encode({"error": {"code": code, "message": message}})
    return ((b"content-type", b"application/json"),), body
