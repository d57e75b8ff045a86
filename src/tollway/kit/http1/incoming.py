"""A provider's answer in the client's hands: its head, and its body as it comes."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from tollway.kit.http1.wire import Headers, UpstreamError

BUFFER_LIMIT = 256 * 1024
"""Bytes held while nobody reads or pumps, before the provider is told to wait."""


class Source(Protocol):
    """The connection an answer comes from."""

    def hold(self, is_held: bool) -> None:
        """Stop reading from the provider, or read on."""

    def cut(self) -> None:
        """Close the connection now."""


class Incoming:
    """An Inbound."""

    __slots__ = (
        "_error", "_has_paused", "_is_reading", "_is_whole", "_limit", "_on_data", "_pieces", "_size", "_source",
        "_waiter", "headers", "status",
    )  # fmt: skip

    def __init__(self, source: Source, status: int, headers: Headers, max_body: int) -> None:
        self.status = status
        self.headers = headers
        self._source: Source | None = source
        self._limit = max_body
        self._pieces: list[bytes] = []
        self._size = 0
        self._on_data: Callable[[bytes], None] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._error: UpstreamError | None = None
        self._is_whole = False
        self._is_reading = False
        self._has_paused = False

    # The caller's side.

    async def read(self) -> bytes:
        """See Inbound."""
        self._is_reading = True
        if self._size > self._limit:
            self._outgrow()
        if not self._is_whole or self._error is not None:
            try:
                await self._until_over()
            except asyncio.CancelledError:
                self.close()
                raise
        self._size = 0
        pieces = self._pieces
        self._pieces = []
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def pump(self, on_data: Callable[[bytes], None]) -> None:
        """See Inbound."""
        if self._pieces:
            data = b"".join(self._pieces)
            self._pieces.clear()
            self._size = 0
            self._on_data = on_data
            try:
                on_data(data)
            finally:
                is_stopped = self._on_data is None
                self._on_data = None
            if is_stopped:
                return
        self._on_data = on_data
        try:
            await self._until_over()
        finally:
            self._on_data = None

    async def _until_over(self) -> None:
        """Wait for the body's end. Raises the error it ended with."""
        if self._source is not None:
            self._hold()
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        elif self._error is not None:
            raise self._error

    def stop_pump(self) -> None:
        """See Inbound."""
        if self._on_data is not None:
            self._on_data = None
            self._wake(None)

    def pause(self) -> None:
        """See Inbound."""
        self._has_paused = True
        self._hold()

    def resume(self) -> None:
        """See Inbound."""
        self._has_paused = False
        self._hold()

    def close(self) -> None:
        """See Inbound."""
        source = self._source
        if source is not None:
            self.fail(UpstreamError("reset", "closed by us before the answer was whole"))
            source.cut()
        self._pieces.clear()
        self._size = 0

    # The connection's side.

    def take(self, data: bytes) -> None:
        """A piece of the body came."""
        on_data = self._on_data
        if on_data is None:
            self._pieces.append(data)
            self._size += len(data)
            if self._is_reading:
                if self._size > self._limit:
                    self._outgrow()
            elif self._size > BUFFER_LIMIT:
                self._hold()
            return
        try:
            on_data(data)
        except Exception as error:  # noqa: BLE001  # belongs to whoever awaits `pump`, not to the event loop
            self._on_data = None
            self._wake(error)

    def whole(self, pieces: list[bytes]) -> None:
        """The body came with the head, and is whole."""
        self._pieces = pieces
        self._size = sum(map(len, pieces))
        self._is_whole = True
        self._source = None

    def finish(self) -> None:
        """The body is whole."""
        self._is_whole = True
        self._source = None
        self._wake(None)

    def fail(self, error: UpstreamError) -> None:
        """The body will not arrive whole."""
        self._source = None
        self._error = error
        self._wake(error)

    @property
    def is_held(self) -> bool:
        """Whether the provider waits for us."""
        return self._has_paused or (self._size > BUFFER_LIMIT and not self._is_reading and self._on_data is None)

    def _outgrow(self) -> None:
        source = self._source
        self._pieces.clear()
        self._size = 0
        self.fail(UpstreamError("too_large", f"the answer is larger than {self._limit} bytes"))
        if source is not None:
            source.cut()

    def _hold(self) -> None:
        if self._source is not None:
            self._source.hold(self.is_held)

    def _wake(self, error: Exception | None) -> None:
        waiter = self._waiter
        if waiter is None or waiter.done():
            return
        if error is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(error)
