"""A small real HTTP/1.1 server in a thread of its own, with faults on demand."""

import argparse
import asyncio
import socket
import struct
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from tests.mocks.exchange import MockAnswer, MockRequest
from tests.mocks.fault import GARBAGE, GARBAGE_INSIDE, Fault, Kind

__all__ = ["App", "Fault", "Gate", "Kind", "MockAnswer", "MockRequest", "MockServer", "run"]

HEAD_END = b"\r\n\r\n"
App = Callable[[MockRequest], MockAnswer]


REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}


class MockServer:
    """`with MockServer(app) as server:` then talk to `server.url`; look at `server.requests` afterwards."""

    def __init__(self, app: App, port: int = 0, host: str = "127.0.0.1") -> None:
        self.app, self.host, self.port = app, host, port
        self.requests: list[MockRequest] = []
        self.connections = 0
        """Connections accepted so far."""
        self.gate: Gate | None = None
        """Where answers to new requests wait."""
        self._faults: list[tuple[Fault, int]] = []
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._open: set[_Connection] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def url(self) -> str:
        """`http://127.0.0.1:port`."""
        return f"http://{self.host}:{self.port}"

    @property
    def open_connections(self) -> int:
        """Connections open now."""
        return len(self._open)

    def fail(self, fault: Fault | Kind, times: int = 1) -> None:
        """Let the next `times` matching requests meet this fault; faults of several calls queue up."""
        fault = Fault(fault) if isinstance(fault, Kind) else fault
        if fault.kind is Kind.REFUSE:
            self._run(self._close_listener())
            return
        with self._lock:
            self._faults.append((fault, times))

    def hold(self, after: int = 0) -> None:
        """Let answers wait after `after` pieces (a whole one: before its head) until `release()`."""
        self.release()
        self.gate = Gate(after)

    def release(self) -> None:
        """Let every answer that waits go on, and no other wait."""
        gate, self.gate = self.gate, None
        if gate is not None:
            self._loop.call_soon_threadsafe(gate.opened.set)

    def mend(self) -> None:
        """Forget every fault; listen again, on the same port; nothing waits."""
        self.release()
        with self._lock:
            self._faults.clear()
        if self._server is None:
            self._run(self._listen())

    def take_fault(self, request: MockRequest | None) -> Fault | None:
        """The fault this request meets (None: the connection was only just accepted)."""
        with self._lock:
            for index, (fault, left) in enumerate(self._faults):
                if request is None and (fault.kind is not Kind.CLOSE or fault.when):
                    if fault.when is None:
                        return None
                    continue
                if request is not None and fault.when and not fault.when(request):
                    continue
                self._faults[index : index + 1] = [(fault, left - 1)] if left > 1 else []
                return fault
        return None

    def __enter__(self) -> "MockServer":
        self._thread.start()
        self._run(self._listen())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def _run(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((self.host, self.port))
        self.port = listener.getsockname()[1]
        self._server = await self._loop.create_server(lambda: _Connection(self, self._open), sock=listener, backlog=512)

    async def _close_listener(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self._open):
            connection.cut(reset=False)
        await asyncio.sleep(0)

    async def _stop(self) -> None:
        await self._close_listener()
        tasks = [connection.task for connection in self._open if connection.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Gate:
    """Answers wait here."""

    def __init__(self, after: int) -> None:
        self.after = after
        self.opened = asyncio.Event()


class _Connection(asyncio.Protocol):
    """One client: requests in, answers out, one at a time."""

    def __init__(self, server: MockServer, siblings: "set[_Connection]") -> None:
        self.server, self.siblings = server, siblings
        self.task: asyncio.Task[None] | None = None
        self.exchange: MockRequest | None = None
        self.number = 0
        self._buffer = b""
        self._more = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._gone = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.server.connections += 1
        self.number = self.server.connections
        self.siblings.add(self)
        if self.server.take_fault(None):
            transport.close()
            return
        self.task = asyncio.get_running_loop().create_task(self._serve())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._more.set()

    def eof_received(self) -> None:
        self._leave()

    def connection_lost(self, error: Exception | None) -> None:
        self._leave()
        self.siblings.discard(self)
        if self.task is not None:
            self.task.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def cut(self, reset: bool) -> None:
        """Close from our side: FIN, or RST."""
        if reset:
            raw = self.transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()
        else:
            self.transport.close()

    def _leave(self) -> None:
        self._gone = True
        self._more.set()
        self._writable.set()
        exchange = self.exchange
        if exchange is not None and not exchange.ended.is_set():
            exchange.aborted_at = time.monotonic()
            exchange.ended.set()

    async def _serve(self) -> None:
        while not self._gone:
            request = await self._read()
            if request is None:
                return
            self.server.requests.append(request)
            self.exchange = request
            await self._answer(request)
            if not request.ended.is_set():
                request.answered_at = time.monotonic()
                request.ended.set()
            if request.headers.get("connection", "").lower() == "close":
                self.transport.close()

    async def _until(self, ready: Callable[[], bool]) -> bool:
        while not ready():
            if self._gone:
                return False
            self._more.clear()
            await self._more.wait()
        return True

    async def _read(self) -> MockRequest | None:
        if not await self._until(lambda: HEAD_END in self._buffer):
            return None
        head, _, self._buffer = self._buffer.partition(HEAD_END)
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        body = await self._read_body(headers)
        if body is None:
            return None
        path, _, query = target.partition("?")
        return MockRequest(method, path, query, headers, body, self.number)

    async def _read_body(self, headers: dict[str, str]) -> bytes | None:
        if headers.get("expect", "").lower() == "100-continue":
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if "chunked" not in headers.get("transfer-encoding", ""):
            return await self._take(int(headers.get("content-length", 0)))
        body = b""
        while await self._until(lambda: b"\r\n" in self._buffer):
            size, _, self._buffer = self._buffer.partition(b"\r\n")
            length = int(size.split(b";")[0], 16)
            chunk = await self._take(length + 2)
            if chunk is None:
                return None
            body += chunk[:-2]
            if length == 0:
                return body
        return None

    async def _take(self, length: int) -> bytes | None:
        if not await self._until(lambda: len(self._buffer) >= length):
            return None
        taken, self._buffer = self._buffer[:length], self._buffer[length:]
        return taken

    async def _answer(self, request: MockRequest) -> None:
        fault = self.server.take_fault(request)
        if fault is not None and fault.kind in (Kind.CLOSE, Kind.RESET):
            request.ended.set()
            self.cut(reset=fault.kind is Kind.RESET)
            return
        if fault is not None and fault.kind is Kind.HANG:
            await self._hang()
        if fault is not None and fault.kind is Kind.GARBAGE:
            self.transport.write(GARBAGE)
            request.ended.set()
            self.transport.close()
            return
        if fault is not None and fault.kind is Kind.STATUS:
            request.demand = fault.status
        answer = self.server.app(request)
        if fault is not None:
            answer.headers.update(fault.headers)
            answer.status = fault.status if fault.kind is Kind.STATUS else answer.status
        await _Play(self, request, answer, fault).run()

    async def _hang(self) -> None:
        await asyncio.Event().wait()

    async def hang(self) -> None:
        """Say nothing more until the client goes away."""
        await self._hang()

    async def send(self, data: bytes, one_by_one: bool) -> None:
        """Write, waiting for a slow client."""
        for piece in [data[i : i + 1] for i in range(len(data))] if one_by_one else [data]:
            self.transport.write(piece)
            if one_by_one:
                await asyncio.sleep(0)
            await self._writable.wait()


class _Play:
    """One answer on its way out, with its fault."""

    def __init__(self, connection: _Connection, request: MockRequest, answer: MockAnswer, fault: Fault | None) -> None:
        self.connection, self.request, self.answer, self.fault = connection, request, answer, fault
        self.kind = fault.kind if fault else None
        self.one_by_one = self.kind is Kind.BYTE_BY_BYTE
        self.gate = connection.server.gate

    async def run(self) -> None:
        """Send the whole answer, or as much of it as the fault allows."""
        if isinstance(self.answer.body, bytes):
            if self.gate is not None:
                await self.gate.opened.wait()
            await self._sized(self.answer.body)
        else:
            await self._stream(self.answer.body)

    def _head(self, framing: str) -> bytes:
        answer = self.answer
        lines = [f"HTTP/1.1 {answer.status} {REASONS.get(answer.status, 'Status')}", framing]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    async def _sized(self, body: bytes) -> None:
        if self.kind is Kind.TRUNCATED:
            body = body[: len(body) // 2]
        if self.kind is Kind.GARBAGE_INSIDE:
            body = GARBAGE_INSIDE
        length = len(body) + (10 if self.kind is Kind.WRONG_LENGTH else 0)
        head = self._head(f"content-length: {length}")
        if self.answer.delay_s or self.kind is Kind.DRIP:
            await asyncio.sleep(self.fault.seconds if self.fault and self.kind is Kind.DRIP else self.answer.delay_s)
        if self.fault and self.kind in (Kind.HANG_AFTER, Kind.CUT_AFTER, Kind.RESET_AFTER):
            await self.connection.send(head + body[: self.fault.after], False)
            await self._break()
            return
        await self.connection.send(head + body, self.one_by_one)
        if self.kind is Kind.WRONG_LENGTH:
            self.request.ended.set()
            self.connection.cut(reset=False)

    async def _stream(self, pieces: list[bytes]) -> None:
        connection, fault = self.connection, self.fault
        await connection.send(self._head("transfer-encoding: chunked"), self.one_by_one)
        for index, piece in enumerate(pieces):
            if self.gate is not None and index == self.gate.after:
                await self.gate.opened.wait()
            if fault and index == fault.after:
                if self.kind in (Kind.HANG_AFTER, Kind.CUT_AFTER, Kind.RESET_AFTER):
                    await self._break()
                    return
                if self.kind is Kind.GARBAGE_INSIDE:
                    await connection.send(_chunk(GARBAGE_INSIDE), False)
            pause = fault.seconds if fault and self.kind is Kind.DRIP else self.answer.delay_s
            if pause:
                await asyncio.sleep(pause)
            await self._send_piece(piece)
        if self.gate is not None and len(pieces) == self.gate.after:
            await self.gate.opened.wait()
        if fault and self.kind in (Kind.HANG_AFTER, Kind.CUT_AFTER, Kind.RESET_AFTER):
            await self._break()
            return
        await connection.send(b"0\r\n\r\n", self.one_by_one)

    async def _send_piece(self, piece: bytes) -> None:
        if self.one_by_one:
            for i in range(len(piece)):
                await self.connection.send(_chunk(piece[i : i + 1]), False)
                await asyncio.sleep(0)
        else:
            await self.connection.send(_chunk(piece), False)
        self.request.pieces_sent += 1

    async def _break(self) -> None:
        if self.kind is Kind.HANG_AFTER:
            await self.connection.hang()
        await asyncio.sleep(0.02)  # let what was sent reach the client before an RST can overtake it
        self.request.ended.set()
        self.connection.cut(reset=self.kind is Kind.RESET_AFTER)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def run(app: App) -> None:
    """Serve `app` until interrupted: `python -m tests.mocks.<vendor> --port 0`; prints its URL."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    with MockServer(app, parser.parse_args().port) as server:
        print(server.url, flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return
