"""An upstream inside the process: carries the parrot's answers as a provider's wire would."""

import asyncio
import time
from collections.abc import Callable

from tollway.backends.memory.parrot import Refused, Wanted, listen
from tollway.backends.memory.speech import error_body, stream_pieces, whole_body
from tollway.backends.memory.vectors import embed
from tollway.kit.http1.wire import Headers, Inbound, Outbound, UpstreamError

_JSON = ((b"content-type", b"application/json"),)
_SSE = ((b"content-type", b"text/event-stream; charset=utf-8"),)
_RETRY = ((b"retry-after", b"1"),)


class EchoUpstream:
    """Answers OpenAI chat requests by repeating them (see `parrot`), and embedding requests with the words that are in
    them (see `vectors`); deterministic but for `created`."""

    def __init__(self, now_s: Callable[[], float] = time.time) -> None:
        self._now_s = now_s

    async def send(self, request: Outbound) -> Inbound:
        """The parrot's answer. Never raises UpstreamError here: `[[error:STATUS]]` answers with that status."""
        try:
            if request.target.endswith(b"/embeddings"):
                body, delay_s = embed(request.body)
                return EchoInbound(200, _JSON, [body], delay_s)
            wanted = listen(request.body)
        except Refused as refused:
            headers = _JSON + _RETRY if refused.status in (429, 503) else _JSON
            return EchoInbound(refused.status, headers, [error_body(refused)], 0.0)
        return self._answer(wanted)

    async def close(self) -> None:
        """Nothing to close."""

    def _answer(self, wanted: Wanted) -> Inbound:
        created = int(self._now_s())
        if wanted.stream:
            return EchoInbound(200, _SSE, stream_pieces(wanted, created), wanted.delay_s)
        return EchoInbound(200, _JSON, [whole_body(wanted, created)], wanted.delay_s)


class EchoInbound:
    """An answer told piece by piece, each after `delay_s`."""

    def __init__(self, status: int, headers: Headers, pieces: list[bytes], delay_s: float) -> None:
        self.status, self.headers = status, headers
        self._pieces, self._delay_s, self._next = pieces, delay_s, 0
        self._stopped = self._closed = False
        self._flowing = asyncio.Event()
        self._flowing.set()

    async def read(self) -> bytes:
        """What is left of the body."""
        rest: list[bytes] = []
        await self.pump(rest.append)
        return b"".join(rest)

    async def pump(self, on_data: Callable[[bytes], None]) -> None:
        """Tell the pieces not told yet. Raises UpstreamError once closed."""
        self._stopped = False
        while self._next < len(self._pieces) and not self._stopped:
            await asyncio.sleep(self._delay_s)
            await self._flowing.wait()
            if self._closed:
                raise UpstreamError("reset", "the answer was closed before its end")
            piece = self._pieces[self._next]
            self._next += 1
            on_data(piece)

    def stop_pump(self) -> None:
        """Return from `pump` after this piece."""
        self._stopped = True

    def pause(self) -> None:
        """Tell nothing for now."""
        self._flowing.clear()

    def resume(self) -> None:
        """Tell on."""
        self._flowing.set()

    def close(self) -> None:
        """Forget the rest."""
        self._closed = True
        self._flowing.set()
