"""Counts the calls that go to engines, from the moment they are sent until they are over."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from tollway.gateway.engines.load import Busy, Ours
from tollway.kit.http1.wire import Headers, Inbound, Outbound
from tollway.ports import Upstream

BYTES_PER_TOKEN = 4
"""Of a request's body."""
Watched = tuple[tuple[bytes, Busy], ...]
"""What requests to one origin begin with, and the engine behind it."""


class Watch:
    """An Upstream that tells each engine of our own calls to it; requests to anybody else pass as they are."""

    def __init__(self, upstream: Upstream, now_s: Callable[[], float]) -> None:
        self._upstream, self._now_s = upstream, now_s
        self._engines: Mapping[str, Watched] = {}

    def over(self, engines: Mapping[str, Watched]) -> None:
        """Watch over these from now on, by origin."""
        self._engines = engines

    def send(self, request: Outbound) -> Coroutine[Any, Any, Inbound]:
        """See Upstream."""
        engines = self._engines.get(request.origin)
        if engines is not None and request.method == b"POST":
            for prefix, busy in engines:
                if request.target.startswith(prefix):
                    return self._counted(request, busy)
        return self._upstream.send(request)

    async def _counted(self, request: Outbound, busy: Busy) -> Inbound:
        ours = busy.began(len(request.body) // BYTES_PER_TOKEN, self._now_s())
        try:
            inbound = await self._upstream.send(request)
        except BaseException:
            busy.ended(ours, self._now_s(), whole=False)
            raise
        return Heard(inbound, busy, ours, self._now_s)

    async def close(self) -> None:
        """See Upstream."""
        await self._upstream.close()


class Heard:
    """An Inbound that notes its first word and its end."""

    __slots__ = ("_busy", "_inbound", "_now_s", "_on_data", "_ours", "_whole", "headers", "status")

    def __init__(self, inbound: Inbound, busy: Busy, ours: Ours, now_s: Callable[[], float]) -> None:
        self.status: int = inbound.status
        self.headers: Headers = inbound.headers
        self._inbound, self._busy, self._ours, self._now_s = inbound, busy, ours, now_s
        self._on_data: Callable[[bytes], None] | None = None
        self._whole = False

    async def read(self) -> bytes:
        """See Inbound."""
        data = await self._inbound.read()
        self._whole = self.status == 200
        return data

    async def pump(self, on_data: Callable[[bytes], None]) -> None:
        """See Inbound."""
        self._on_data = on_data
        await self._inbound.pump(self._hear if self._ours.spoken_s is None else on_data)
        self._whole = True

    def _hear(self, data: bytes) -> None:
        if self._ours.spoken_s is None:
            self._busy.spoke(self._ours, self._now_s())
        if self._on_data is not None:
            self._on_data(data)

    def stop_pump(self) -> None:
        """See Inbound."""
        self._inbound.stop_pump()

    def pause(self) -> None:
        """See Inbound."""
        self._inbound.pause()

    def resume(self) -> None:
        """See Inbound."""
        self._inbound.resume()

    def close(self) -> None:
        """See Inbound."""
        self._inbound.close()
        self._busy.ended(self._ours, self._now_s(), self._whole)
