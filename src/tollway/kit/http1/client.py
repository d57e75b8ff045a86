"""Sends requests to providers over kept HTTP/1.1 connections."""

import asyncio
import socket
import ssl
from typing import Any, cast

from tollway.kit.http1.incoming import Incoming
from tollway.kit.http1.pool import Pool
from tollway.kit.http1.tunnel import Proxy, open_tunnel
from tollway.kit.http1.upstream import StaleConnection, Wire
from tollway.kit.http1.wire import Outbound, UpstreamError

SWEEP_S = 0.25
"""How often deadlines are looked at: no timer per request, and a limit may run this much over."""


class Client:
    """A pool of connections per origin. Use it from one event loop; `close` it there."""

    def __init__(
        self,
        *,
        max_idle_per_origin: int = 200,
        max_per_origin: int = 1000,
        idle_max_age_s: float = 50.0,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        """Without `ssl_context`, certificates are checked against the system's authorities."""
        self._max_idle = max_idle_per_origin
        self._max_open = max_per_origin
        self._idle_max_age_s = idle_max_age_s
        self._ssl = ssl_context
        self._pools: dict[str, Pool] = {}
        self._sweeper: asyncio.TimerHandle | None = None
        self._is_closed = False

    async def send(self, outbound: Outbound) -> Incoming:
        """Send one request; returns when the answer's head is there.

        A kept connection that proves dead before one byte came back is replaced once. Raises UpstreamError; ValueError
        for a header or target that would break the framing.
        """
        pool = self._pools.get(outbound.origin) or self._add_pool(outbound.origin)
        head = pool.heads.get((outbound.target, outbound.headers, outbound.method)) or pool.learn(outbound)
        wire = pool.take()
        if wire is not None:
            try:
                return await wire.ask(outbound, head)
            except StaleConnection:
                pass
        wire = await self._connect(pool, outbound.connect_timeout_s, outbound.priority)
        return await wire.ask(outbound, head)

    async def close(self) -> None:
        """Close every connection; answers in flight fail."""
        self._is_closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for pool in self._pools.values():
            for wire in list(pool.wires):
                wire.transport.abort()
        await asyncio.sleep(0)  # the transports report their end on the next tick

    @property
    def open_connections(self) -> int:
        """Connections held now, idle or in use."""
        return sum(len(pool.wires) for pool in self._pools.values())

    def _add_pool(self, origin: str) -> Pool:
        try:
            pool = Pool(origin, self._max_idle, self._max_open)
        except ValueError as error:
            raise UpstreamError("connect", str(error)) from None
        self._pools[origin] = pool
        return pool

    async def _connect(self, pool: Pool, timeout_s: float, priority: int) -> Wire:
        """A connection of this origin: a new one, or one that came free while waiting for the limit."""
        if self._is_closed:
            raise UpstreamError("connect", "the client is closed")
        phase = "connect"
        try:
            async with asyncio.timeout(timeout_s):
                wire = await pool.turn(priority)
                if wire is not None:
                    return wire
                wire = Wire(pool)
                try:
                    sock = await dial(pool.host, pool.port, timeout_s, pool.proxy)
                    phase = "tls" if pool.is_tls else "connect"
                    await self._attach(wire, sock, pool)
                except BaseException:
                    if wire not in pool.wires:
                        pool.gave_up()
                    raise
        except TimeoutError:
            raise UpstreamError(phase, f"no connection to {pool.host}:{pool.port} in {timeout_s} s") from None
        except (OSError, UnicodeError) as error:
            raise UpstreamError(phase, f"no connection to {pool.host}:{pool.port}: {error}") from error
        if self._is_closed:
            wire.transport.abort()
        self._keep_sweeping()
        return wire

    async def _attach(self, wire: Wire, sock: socket.socket, pool: Pool) -> None:
        context = self._tls() if pool.is_tls else None
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: cast(asyncio.Protocol, wire),
                sock=sock,
                ssl=context,
                server_hostname=pool.host if context is not None else None,
            )
        except BaseException:
            sock.close()
            raise

    def _tls(self) -> ssl.SSLContext:
        if self._ssl is None:
            self._ssl = ssl.create_default_context()
            self._ssl.set_alpn_protocols(["http/1.1"])
        return self._ssl

    def _keep_sweeping(self) -> None:
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(SWEEP_S, self._sweep)

    def _sweep(self) -> None:
        self._sweeper = None
        now = asyncio.get_running_loop().time()
        for pool in self._pools.values():
            for wire in list(pool.wires):
                wire.sweep(now, self._idle_max_age_s)
        if self.open_connections:
            self._keep_sweeping()


async def dial(host: str, port: int, timeout_s: float, proxy: Proxy | None = None) -> socket.socket:
    """A connected socket: the host's addresses in turn, half of the time left for each but the last. Raises OSError."""
    if proxy is not None:
        sock = await dial(proxy.host, proxy.port, timeout_s)
        try:
            await open_tunnel(sock, proxy, host, port)
        except BaseException:
            sock.close()
            raise
        return sock
    loop = asyncio.get_running_loop()
    addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    error = OSError(f"no address for {host}")
    deadline = loop.time() + timeout_s
    for place, (family, kind, proto, _, address) in enumerate(addresses, 1):
        left = deadline - loop.time()
        try:
            async with asyncio.timeout(left if place == len(addresses) else left / 2):
                return await dial_one(socket.socket(family, kind, proto), address)
        except OSError as failure:
            error = failure
    raise error


async def dial_one(sock: socket.socket, address: Any) -> socket.socket:
    """Connect `sock`; closes it when that fails."""
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock
