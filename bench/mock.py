"""A fast mock of a provider for the benchmarks: OpenAI chat and Anthropic messages, whole and streamed.

    python -m bench.mock --port 9100 --chunks 100 --pause-ms 20

Every streamed chunk carries `@<monotonic nanoseconds>@`, so that a reader on the same machine knows how long it
travelled. `GET /pace?chunks=5&pause_us=20000` changes the streams that start later. A loop of its own on epoll, because
it shares a core with the load generator and must not be what the bench measures; it parses no more than it must.
"""

import argparse
import json
import os
import select
import socket
import time
from collections import deque

WHOLE_OPENAI = json.dumps(
    {
        "id": "chatcmpl-bench0123456789",
        "object": "chat.completion",
        "created": 1763683200,
        "model": "gpt-5-mini-2025-08-07",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "word " * 150, "refusal": None, "annotations": []},
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 170,
            "completion_tokens": 150,
            "total_tokens": 320,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        },
        "service_tier": "default",
        "system_fingerprint": None,
    }
).encode()
WHOLE_ANTHROPIC = json.dumps(
    {
        "id": "msg_bench0123456789",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-4-5-20251001",
        "content": [{"type": "text", "text": "word " * 150}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 170, "output_tokens": 150},
    }
).encode()
OPENAI_CHUNK = (
    b'data: {"id":"chatcmpl-bench0123456789","object":"chat.completion.chunk","created":1763683200,'
    b'"model":"gpt-5-mini-2025-08-07","service_tier":"default","system_fingerprint":null,"choices":[{"index":0,'
    b'"delta":{"content":"@%019d@ word"},"logprobs":null,"finish_reason":null}]}\n\n'
)
OPENAI_LAST = (
    b'data: {"id":"chatcmpl-bench0123456789","object":"chat.completion.chunk","created":1763683200,'
    b'"model":"gpt-5-mini-2025-08-07","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b'data: {"id":"chatcmpl-bench0123456789","object":"chat.completion.chunk","created":1763683200,'
    b'"model":"gpt-5-mini-2025-08-07","choices":[],"usage":{"prompt_tokens":170,"completion_tokens":150,'
    b'"total_tokens":320}}\n\ndata: [DONE]\n\n'
)
ANTHROPIC_FIRST = (
    b'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_bench0123456789","type":"message",'
    b'"role":"assistant","model":"claude-haiku-4-5-20251001","content":[],"stop_reason":null,"stop_sequence":null,'
    b'"usage":{"input_tokens":170,"output_tokens":1}}}\n\nevent: content_block_start\ndata: {"type":'
    b'"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n'
)
ANTHROPIC_CHUNK = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    b'"delta":{"type":"text_delta","text":"@%019d@ word"}}\n\n'
)
ANTHROPIC_LAST = (
    b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\nevent: message_delta\ndata: '
    b'{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":150}}'
    b'\n\nevent: message_stop\ndata: {"type":"message_stop"}\n\n'
)
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


RECEIVED = 1 << 16
SEARCHED = 4096
"""So many bytes at a request's end are searched for the wish to stream; only benched texts are longer."""


