"""Serves a handler over HTTP/1.1 on a TCP port."""

import asyncio
import socket
import ssl

import msgspec

from tollway.kit.http1.connection import Connection, Front
from tollway.kit.http1.limits import Limits
from tollway.kit.http1.stopping import stop_all
from tollway.kit.http1.wire import Handler, Refuse, Screen, refuse_in_json

SWEEP_S = 0.25
"""How often deadlines are looked at: no timer per request."""


class Listen(msgspec.Struct, frozen=True, kw_only=True):
    """Where to listen."""

    host: str = "127.0.0.1"
    port: int = 0
    """0: the system chooses."""
    tls: ssl.SSLContext | None = None
    sock: socket.socket | None = None
    """A bound socket; host and port do not count then."""
    reuse_port: bool = False
    """Several processes may listen on the port."""


class Server:
    """A running server; see `serve`."""

    def __init__(self, front: Front, listener: asyncio.Server) -> None:
        self._front = front
        self._listener = listener
        self._sweeper = front.loop.call_later(SWEEP_S, self._sweep)
        self.port: int = listener.sockets[0].getsockname()[1]
        """The port listened on."""

    def _sweep(self) -> None:
        front = self._front
        front.tell_date()
        now = front.loop.time()
        for connection in list(front.connections):
            connection.sweep(now)
        self._sweeper = front.loop.call_later(SWEEP_S, self._sweep)

    @property
    def open_connections(self) -> int:
        """Connections held now."""
        return len(self._front.connections)

    @property
    def running_requests(self) -> int:
        """Handlers running now."""
        return len(self._front.running)

    async def drain(self, grace_s: float) -> None:
        """Stop accepting, let what is in flight finish for `grace_s` seconds, then cancel the rest."""
        front = self._front
        front.is_draining = True
        self._listener.close()
        for connection in list(front.connections):
            connection.close_if_idle()
        await self._until_idle(grace_s)
        late = [sink.task for sink in front.running if sink.task is not None]
        for connection in list(front.connections):
            connection.cut()
        await stop_all(late, max(1.0, grace_s))
        self._sweeper.cancel()

    async def _until_idle(self, grace_s: float) -> None:
        front = self._front
        deadline = front.loop.time() + grace_s
        while (front.connections or front.running) and front.loop.time() < deadline:  # noqa: ASYNC110  # two sets, once
            await asyncio.sleep(0.01)


async def serve(
    handler: Handler,
    *,
    listen: Listen | None = None,
    limits: Limits | None = None,
    refuse: Refuse = refuse_in_json,
    screen: Screen | None = None,
) -> Server:
    """Listen and serve until `drain`. `handler` is an `async def`. Raises OSError when the port is taken.

    `refuse` words the front's own refusals; `screen` may refuse a request before its body is read.
    """
    listen = listen or Listen()
    limits = limits or Limits()
    front = Front(handler, limits, refuse, screen)
    sock = listen.sock or bind(listen)
    listener = await front.loop.create_server(
        lambda: Connection(front),  # type: ignore[arg-type, return-value]  # a protocol by shape
        sock=sock,
        ssl=listen.tls,
        backlog=4096,
        ssl_handshake_timeout=limits.header_timeout_s if listen.tls else None,
    )
    return Server(front, listener)


def bind(listen: Listen) -> socket.socket:
    """A socket bound to the address, not listening yet. Raises OSError when the port is taken."""
    family, kind, proto, _, address = socket.getaddrinfo(
        listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    sock = socket.socket(family, kind, proto)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if listen.reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock
