"""The three vendors inside the process: the mocks' strict answers, bent as a test likes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.mocks.anthropic import app as anthropic_app
from tests.mocks.exchange import MockAnswer, MockRequest
from tests.mocks.gemini import app as gemini_app
from tests.mocks.openai import app as openai_app
from tollway.kit.http1.wire import Headers, Inbound, Outbound, UpstreamError
from tollway.ports import Upstream

APPS = {"api.openai.com": openai_app, "api.anthropic.com": anthropic_app}


@dataclass
class Spoken:
    """An answer on its way: its pieces, and the phase in which the wire fails behind them."""

    status: int
    headers: Headers
    pieces: Sequence[bytes]
    fails: str = ""
    on_piece: Callable[[], None] = lambda: None
    _next: int = 0
    _stopped: bool = False

    async def read(self) -> bytes:
        self._fail()
        return b"".join(self.pieces)

    async def pump(self, on_data: Callable[[bytes], None]) -> None:
        self._stopped = False
        while self._next < len(self.pieces):
            if self._stopped:
                return
            piece = self.pieces[self._next]
            self._next += 1
            if piece:
                on_data(piece)
            self.on_piece()
        if not self._stopped:
            self._fail()

    def _fail(self) -> None:
        if self.fails:
            raise UpstreamError(self.fails, f"bent: {self.fails}")

    def stop_pump(self) -> None:
        self._stopped = True

    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def close(self) -> None: ...


Bend = Callable[[MockAnswer], Spoken]


def straight(answer: MockAnswer) -> Spoken:
    """The answer as the vendor meant it."""
    pieces = answer.body if isinstance(answer.body, list) else [answer.body]
    lines = tuple((name.encode(), value.encode()) for name, value in answer.headers.items())
    return Spoken(answer.status, lines, pieces)


@dataclass
class Vendors:
    """An Upstream. `bend` shapes what a vendor answers; `refused` holds the vendors' own refusals of what we sent."""

    bend: Bend = straight
    refused: list[tuple[Outbound, MockAnswer]] = field(default_factory=list)
    asked: list[Outbound] = field(default_factory=list)
    said: list[tuple[Outbound, "Spoken"]] = field(default_factory=list)
    """What was asked, and the bent answer to it."""
    on_piece: Callable[[], None] = lambda: None

    def reset(self, bend: Bend = straight) -> None:
        """Begin anew."""
        self.bend = bend
        self.refused.clear()
        self.asked.clear()
        self.said.clear()

    async def send(self, request: Outbound) -> Inbound:
        self.asked.append(request)
        answer = say(request)
        if answer.status >= 400:
            self.refused.append((request, answer))
        spoken = self.bend(answer)
        spoken.on_piece = lambda: self.on_piece()
        self.said.append((request, spoken))
        if spoken.status == 0:
            raise UpstreamError(spoken.fails or "connect", "bent: nobody there")
        return spoken

    async def close(self) -> None: ...

    def heard(self, other: Upstream) -> Upstream:
        """Another upstream, its refusals noted here too."""
        return _Heard(other, self.refused)


@dataclass
class _Heard:
    other: Upstream
    refused: list[tuple[Outbound, MockAnswer]]

    async def send(self, request: Outbound) -> Inbound:
        answer = await self.other.send(request)
        if answer.status >= 400:
            self.refused.append((request, MockAnswer(answer.status)))
        return answer

    async def close(self) -> None: ...


def say(request: Outbound) -> MockAnswer:
    """What the vendor behind this address says."""
    host = request.origin.partition("//")[2]
    path, _, query = request.target.decode().partition("?")
    headers = {name.decode(): value.decode("latin-1") for name, value in request.headers}
    asked = MockRequest(request.method.decode(), path, query, headers, request.body, 1)
    try:
        return APPS.get(host, gemini_app)(asked)
    except (KeyError, TypeError, AttributeError, ValueError, IndexError, RecursionError) as error:
        return MockAnswer.of_json({"error": {"message": f"what is this? {error!r}"}}, 400)
