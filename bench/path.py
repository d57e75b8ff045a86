"""The request path without any input or output: microseconds of handler per call, and per streamed chunk.

    python bench/path.py

Everything on (auth, limits, plan, hold, settle, receipt, journal); the client and the provider are stand-ins that
cost nothing. Repeats within a few percent, so it shows what a change of the code costs before any socket is opened.
"""

import asyncio
import cProfile
import pstats
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.load import body_of
from bench.mock import OPENAI_CHUNK, OPENAI_LAST, WHOLE_OPENAI
from tollway.core.money import NanoUsd
from tollway.gateway.app import Hub
from tollway.gateway.stock import known_providers
from tollway.kit.http1.wire import Headers, Inbound, Outbound, Request
from tollway.settings import Vendor, load

CALLS = 4000
CHUNKS = 20_000


def vendors() -> list[Vendor]:
    """What settings must know of the providers."""
    return [Vendor(p.name, p.key_env, p.base_env, p.base_url, p.needs_key) for p in known_providers().values()]


class Answer:
    """A canned answer."""

    status = 200

    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces = pieces
        kind = b"text/event-stream" if len(pieces) > 1 else b"application/json"
        self.headers: Headers = ((b"content-type", kind),)

    async def read(self) -> bytes:
        return self.pieces[0]

    async def pump(self, on_data: Callable[[bytes], None]) -> None:
        for piece in self.pieces:
            on_data(piece)

    def stop_pump(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def close(self) -> None: ...


class Provider:
    """An upstream that answers at once."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces = pieces

    async def send(self, _request: Outbound) -> Inbound:
        return Answer(self.pieces)

    async def close(self) -> None: ...


class Client:
    """A sink that forgets."""

    started = False
    status = 0

    def head(self, status: int, _headers: Headers, length: int | None = None) -> None:
        self.started, self.status = True, status

    def whole(self, status: int, _headers: Headers, _body: bytes) -> None:
        self.started, self.status = True, status

    def write(self, data: bytes) -> None: ...
    def end(self, last: bytes = b"") -> None: ...
    def abort(self) -> None: ...
    def on_full(self, pause: Callable[[], None], resume: Callable[[], None]) -> None: ...


async def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        environ = {"TOLLWAY_DATA_DIR": folder, "OPENAI_API_KEY": "sk-x", "ANTHROPIC_API_KEY": "x"}
        hub = Hub(load(environ, {}, vendors(), Path(folder)))
        await hub.start()
        newcomers = hub.newcomers()
        user, key = await newcomers.users.create("bench@localhost")
        await hub.ledger.grant(user.id, NanoUsd(10**17), "topup", "bench", "bench")
        await measure(hub, key.api_key)
        await hub.close()


async def measure(hub: Hub, key: str) -> None:
    """Both figures."""
    whole, stream = (body_of("gpt-5-mini", 1024, is_stream, "openai") for is_stream in (False, True))
    headers = {
        b"host": b"localhost", b"authorization": b"Bearer " + key.encode(), b"content-type": b"application/json",
        b"user-agent": b"bench", b"accept": b"*/*",
    }  # fmt: skip
    dispatcher = hub.front.gateway.dispatcher
    dispatcher._outside = Provider([WHOLE_OPENAI])
    ask = Request("POST", "/v1/chat/completions", "", headers, whole, "127.0.0.1")
    best = min([await rate(hub, ask, CALLS) for _ in range(4)])
    print(f"whole answer   {best * 1e6 / CALLS:7.2f} µs")
    pieces = [OPENAI_CHUNK % time.monotonic_ns() for _ in range(CHUNKS)]
    dispatcher._outside = Provider([*pieces, OPENAI_LAST])
    ask = Request("POST", "/v1/chat/completions", "", headers, stream, "127.0.0.1")
    best = min([await rate(hub, ask, 1) for _ in range(3)])
    print(f"streamed chunk {best * 1e6 / CHUNKS:7.2f} µs")


async def rate(hub: Hub, ask: Request, calls: int) -> float:
    """Seconds for so many calls, one after the other."""
    client = Client()
    await hub.front.handle(ask, client)
    assert client.status == 200, client.status
    profile = cProfile.Profile() if "--profile" in sys.argv else None
    started_s = time.thread_time()
    if profile:
        profile.enable()
    for _ in range(calls):
        await hub.front.handle(ask, Client())
    took_s = time.thread_time() - started_s
    if profile:
        profile.disable()
        pstats.Stats(profile).sort_stats("tottime").print_stats(40)
    await hub.ledger.flush()
    return took_s


if __name__ == "__main__":
    asyncio.run(main())