def chunked(data: bytes) -> bytes:
    """One HTTP chunk."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def timed(chunk: bytes) -> bytes:
    """An HTTP chunk in which only the time is left to fill in."""
    return chunked(chunk % 0).replace(b"0" * 19, b"%019d")


OPENAI = (STREAM_HEAD, timed(OPENAI_CHUNK), chunked(OPENAI_LAST) + b"0\r\n\r\n")
ANTHROPIC = (
    STREAM_HEAD + chunked(ANTHROPIC_FIRST), timed(ANTHROPIC_CHUNK), chunked(ANTHROPIC_LAST) + b"0\r\n\r\n",
)  # fmt: skip


class Connection:
    """One keep-alive connection with one request at a time."""

    __slots__ = ("chunk", "due_ns", "last", "left", "missing", "parts", "sock", "unsent")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.parts: list[bytes] = []
        self.missing = 0
        """Bytes of the body that have not come yet."""
        self.unsent = b""
        self.chunk = self.last = b""
        self.left = self.due_ns = 0


class Mock:
    """All connections, and the streams in the order in which their next chunk is due."""

    def __init__(self, listener: socket.socket, chunks: int, pause_ns: int) -> None:
        self.listener, self.chunks, self.pause_ns = listener, chunks, pause_ns
        self.epoll = select.epoll()
        self.epoll.register(listener.fileno(), select.EPOLLIN)
        self.connections: dict[int, Connection] = {}
        self.due: deque[Connection] = deque()
        self.awake = False
        """It yields instead of sleeping."""

    def run(self) -> None:
        """Serve until killed."""
        accepting, connections, epoll = self.listener.fileno(), self.connections, self.epoll
        while True:
            self._wait()
            for fd, event in epoll.poll(0, 256):
                if fd == accepting:
                    self._accept()
                elif fd in connections:
                    self._ready(connections[fd], event)
            self._send_due()

    def _wait(self) -> None:
        """Sleep until something comes or the next chunk is due; to the microsecond, which epoll alone cannot."""
        wait_ns = self.due[0].due_ns - time.monotonic_ns() if self.due else 1_000_000_000
        if wait_ns > 0 and self.awake:
            os.sched_yield()
        elif wait_ns > 0:
            select.select([self.epoll], [], [], wait_ns / 1e9)

    def _accept(self) -> None:
        try:
            sock, _ = self.listener.accept()
        except BlockingIOError:
            return
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connections[sock.fileno()] = Connection(sock)
        self.epoll.register(sock.fileno(), select.EPOLLIN)

    def _ready(self, connection: Connection, event: int) -> None:
        if event & select.EPOLLOUT:
            waiting, connection.unsent = connection.unsent, b""
            self.epoll.modify(connection.sock.fileno(), select.EPOLLIN)
            self._send(connection, waiting)
        if event & ~select.EPOLLOUT:
            try:
                data = connection.sock.recv(RECEIVED)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if data:
                self._take(connection, data)
            else:
                self._drop(connection)

    def _drop(self, connection: Connection) -> None:
        del self.connections[connection.sock.fileno()]
        connection.left = -1
        connection.sock.close()

    def _take(self, connection: Connection, data: bytes) -> None:
        if connection.missing:
            connection.parts.append(data)
            connection.missing -= len(data)
        else:
            if connection.parts:
                data = connection.parts.pop() + data
            end = data.find(b"\r\n\r\n")
            connection.parts.append(data)
            if end < 0:
                return
            head = data[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            connection.missing = end + 4 + length - len(data)
        if connection.missing <= 0:
            request, connection.parts, connection.missing = b"".join(connection.parts), [], 0
            self._answer(connection, request)

    def _answer(self, connection: Connection, request: bytes) -> None:
        path = request[: request.find(b"\r\n")]
        if path.startswith(b"GET "):
            self._pace(path)
            self._send(connection, HEAD % 2 + b"{}")
            return
        anthropic = b"/messages" in path
        tail = request[-SEARCHED:]
        if b'"stream":true' in tail or b'"stream": true' in tail:
            first, connection.chunk, connection.last = ANTHROPIC if anthropic else OPENAI
            now_ns = time.monotonic_ns()
            connection.left, connection.due_ns = self.chunks - 1, now_ns + self.pause_ns
            self._send(connection, first)
            self._send(connection, connection.chunk % now_ns)
            self.due.append(connection)
        else:
            answer = WHOLE_ANTHROPIC if anthropic else WHOLE_OPENAI
            self._send(connection, HEAD % len(answer) + answer)

    def _pace(self, path: bytes) -> None:
        for pair in path.split(b" ")[1].partition(b"?")[2].split(b"&"):
            name, _, value = pair.partition(b"=")
            if name == b"chunks":
                self.chunks = int(value)
            elif name == b"pause_us":
                self.pause_ns = int(value) * 1000
            elif name == b"awake":
                self.awake = value == b"1"

    def _send_due(self) -> None:
        """All that is due by now; each stream then waits its turn again, so that the order stays that of time."""
        due, now_ns = self.due, time.monotonic_ns()
        for _ in range(len(due)):
            if due[0].due_ns > now_ns:
                return
            connection = due.popleft()
            if connection.left > 0:
                self._send(connection, connection.chunk % time.monotonic_ns())
                connection.left -= 1
                connection.due_ns += self.pause_ns
                due.append(connection)
            elif connection.left == 0:
                self._send(connection, connection.last)

    def _send(self, connection: Connection, data: bytes) -> None:
        if connection.unsent:
            connection.unsent += data
            return
        try:
            sent = connection.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            return
        if sent < len(data):
            connection.unsent = data[sent:]
            self.epoll.modify(connection.sock.fileno(), select.EPOLLIN | select.EPOLLOUT)


def main() -> None:
    """Serve until killed."""
    options = argparse.ArgumentParser()
    options.add_argument("--port", type=int, default=0)
    options.add_argument("--chunks", type=int, default=100)
    options.add_argument("--pause-ms", type=float, default=20.0)
    asked = options.parse_args()
    listener = socket.create_server(("127.0.0.1", asked.port), backlog=4096)
    listener.setblocking(False)
    print(f"mock on 127.0.0.1:{listener.getsockname()[1]}", flush=True)
    Mock(listener, asked.chunks, int(asked.pause_ms * 1e6)).run()


if __name__ == "__main__":
    main()
