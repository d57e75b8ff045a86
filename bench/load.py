"""A load generator for the benchmarks: a closed loop of whole answers, and many paced streams at once.

    python -m bench.load --url http://127.0.0.1:8080/v1/chat/completions --key inf_… whole --connections 32 --seconds 5
    python -m bench.load --url … --pid 1234 streams --connections 300 --chunks 400

Prints one JSON object; with `--pid` also what that process and its children spent while it counted. Refuses any host
but the loopback. A loop of its own on epoll, like the mock it shares a core with.
"""

import argparse
import json
import os
import select
import socket
import sys
import time
from urllib.parse import urlsplit

from bench.process import Cpu, cpu_of, resident_kb, tree

WORDS = "Consider the following text and answer in one short sentence. "
RECEIVED = 1 << 16
SETTLE_S = 0.5
"""What was left to be written when the last answer came is spent within this time, and counted."""
CONNECT_S = 20.0
ONE_IN = 8
"""Of so many reads of a stream one is timed."""


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


class Seen:
    """What all connections saw since counting began."""

    def __init__(self) -> None:
        self.forget()
        self.lost = 0
        """Chunks that streams should have brought and did not."""
        self.failures: dict[str, int] = {}
        self.ended = 0
        """Streams that came to their end, also before counting."""

    def forget(self) -> None:
        """Begin to count anew."""
        self.latencies_s: list[float] = []
        self.first_s: list[float] = []
        self.travel_ns: list[int] = []
        self.reads = self.answers = self.marks = 0

    def fail(self, why: str) -> None:
        """Something that should not be."""
        self.failures[why] = self.failures.get(why, 0) + 1


