"""The mock provider: behaves as the story says and keeps an exact account of what it delivered, written as it goes.

    python -m bench.books.provider --port 9100 --seed 1 --calls 600 --account provider.jsonl

Each attempt has a line when it begins and one when it ends: pieces and usage in it were handed to the system for
sending, so nobody downstream can have seen more. `/openai-a/…`, `/gemini-b/…` and so on are the channels.
"""

import argparse
import asyncio
import functools
import json
import re
import signal
import time
from collections import Counter
from pathlib import Path
from typing import IO, Any

from bench.books import wires
from bench.books.story import CHANNELS, Call, Deed, story

MARK = re.compile(rb"\[b(\d{6})\]")
SILENCE_S = 30.0
"""How long a provider that hangs keeps its connection open."""
RETRY_AFTER_S = 1
HEAD = b"HTTP/1.1 %d %s\r\ncontent-type: %s\r\n"
JSON, EVENTS = b"application/json", b"text/event-stream"


class Attempt:
    """One request as the account remembers it."""

    __slots__ = ("account", "call", "channel", "kind", "line")

    def __init__(self, account: "Account", call: Call, channel: str, kind: str, stream: bool) -> None:
        self.account = account
        self.line: dict[str, Any] = {
            "call": call.number, "attempt": account.asked[call.number], "channel": channel, "kind": kind,
            "stream": stream, "begun": time.time(), "pieces": 0, "first": False, "told": None, "whole": False,
        }  # fmt: skip
        account.asked[call.number] += 1
        account.write({"began": call.number, "attempt": self.line["attempt"], "channel": channel, "at": time.time()})

    def ended(self) -> None:
        """Nothing more will be sent."""
        self.line["ended"] = time.time()
        self.account.write(self.line)


