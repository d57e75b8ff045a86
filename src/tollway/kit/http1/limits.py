"""How much a client may ask of the server, and for how long."""

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Every bound of the server. Times are checked by a sweep four times a second, so they may run 0.25 s over."""

    max_header_bytes: int = 64 * 1024
    """Request line and headers, bytes; also the trailers of a chunked body."""
    max_headers: int = 100
    max_body: int = 128 * 1024 * 1024
    """Request body, bytes."""
    max_pipelined: int = 64
    """Requests of one connection that may wait behind the one being answered."""
    max_connections: int = 10_000
    header_timeout_s: float = 10.0
    """From a request's first byte (or a new connection) to the end of its head."""
    body_timeout_s: float = 30.0
    """Longest silence while a body is on its way."""
    idle_timeout_s: float = 75.0
    """How long a connection may stay without a request."""
    write_timeout_s: float = 30.0
    """How long a client may take nothing of what waits for it."""
    linger_s: float = 2.0
    """How long a refused client may go on sending before the connection is cut."""
    write_high_water: int = 64 * 1024
    """Unsent bytes at which the answer's source is told to pause."""
