"""A gateway process in front of moody providers, and callers who come at a steady pace."""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
from tests.journeys.hub import Hub

from bench.process import surroundings
from bench.weather.moods import Mood, Note
from tollway.kit.http1.client import Client
from tollway.kit.http1.wire import Outbound, UpstreamError

MODEL = "gpt-5-mini"
ROOT = Path(__file__).resolve().parents[2]


class Told(msgspec.Struct):
    """What one caller got."""

    call: str
    at_s: float
    status: int
    whole: bool = False
    """An answer with its proper end."""
    first_s: float = 0.0
    """To its first word."""
    said: bytes = b""


@dataclass
class Scene:
    """Everything that runs."""

    hub: Hub
    control: str
    client: Client
    key: str

    async def moods(self, moods: Mapping[str, Mood]) -> None:
        """The named providers are like this from now on."""
        await self._control(b"POST", msgspec.json.encode(moods))

    async def notes(self) -> list[Note]:
        """What the providers have noted since they were last asked."""
        return msgspec.json.decode(await self._control(b"GET", b""), type=list[Note])

    async def _control(self, method: bytes, body: bytes) -> bytes:
        inbound = await self.client.send(Outbound(self.control, b"/", (), body, method=method))
        return await inbound.read()

    async def ask(self, call: str, stream: bool) -> Told:
        """One call; never raises for what the gateway does."""
        told = Told(call, time.monotonic(), 0)
        body = {"model": MODEL, "stream": stream, "messages": [{"role": "user", "content": call}]}
        lines = ((b"authorization", b"Bearer " + self.key.encode()), (b"content-type", b"application/json"))
        outbound = Outbound(self.hub.url, b"/v1/chat/completions", lines, json.dumps(body).encode())
        pieces: list[bytes] = []

        def heard(data: bytes) -> None:
            if not told.first_s and b'"content"' in data:
                told.first_s = time.monotonic() - told.at_s
            pieces.append(data)

        try:
            inbound = await self.client.send(outbound)
            told.status = inbound.status
            try:
                await inbound.pump(heard)
            finally:
                inbound.close()
        except UpstreamError:
            pass
        told.said = b"".join(pieces)
        told.whole = told.status == 200 and (b"data: [DONE]" in told.said if stream else b'"choices"' in told.said)
        return told

    async def crowd(self, first: int, calls: int, a_second: float, streams: int = 2) -> list[Told]:
        """`calls` callers at a steady pace, of whom each `streams`-th wants a stream."""
        began_s, asked = time.monotonic(), []
        for number in range(first, first + calls):
            wait_s = began_s + (number - first) / a_second - time.monotonic()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            asked.append(asyncio.ensure_future(self.ask(f"call {number}", number % streams == 0)))
        return await asyncio.gather(*asked)


def channels(ports: Mapping[str, int], weights: Mapping[str, int] | None = None) -> str:
    """tollway.toml with one channel for each provider, all of one priority."""
    shares = weights or {}
    return "".join(
        f'[[channels]]\nid = "{name}"\nprovider = "openai"\nkey = "sk-{name}"\nweight = {shares.get(name, 1)}\n'
        f'base_url = "http://127.0.0.1:{port}/v1"\n\n'
        for name, port in ports.items()
    )


@contextmanager
def scene(names: Sequence[str], more: str = "", weights: Mapping[str, int] | None = None) -> Iterator[Scene]:
    """The providers and a gateway on a fresh folder; `more` is appended to its tollway.toml."""
    command = [sys.executable, "-m", "bench.weather.moods", *names]
    environ = surroundings({"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"})
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(command, env=environ, stdout=subprocess.PIPE) as mock,
    ):
        try:
            assert mock.stdout is not None
            control, *ports = mock.stdout.readline().decode().split()
            toml = channels(dict(zip(names, map(int, ports), strict=True)), weights) + more
            hub = Hub(Path(folder), {"TOLLWAY_KEYS_FIRST_CREDITS": "100000000", "PYTHONPATH": str(ROOT / "src")}, toml)
            hub.start()
            try:
                key = json.loads((Path(folder) / "first-run.json").read_text(encoding="utf-8"))["api_key"]
                yield Scene(hub, f"http://127.0.0.1:{control}", Client(), key)
            finally:
                hub.stop()
        finally:
            mock.kill()
