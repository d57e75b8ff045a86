"""A fast mock of a provider for the benchmarks: OpenAI chat and Anthropic messages, whole and streamed.

    python bench/mock.py --port 9100 --chunks 100 --pause-ms 20

Every streamed chunk carries `@<monotonic nanoseconds>@`, so that a reader on the same machine knows how long it
travelled. It parses no more than it must: it is the bench's background, not a test of anybody's correctness.
"""

import argparse
import asyncio
import json
import time

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


def chunked(data: bytes) -> bytes:
    """One HTTP chunk."""
    return b"%x\r\n%s\r\n" % (len(data), data)


class Connection:
    """One keep-alive connection; one request at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, chunks: int, pause_s: float) -> None:
        self.loop, self.chunks, self.pause_s = loop, chunks, pause_s
        self.buffer = b""
        self.transport: asyncio.Transport
        self.closed = False

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport

    def connection_lost(self, _error: Exception | None) -> None:
        self.closed = True

    def eof_received(self) -> None:
        return

    def pause_writing(self) -> None:
        return

    def resume_writing(self) -> None:
        return

    def data_received(self, data: bytes) -> None:
        self.buffer = self.buffer + data if self.buffer else data
        while self._one():
            pass

    def _one(self) -> bool:
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = self.buffer[:end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self.buffer) < end + 4 + length:
            return False
        body = self.buffer[end + 4 : end + 4 + length]
        self.buffer = self.buffer[end + 4 + length :]
        anthropic = b"/messages" in head.split(b"\r\n", 1)[0]
        if b'"stream":true' in body or b'"stream": true' in body:
            first, chunk, last = (ANTHROPIC_FIRST, ANTHROPIC_CHUNK, ANTHROPIC_LAST) if anthropic else (b"", OPENAI_CHUNK, OPENAI_LAST)
            self.transport.write(STREAM_HEAD + (chunked(first) if first else b""))
            self._step(chunk, last, self.chunks, self.loop.time())
        else:
            answer = WHOLE_ANTHROPIC if anthropic else WHOLE_OPENAI
            self.transport.write(HEAD % len(answer) + answer)
        return True

    def _step(self, chunk: bytes, last: bytes, left: int, due_s: float) -> None:
        if self.closed:
            return
        if left:
            self.transport.write(chunked(chunk % time.monotonic_ns()))
            due_s += self.pause_s
            self.loop.call_at(due_s, self._step, chunk, last, left - 1, due_s)
        else:
            self.transport.write(chunked(last) + b"0\r\n\r\n")


async def main() -> None:
    """Serve until killed."""
    options = argparse.ArgumentParser()
    options.add_argument("--port", type=int, default=9100)
    options.add_argument("--chunks", type=int, default=100)
    options.add_argument("--pause-ms", type=float, default=20.0)
    asked = options.parse_args()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Connection(loop, asked.chunks, asked.pause_ms / 1000),  # type: ignore[arg-type]
        "127.0.0.1",
        asked.port,
        backlog=4096,
    )
    print(f"mock on 127.0.0.1:{asked.port}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    uvloop.run(main())
