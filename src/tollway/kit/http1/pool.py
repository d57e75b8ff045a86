"""The connections to one origin: the last one used is the first one taken."""

import asyncio
import heapq
import itertools
from urllib.parse import urlsplit

from tollway.kit.http1.tunnel import parted
from tollway.kit.http1.upstream import Wire
from tollway.kit.http1.wire import Headers, Outbound

MOST_HEADS = 1024


class Pool:
    """Idle connections of one origin, and who waits for one when the limit is reached."""

    __slots__ = (
        "_arrivals", "_waiting", "heads", "host", "idle", "is_tls", "loop", "max_idle", "max_open", "opened", "port",
        "proxy", "request_tail", "wires",
    )  # fmt: skip

    def __init__(self, origin: str, max_idle: int, max_open: int) -> None:
        """Raises ValueError when `origin` is not `http[s]://host[:port]`, perhaps through a proxy (see tunnel.py)."""
        origin, self.proxy = parted(origin)
        url = urlsplit(origin)
        if url.scheme not in ("http", "https") or not url.hostname or url.path not in ("", "/") or url.query:
            raise ValueError(f"not an origin: {origin}")
        self.host = url.hostname
        self.is_tls = url.scheme == "https"
        self.port = url.port or (443 if self.is_tls else 80)
        authority = url.netloc.rpartition("@")[2].encode("idna" if not url.netloc.isascii() else "ascii")
        self.request_tail = b" HTTP/1.1\r\nhost: %b\r\n" % authority
        self.loop = asyncio.get_running_loop()
        self.heads: dict[tuple[bytes, Headers, bytes], bytes] = {}
        """Heads of requests by target, headers and method: the same few are sent again and again."""
        self.max_idle = max_idle
        self.max_open = max_open
        self.opened = 0
        """Connections open or being opened."""
        self.wires: set[Wire] = set()
        """Every connection that stands."""
        self.idle: list[Wire] = []
        self._waiting: list[tuple[int, int, asyncio.Future[Wire | None]]] = []
        """Who waits, as a heap: (priority turned round, arrival, what wakes him)."""
        self._arrivals = itertools.count()

    def learn(self, outbound: Outbound) -> bytes:
        """The head of a request, also of those to come. Raises ValueError when it would break the framing."""
        head = request_head(outbound, self.request_tail)
        if len(self.heads) >= MOST_HEADS:
            self.heads.clear()
        self.heads[outbound.target, outbound.headers, outbound.method] = head
        return head

    def take(self) -> Wire | None:
        """A connection ready for use, if there is one."""
        while self.idle:
            wire = self.idle.pop()
            if wire.is_usable:
                return wire
        return None

    async def turn(self, priority: int = 0) -> Wire | None:
        """Wait until a connection may be opened (None, and it is counted) or was freed (that one).

        Whoever has the higher priority comes first, and of equals whoever waits longer.
        """
        while self.opened >= self.max_open:
            freed: asyncio.Future[Wire | None] = self.loop.create_future()
            heapq.heappush(self._waiting, (-priority, next(self._arrivals), freed))
            try:
                wire = await freed
            except asyncio.CancelledError:
                self._pass_on(freed)
                raise
            if wire is not None and wire.is_usable:
                return wire
        self.opened += 1
        return None

    def _pass_on(self, freed: "asyncio.Future[Wire | None]") -> None:
        """Whoever was to have it gave up: it goes to the next."""
        if freed.done() and not freed.cancelled():
            wire = freed.result()
            if wire is None:
                self._wake(None)
            else:
                self.release(wire)

    def _wake(self, wire: Wire | None) -> bool:
        while self._waiting:
            freed = heapq.heappop(self._waiting)[2]
            if not freed.done():
                freed.set_result(wire)
                return True
        return False

    def gave_up(self) -> None:
        """A counted connection was not opened."""
        self.opened -= 1
        self._wake(None)

    # Home.

    def made(self, wire: Wire) -> None:
        """See Home."""
        self.wires.add(wire)

    def release(self, wire: Wire) -> None:
        """See Home."""
        wire.idle_since = self.loop.time()
        if self._waiting and self._wake(wire):
            return
        if len(self.idle) < self.max_idle:
            self.idle.append(wire)
        else:
            wire.transport.close()

    def forget(self, wire: Wire) -> None:
        """See Home."""
        if wire in self.idle:
            self.idle.remove(wire)

    def lost(self, wire: Wire) -> None:
        """See Home."""
        if wire in self.wires:
            self.wires.discard(wire)
            self.gave_up()


def request_head(outbound: Outbound, tail: bytes) -> bytes:
    """The request line and headers, but for the length of a body and the empty line at the end.

    Raises ValueError when a part holds a line break, or the target a space.
    """
    lines = [outbound.method, b" ", outbound.target, tail]
    is_identity = True
    for name, value in outbound.headers:
        lines.append(b"%b: %b\r\n" % (name, value))
        if name == b"accept-encoding":
            is_identity = False
    if is_identity:
        lines.append(b"accept-encoding: identity\r\n")
    count = len(lines) - 2
    head = b"".join(lines)
    if head.count(b"\n") != count or head.count(b"\r") != count or b" " in outbound.target:
        raise ValueError("a header or the target would break the request's framing")
    return head
