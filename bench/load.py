"""A load generator for the benchmarks: a closed loop of whole answers, and many paced streams at once.

    python bench/load.py --url http://127.0.0.1:8080/v1/chat/completions --key inf_… --model gpt-5-mini whole --connections 32 --seconds 5
    python bench/load.py … streams --connections 300

Prints one JSON object. Refuses any host but the loopback.
"""

import argparse
import asyncio
import json
import sys
import time
from urllib.parse import urlsplit

WORDS = "Consider the following text and answer in one short sentence. "


def body_of(model: str, size: int, stream: bool, dialect: str) -> bytes:
    """A chat request of about `size` bytes."""
    text = (WORDS * (size // len(WORDS) + 1))[: max(16, size - 120)]
    asked: dict[str, object] = {"model": model, "max_tokens": 256, "messages": [{"role": "user", "content": text}]}
    if dialect == "openai" and model.startswith("gpt-5"):
        asked["max_completion_tokens"] = asked.pop("max_tokens")
    if stream:
        asked["stream"] = True
    return json.dumps(asked, separators=(",", ":")).encode()


def request_of(url: str, key: str, body: bytes) -> bytes:
    """The whole request as bytes, with the header lines an SDK sends."""
    parts = urlsplit(url)
    return (
        f"POST {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\naccept: application/json\r\n"
        f"accept-encoding: gzip, deflate\r\nauthorization: Bearer {key}\r\nx-api-key: {key}\r\n"
        f"anthropic-version: 2023-06-01\r\ncontent-type: application/json\r\nuser-agent: bench/1\r\n"
        f"x-stainless-lang: python\r\nx-stainless-retry-count: 0\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode() + body


class Client:
    """One connection. Knows just enough HTTP to see where an answer ends."""

    def __init__(self, request: bytes, again: bool) -> None:
        self.request, self.again = request, again
        self.done = asyncio.get_running_loop().create_future()
        self.buffer = b""
        self.statuses: dict[str, int] = {}
        self.latencies: list[float] = []
        self.first_s: list[float] = []
        self.travel_ns: list[int] = []
        self.chunks = 0
        self.failed = ""

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self._ask()

    def _ask(self) -> None:
        self.sent_s, self.buffer, self.head = time.perf_counter(), b"", b""
        self.transport.write(self.request)

    def pause_writing(self) -> None:
        return

    def resume_writing(self) -> None:
        return

    def eof_received(self) -> None:
        return

    def connection_lost(self, _error: Exception | None) -> None:
        self.failed = self.failed or "connection lost"
        if not self.done.done():
            self.done.set_result(None)

    def data_received(self, data: bytes) -> None:
        if not self.head:
            data = self.buffer + data
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self.buffer = data
                return
            self.head, data = data[:end].lower(), data[end + 4 :]
            status = data_status(self.head)
            self.statuses[status] = self.statuses.get(status, 0) + 1
            at = self.head.find(b"content-length:")
            self.left = int(self.head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else -1
            self.tail = b""
            self.started = False
        if self.left >= 0:
            self.left -= len(data)
            if self.left <= 0:
                self._answered()
            return
        self._stream(data)

    def _stream(self, data: bytes) -> None:
        now_ns = time.monotonic_ns()
        marks = (self.tail + data).split(b"@")
        for mark in marks:
            if len(mark) == 19 and mark.isdigit():
                if not self.started:
                    self.started = True
                    self.first_s.append(time.perf_counter() - self.sent_s)
                self.chunks += 1
                self.travel_ns.append(now_ns - int(mark))
        kept = self.tail + data
        at = kept.rfind(b"@")
        self.tail = kept[at:] if 0 <= at and len(kept) - at < 20 and len(marks) % 2 == 0 else b""
        if (self.tail_end(data)).endswith(b"0\r\n\r\n"):
            self._answered()

    def tail_end(self, data: bytes) -> bytes:
        """The last bytes seen, across reads."""
        self.last = (getattr(self, "last", b"") + data)[-16:]
        return self.last

    def _answered(self) -> None:
        self.latencies.append(time.perf_counter() - self.sent_s)
        if self.again and not self.done.done():
            self._ask()
        elif not self.done.done():
            self.done.set_result(None)


def data_status(head: bytes) -> str:
    """The three digits of a status line."""
    return head[9:12].decode()


def percentile(values: list[float], share: float) -> float:
    """The value below which `share` of them lie; 0 when there are none."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else 0.0


async def run(asked: argparse.Namespace) -> dict[str, object]:
    """Make the load; the figures."""
    parts = urlsplit(asked.url)
    if parts.hostname not in ("127.0.0.1", "localhost"):
        raise SystemExit("this load generator only speaks to the loopback")
    streaming = asked.mode == "streams"
    request = request_of(asked.url, asked.key, body_of(asked.model, asked.size, streaming, asked.dialect))
    loop = asyncio.get_running_loop()
    clients: list[Client] = []
    for number in range(asked.connections):
        _, client = await loop.create_connection(lambda: Client(request, not streaming), parts.hostname, parts.port)  # type: ignore[arg-type]
        clients.append(client)
        if streaming and asked.spread_ms:
            await asyncio.sleep(asked.spread_ms / 1000 / asked.connections)
        del number
    started_s = time.perf_counter()
    if streaming:
        await asyncio.wait([client.done for client in clients], timeout=asked.seconds)
    else:
        await asyncio.sleep(asked.seconds)
    took_s = time.perf_counter() - started_s
    for client in clients:
        client.failed = client.failed or "stopped"
        client.transport.abort()
    return figures(clients, took_s)


def figures(clients: list[Client], took_s: float) -> dict[str, object]:
    """What was seen."""
    latencies = [value for client in clients for value in client.latencies]
    first = [value for client in clients for value in client.first_s]
    travel = [value / 1e3 for client in clients for value in client.travel_ns]
    statuses: dict[str, int] = {}
    for client in clients:
        for status, count in client.statuses.items():
            statuses[status] = statuses.get(status, 0) + count
    return {
        "answers": len(latencies),
        "seconds": round(took_s, 3),
        "per_second": round(len(latencies) / took_s, 1),
        "statuses": statuses,
        "p50_us": round(percentile(latencies, 0.5) * 1e6, 1),
        "p99_us": round(percentile(latencies, 0.99) * 1e6, 1),
        "chunks": sum(client.chunks for client in clients),
        "first_p50_us": round(percentile(first, 0.5) * 1e6, 1),
        "first_p99_us": round(percentile(first, 0.99) * 1e6, 1),
        "travel_p50_us": round(percentile(travel, 0.5), 1),
        "travel_p99_us": round(percentile(travel, 0.99), 1),
    }


def main() -> None:
    """Read the arguments, run, print."""
    options = argparse.ArgumentParser()
    options.add_argument("mode", choices=["whole", "streams"])
    options.add_argument("--url", required=True)
    options.add_argument("--key", default="none")
    options.add_argument("--model", default="gpt-5-mini")
    options.add_argument("--dialect", default="openai", choices=["openai", "anthropic"])
    options.add_argument("--size", type=int, default=1024)
    options.add_argument("--connections", type=int, default=32)
    options.add_argument("--seconds", type=float, default=5.0)
    options.add_argument("--spread-ms", type=float, default=1000.0)
    import uvloop

    json.dump(uvloop.run(run(options.parse_args())), sys.stdout)
    print()


if __name__ == "__main__":
    main()
