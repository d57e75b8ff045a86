"""One call of the driver's on a plain socket, and exactly what the caller saw of it."""

import asyncio
import contextlib
import json
import re
import time
from typing import Any

import msgspec

from bench.books.story import Call

PATIENCE_S = 30.0
RECEIVED = 1 << 16
TAIL = 4096
ENDS = {"openai": b"[DONE]", "anthropic": b"message_stop", "gemini": b'"finishReason"'}
"""What an answer that is whole has near its end."""
SHORT = re.compile(rb'"(?:length|max_tokens|MAX_TOKENS)"')
SAID = re.compile(rb'"(?:completion_tokens|output_tokens|candidatesTokenCount)": ?(\d+)')
FILLER = "word "


class Seen(msgspec.Struct):
    """What the caller saw."""

    number: int
    hub: int
    life: int
    """Which start of that process."""
    sent_at: float
    ended_at: float = 0.0
    status: int = 0
    """0: no head came."""
    id: str = ""
    """The call's id from `x-request-id`."""
    charged: str = ""
    """`x-tollway-cost` of a whole answer."""
    pieces: int = 0
    end: str = ""
    """`whole`; `error` said in the stream; `cut` by the gateway; `left` by the caller; `mute`: no head came."""
    said: int = -1
    """Output tokens as told to the caller; -1: not told."""
    short: bool = False
    """It ended for reason of length."""
    body: str = ""
    """Of an error."""
    retry_after: str = ""


class Gone(Exception):
    """The connection ended."""


class Line:
    """A connection to a gateway, kept for the next call when an answer came whole."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def to(cls, port: int) -> "Line":
        """A new one. Raises OSError."""
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=1 << 20))

    async def more(self) -> bytes:
        """What came next. Raises Gone."""
        try:
            data = await self.reader.read(RECEIVED)
        except OSError as error:
            raise Gone from error
        if not data:
            raise Gone
        return data

    def close(self) -> None:
        """Hang up at once."""
        with contextlib.suppress(OSError):
            self.writer.transport.abort()


def request_of(call: Call, key: str, port: int) -> bytes:
    """The call in its dialect."""
    text = f"[{call.mark}] " + FILLER * call.words
    turn = {"role": "user", "content": text}
    asked: dict[str, Any] = {"model": call.asked, "messages": [turn]}
    path, credential = "/v1/chat/completions", f"authorization: Bearer {key}"
    if call.dialect == "gemini":
        action = "streamGenerateContent?alt=sse" if call.stream else "generateContent"
        path, credential = f"/v1beta/models/{call.asked}:{action}", f"x-goog-api-key: {key}"
        asked = {"contents": [{"role": "user", "parts": [{"text": text}]}]}
        if call.limit:
            asked["generationConfig"] = {"maxOutputTokens": call.limit}
    elif call.dialect == "anthropic":
        path, credential = "/v1/messages", f"x-api-key: {key}\r\nanthropic-version: 2023-06-01"
    if call.dialect != "gemini":
        asked |= {"stream": True} if call.stream else {}
        asked |= {"max_tokens": call.limit} if call.limit else {}
        asked |= {"stream_options": {"include_usage": True}} if call.stream and call.dialect == "openai" else {}
    body = json.dumps(asked).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n{credential}\r\ncontent-type: application/json\r\n"
    return head.encode() + b"content-length: %d\r\n\r\n" % len(body) + body


async def place(call: Call, request: bytes, line: Line, seen: Seen) -> bool:
    """Make the call; whether the connection may be used again. Whatever happens stands in `seen`."""
    leaves_s = call.leaves[1] if call.leaves is not None and call.leaves[0] == "seconds" else None
    try:
        async with asyncio.timeout(PATIENCE_S if leaves_s is None else leaves_s):
            line.writer.write(request)
            await _answer(call, line, seen)
    except TimeoutError:
        seen.end = "left"
    except (Gone, OSError):
        seen.end = "cut" if seen.status else "mute"
    seen.ended_at = time.time()
    return seen.end == "whole"


async def _answer(call: Call, line: Line, seen: Seen) -> None:
    data = b""
    while (at := data.find(b"\r\n\r\n")) < 0:
        data += await line.more()
    head, data = data[:at], data[at + 4 :]
    _read_head(head, seen)
    length = _field(head, b"content-length")
    if length:
        while len(data) < int(length):
            data += await line.more()
        _whole(call, data, seen)
    else:
        await _stream(call, data, line, seen)


def _read_head(head: bytes, seen: Seen) -> None:
    seen.status = int(head[9:12])
    seen.id = _field(head, b"x-request-id")
    seen.charged = _field(head, b"x-tollway-cost")
    seen.retry_after = _field(head, b"retry-after")


def _field(head: bytes, name: bytes) -> str:
    _, found, rest = head.partition(b"\r\n" + name + b":")
    return rest.split(b"\r\n", 1)[0].strip().decode() if found else ""


def _whole(call: Call, data: bytes, seen: Seen) -> None:
    seen.end = "whole"
    if seen.status == 200:
        seen.pieces = data.count(b"@")
        _read_tail(data, seen)
    else:
        seen.body = data[:400].decode("utf-8", "replace")


async def _stream(call: Call, data: bytes, line: Line, seen: Seen) -> None:
    leaves = call.leaves[1] if call.leaves is not None and call.leaves[0] == "pieces" else None
    tail = b""
    while True:
        seen.pieces += data.count(b"@")
        tail = (tail + data)[-TAIL:]
        if tail.endswith(b"0\r\n\r\n"):
            break
        if leaves is not None and seen.pieces >= leaves:
            seen.end = "left"
            return
        data = await line.more()
    _read_tail(tail, seen)
    seen.end = "error" if b'"error"' in tail else "whole" if ENDS[call.dialect] in tail else "unended"


def _read_tail(tail: bytes, seen: Seen) -> None:
    told = SAID.findall(tail)
    seen.said = int(told[-1]) if told else -1
    seen.short = SHORT.search(tail) is not None