class Account:
    """What was delivered, in a file."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self.asked: Counter[int] = Counter()

    def write(self, line: dict[str, Any]) -> None:
        """One line, out of our hands when this returns."""
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()


class Connection(asyncio.Protocol):
    """One keep-alive connection with one request at a time."""

    transport: asyncio.Transport

    def __init__(self, calls: tuple[Call, ...], account: Account, tasks: set[asyncio.Task[None]]) -> None:
        self._calls, self._account, self._tasks = calls, account, tasks
        self._data = b""
        self._open = True
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """The gateway hung up: nothing more will be sent."""
        self._open = False
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        """Answer when the request is whole."""
        self._data += data
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._data[:end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self._data) < end + 4 + length:
            return
        target, body, self._data = self._data.split(b" ", 2)[1], self._data[end + 4 :], b""
        self._task = asyncio.get_running_loop().create_task(self._answer(target.decode(), body))
        self._tasks.add(self._task)
        self._task.add_done_callback(self._tasks.discard)

    async def _answer(self, target: str, body: bytes) -> None:
        found = MARK.search(body)
        channel = target.split("/")[1]
        if found is None or channel not in CHANNELS:
            self._whole(404, b"{}")
            return
        call = self._calls[int(found[1])]
        dialect, asked = channel.partition("-")[0], json.loads(body)
        stream = bool(asked.get("stream")) or "stream" in target
        deed = call.deed(self._account.asked[call.number])
        model = asked.get("model") or target.rpartition("/")[2].partition(":")[0]
        busy = bool(call.storm) and channel.startswith(call.storm)
        attempt = Attempt(self._account, call, channel, "busy" if busy else deed.kind, stream)
        try:
            if busy:
                self._whole(429, wires.error(dialect, 429, "slow down"), b"retry-after: %d\r\n" % RETRY_AFTER_S)
            elif not await self._refuses(dialect, deed, stream):
                say = self._stream if stream else self._in_one_piece
                await say(dialect, model, deed, attempt)
        finally:
            attempt.ended()

    async def _refuses(self, dialect: str, deed: Deed, stream: bool) -> bool:
        """Whether the deed was to say nothing; then it is done."""
        if deed.kind == "refused" or (deed.kind == "error_mid" and not stream):
            status = deed.status if deed.status != 200 else 500
            self._whole(status, wires.error(dialect, status, "something broke"))
        elif deed.kind == "hang_before":
            await asyncio.sleep(SILENCE_S)
        elif deed.kind == "cut_before":
            self.transport.abort()
        elif deed.kind == "garbage":
            self._whole(200, wires.GARBAGE)
        else:
            return False
        return True

    async def _in_one_piece(self, dialect: str, model: str, deed: Deed, attempt: Attempt) -> None:
        answer = wires.whole(dialect, model, deed)
        if deed.pause_s:
            await asyncio.sleep(deed.pause_s * min(deed.pieces, 10))
        attempt.line["pieces"] = deed.pieces
        if deed.kind in ("cut_mid", "hang_mid", "unfinished"):
            head = HEAD % (200, b"OK", JSON) + b"content-length: %d\r\n\r\n" % len(answer)
            self.transport.write(head + answer[: len(answer) // 2])
            if deed.kind == "hang_mid":
                await asyncio.sleep(SILENCE_S)
            self.transport.close()
            return
        attempt.line |= {"told": deed.told and list(wires.told_by(dialect, deed.told)), "whole": True, "first": True}
        self._whole(200, answer)

    async def _stream(self, dialect: str, model: str, deed: Deed, attempt: Attempt) -> None:
        breaks = deed.kind in ("cut_mid", "error_mid", "hang_mid")
        line, piece = attempt.line, _chunked(wires.piece(dialect, model))
        line["first"] = True
        opening = wires.first(dialect, model, deed)
        self.transport.write(HEAD % (200, b"OK", EVENTS) + b"transfer-encoding: chunked\r\n\r\n" + _chunked(opening))
        for number in range(min(deed.stop_after, deed.pieces) if breaks else deed.pieces):
            if deed.pause_s and number:
                await asyncio.sleep(deed.pause_s)
            if self.transport.is_closing():
                return
            line["pieces"] += 1
            self.transport.write(piece)
        if deed.kind == "unfinished":
            self.transport.write(b"0\r\n\r\n")
        elif deed.kind == "error_mid":
            self.transport.write(_chunked(wires.failure(dialect)) + b"0\r\n\r\n")
        elif deed.kind == "cut_mid":
            self.transport.close()
        elif deed.kind == "hang_mid":
            await asyncio.sleep(SILENCE_S)
            self.transport.close()
        else:
            line |= {"told": deed.told and list(wires.told_by(dialect, deed.told)), "whole": True}
            self.transport.write(_chunked(wires.last(dialect, model, deed)) + b"0\r\n\r\n")

    def _whole(self, status: int, body: bytes, extra: bytes = b"") -> None:
        head = HEAD % (status, b"OK" if status == 200 else b"No", JSON)
        self.transport.write(head + extra + b"content-length: %d\r\n\r\n" % len(body) + body)


@functools.cache
def _chunked(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data) if data else b""


async def serve(calls: tuple[Call, ...], account: Account, port: int) -> None:
    """Until told to stop."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    tasks: set[asyncio.Task[None]] = set()
    server = await loop.create_server(lambda: Connection(calls, account, tasks), "127.0.0.1", port, backlog=1024)
    print(f"provider on 127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await stop.wait()
    server.close()
    for task in tuple(tasks):
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def main() -> None:
    """Read the arguments, serve."""
    options = argparse.ArgumentParser()
    options.add_argument("--port", type=int, default=0)
    options.add_argument("--seed", type=int, required=True)
    options.add_argument("--calls", type=int, required=True)
    options.add_argument("--account", required=True)
    asked = options.parse_args()
    with Path(asked.account).open("a", encoding="utf-8") as file:
        asyncio.run(serve(story(asked.seed, asked.calls).calls, Account(file), asked.port))


if __name__ == "__main__":
    main()