class Client:
    """One connection. Knows just enough HTTP to see where an answer ends."""

    __slots__ = ("head", "left", "marks", "open", "request", "seen", "sent_s", "sock", "tail", "unsent")

    def __init__(self, address: tuple[str, int], request: bytes, seen: Seen) -> None:
        self.request, self.seen = request, seen
        self.sock = socket.create_connection(address, CONNECT_S)
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.open = True

    def ask(self) -> bool:
        """Send the request; False when a part of it has to wait for room."""
        self.head, self.tail, self.marks, self.left = b"", b"", 0, -1
        self.sent_s = time.perf_counter()
        self.unsent = self.request
        return self.send()

    def send(self) -> bool:
        """Send what is left of the request; True when nothing is."""
        try:
            sent = self.sock.send(self.unsent)
        except BlockingIOError:
            sent = 0
        self.unsent = self.unsent[sent:] if sent < len(self.unsent) else b""
        return not self.unsent

    def take(self, data: bytes) -> bool:
        """Look at what came; True when the answer is whole."""
        if not self.head:
            data = self.tail + data
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self.tail = data
                return False
            self.head, self.tail = data[:end].lower(), b""
            if self.head[9:12] != b"200":
                self.seen.fail(f"status {self.head[9:12].decode()}")
            at = self.head.find(b"content-length:")
            self.left = int(self.head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else -1
            data = data[end + 4 :]
        if self.left >= 0:
            self.left -= len(data)
            return self.left <= 0
        return self._stream(data)

    def _stream(self, data: bytes) -> bool:
        """Each chunk carries two `@`, so that no split of the bytes can hide one."""
        marks, seen = data.count(b"@"), self.seen
        if marks:
            if not self.marks:
                seen.first_s.append(time.perf_counter() - self.sent_s)
            self.marks += marks
            seen.marks += marks
            seen.reads += 1
            if not seen.reads % ONE_IN:
                at = data.find(b"@") + 1
                if data[at + 19 : at + 20] == b"@":
                    seen.travel_ns.append(time.monotonic_ns() - int(data[at : at + 19]))
        self.tail = (self.tail + data)[-5:] if len(data) < 5 else data[-5:]
        return self.tail == b"0\r\n\r\n"


class Load:
    """All connections of one run."""

    def __init__(self, asked: argparse.Namespace) -> None:
        parts = urlsplit(asked.url)
        if parts.hostname not in ("127.0.0.1", "localhost"):
            raise SystemExit("this load generator only speaks to the loopback")
        self.asked, self.seen, self.again = asked, Seen(), asked.mode != "streams"
        self.address = ("127.0.0.1", parts.port or 80)
        body = body_of(asked.model, asked.size, asked.mode != "whole", asked.dialect)
        self.request = request_of(asked.url, asked.key, body)
        self.epoll = select.epoll()
        self.clients: dict[int, Client] = {}
        self.busy = 0

    def connect(self) -> None:
        """Open all connections, each beginning with its first request, spread over the time asked for."""
        began_s, pause_s = time.perf_counter(), self.asked.spread_s / self.asked.connections
        for number in range(self.asked.connections):
            client = Client(self.address, self.request, self.seen)
            self.clients[client.sock.fileno()] = client
            self.epoll.register(client.sock.fileno(), select.EPOLLIN)
            self._ask(client)
            self.busy += 1
            self.until(began_s + (number + 1) * pause_s)

    def until(self, end_s: float, idle: bool = False) -> None:
        """Serve all connections until that moment; with `idle` until none waits for an answer, if that is sooner."""
        clients, poll, awake = self.clients, self.epoll.poll, self.asked.awake
        while (left_s := end_s - time.perf_counter()) > 0 and not (idle and not self.busy):
            ready = poll(0 if awake else left_s, 256)
            if awake and not ready:
                os.sched_yield()
            for fd, event in ready:
                client = clients[fd]
                if event & select.EPOLLOUT and client.send():
                    self.epoll.modify(fd, select.EPOLLIN)
                if event & ~select.EPOLLOUT:
                    self._receive(client)

    def _receive(self, client: Client) -> None:
        try:
            data = client.sock.recv(RECEIVED)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lost(client)
        elif client.take(data):
            self._answered(client)

    def _lost(self, client: Client) -> None:
        self.seen.fail("connection lost")
        self.epoll.unregister(client.sock.fileno())
        client.sock.close()
        client.open = False
        self.busy -= 1

    def _answered(self, client: Client) -> None:
        seen, asked = self.seen, self.asked
        seen.latencies_s.append(time.perf_counter() - client.sent_s)
        seen.answers += 1
        if asked.mode != "whole":
            seen.ended += 1
            if client.marks != 2 * asked.chunks:
                seen.lost += asked.chunks - client.marks // 2
        if self.again:
            self._ask(client)
        else:
            self.busy -= 1

    def _ask(self, client: Client) -> None:
        if not client.ask():
            self.epoll.modify(client.sock.fileno(), select.EPOLLIN | select.EPOLLOUT)

    def close(self) -> None:
        """Close every connection."""
        for client in self.clients.values():
            client.sock.close()


def percentile_us(values_s: list[float], share: float) -> float:
    """The value below which `share` of them lie, µs; 0 when there are none."""
    return round(sorted(values_s)[min(len(values_s) - 1, int(len(values_s) * share))] * 1e6, 1) if values_s else 0.0


def run(asked: argparse.Namespace) -> dict[str, object]:
    """Make the load; the figures."""
    load = Load(asked)
    seen, pids = load.seen, tree(asked.pid) if asked.pid else []
    before_kb = resident_kb(pids)
    load.connect()
    load.until(time.perf_counter() + asked.warm_s)
    began_s, began = time.perf_counter(), cpu_of(pids)
    seen.forget()
    load.until(began_s + asked.seconds)
    took_s, during_kb = time.perf_counter() - began_s, resident_kb(pids)
    counted = figures(seen, took_s)
    spent = cpu_of(pids).since(began)
    if asked.mode == "whole":
        load.again = False
        load.until(time.perf_counter() + CONNECT_S, idle=True)
        load.until(time.perf_counter() + SETTLE_S)
        spent, counted["counted"] = cpu_of(pids).since(began), seen.answers
    elif asked.mode == "streams":
        load.until(time.perf_counter() + asked.chunks * asked.pause_s + CONNECT_S, idle=True)
        counted["counted"] = counted["chunks"]
        if load.busy:
            seen.fail("not ended in time")
    load.close()
    memory = {
        "before_kb": before_kb,
        "during_kb": during_kb,
        "per_connection_kb": (during_kb - before_kb) / asked.connections,
    }
    return (
        counted
        | cpu_figures(spent, took_s, counted)
        | memory
        | {"failures": seen.failures, "lost": seen.lost, "ended": seen.ended}
    )


def figures(seen: Seen, took_s: float) -> dict[str, object]:
    """What was seen in the time counted."""
    travel_s = [value / 1e9 for value in seen.travel_ns]
    return {
        "seconds": round(took_s, 3),
        "answers": seen.answers,
        "per_second": round(seen.answers / took_s, 1),
        "p50_us": percentile_us(seen.latencies_s, 0.5),
        "p99_us": percentile_us(seen.latencies_s, 0.99),
        "chunks": seen.marks // 2,
        "chunks_per_second": round(seen.marks / 2 / took_s, 1),
        "reads": seen.reads,
        "first_p50_us": percentile_us(seen.first_s, 0.5),
        "first_p99_us": percentile_us(seen.first_s, 0.99),
        "travel_p50_us": percentile_us(travel_s, 0.5),
        "travel_p99_us": percentile_us(travel_s, 0.99),
    }


def cpu_figures(spent: Cpu, took_s: float, counted: dict[str, object]) -> dict[str, object]:
    """CPU of the watched processes per answer or chunk counted, µs, and how busy they were."""
    count = counted.get("counted") or 1
    assert isinstance(count, int)
    return {
        "cpu_us": round(spent.total_s / count * 1e6, 2),
        "user_us": round(spent.user_s / count * 1e6, 2),
        "busy": round(spent.total_s / took_s, 3),
    }


def main() -> None:
    """Read the arguments, run, print."""
    options = argparse.ArgumentParser()
    options.add_argument("mode", choices=["whole", "first", "streams"], help="first: short streams again and again")
    options.add_argument("--url", required=True)
    options.add_argument("--key", default="none")
    options.add_argument("--model", default="gpt-5-mini")
    options.add_argument("--dialect", default="openai", choices=["openai", "anthropic"])
    options.add_argument("--size", type=int, default=1024, help="bytes of the request's body")
    options.add_argument("--connections", type=int, default=32)
    options.add_argument("--warm-s", type=float, default=1.0, help="before counting begins")
    options.add_argument("--seconds", type=float, default=4.0, help="while it counts")
    options.add_argument("--spread-s", type=float, default=0.2, help="over which connections are opened")
    options.add_argument("--chunks", type=int, default=100, help="that each stream should bring")
    options.add_argument("--pause-s", type=float, default=0.02, help="between two chunks of a stream")
    options.add_argument("--awake", action="store_true", help="yield the core instead of sleeping")
    options.add_argument("--pid", type=int, default=0, help="process to watch")
    json.dump(run(options.parse_args()), sys.stdout)
    print()


if __name__ == "__main__":
    main()
