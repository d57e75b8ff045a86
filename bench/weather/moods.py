"""Mock providers whose moods can be changed while they run; each notes who asked it and what he was told.

    python -m bench.weather.moods dead slow limited well

prints the ports: first the control port, then one for each name. `POST /` on the control port sets moods, `GET /` tells
what was noted since the last time.
"""

import asyncio
import json
import random
import sys
import time
from dataclasses import dataclass, field

import msgspec

from tollway.kit.http1.server import serve
from tollway.kit.http1.wire import Request, Sink, UpstreamError

JSON = ((b"content-type", b"application/json"),)
SSE = ((b"content-type", b"text/event-stream"),)
USAGE = {"prompt_tokens": 12, "completion_tokens": 8, "total_tokens": 20}


class Mood(msgspec.Struct, frozen=True, kw_only=True):
    """How one provider is."""

    fails: bool = False
    """Every call is answered 500."""
    first_s: float = 0.02
    """To the first word of an answer; drawn around it."""
    slow_s: float = 0.0
    """Instead of `first_s`, in `slow_share` of the calls."""
    slow_share: float = 0.0
    a_second: float = 0.0
    """More calls than these in a second are answered 429; 0: any number."""
    cut_share: float = 0.0
    """Streams that break off after their first words."""


class Note(msgspec.Struct, array_like=True):
    """One request and what became of it."""

    provider: str
    call: str
    """The caller's own name for it; `probe` for a probe."""
    at_s: float
    status: int
    said: bool = False
    """Words of an answer were sent."""
    cut: bool = False


@dataclass
class Provider:
    """One of them."""

    name: str
    notes: list[Note]
    mood: Mood = field(default_factory=Mood)
    room: float = 1.0
    looked_s: float = 0.0

    async def handle(self, request: Request, sink: Sink) -> None:
        """Answer as OpenAI would, in the present mood."""
        mood = self.mood
        body = json.loads(request.body or b"{}")
        is_probe = request.headers.get(b"x-probe") == b"synthetic"
        call = "probe" if is_probe else str(body["messages"][-1]["content"])
        note = Note(self.name, call, time.monotonic(), 200)
        self.notes.append(note)
        if mood.fails or self._is_full(mood):
            note.status = 500 if mood.fails else 429
            lines = JSON if mood.fails else (*JSON, (b"retry-after", b"1"))
            sink.whole(note.status, lines, b'{"error":{"message":"not now","type":"server_error"}}')
            return
        slow = random.random() < mood.slow_share
        await asyncio.sleep(mood.slow_s if slow else random.uniform(0.7, 1.3) * mood.first_s)
        note.said = True
        if body.get("stream"):
            await self._stream(sink, note, random.random() < mood.cut_share)
        else:
            message = {"role": "assistant", "content": f"{self.name} says {call}"}
            choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
            sink.whole(200, JSON, json.dumps({**_head("chat.completion"), "choices": choices, "usage": USAGE}).encode())

    def _is_full(self, mood: Mood) -> bool:
        if not mood.a_second:
            return False
        now_s = time.monotonic()
        self.room = min(mood.a_second, self.room + (now_s - self.looked_s) * mood.a_second)
        self.looked_s = now_s
        self.room -= 1 if self.room >= 1 else 0
        return self.room < 1

    async def _stream(self, sink: Sink, note: Note, cut: bool) -> None:
        sink.head(200, SSE)
        for number, word in enumerate((self.name, " says ", note.call, " and ", "more")):
            sink.write(_chunk({"content": word}))
            await asyncio.sleep(0.002)
            if cut and number == 1:
                note.cut = True
                sink.abort()
                return
        end = {**_head("chat.completion.chunk"), "choices": [], "usage": USAGE}
        sink.end(_chunk({}, "stop") + b"data: " + json.dumps(end).encode() + b"\n\ndata: [DONE]\n\n")


def _head(kind: str) -> dict[str, object]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1763683200, "model": "gpt-5-mini-2025-08-07"}


def _chunk(delta: dict[str, str], finish: str | None = None) -> bytes:
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    return b"data: " + json.dumps({**_head("chat.completion.chunk"), "choices": choices}).encode() + b"\n\n"


async def run(names: list[str]) -> None:
    """Serve until killed."""
    notes: list[Note] = []
    providers = {name: Provider(name, notes) for name in names}

    async def control(request: Request, sink: Sink) -> None:
        if request.method == "POST":
            for name, mood in msgspec.json.decode(request.body, type=dict[str, Mood]).items():
                providers[name].mood = mood
            sink.whole(200, JSON, b"{}")
            return
        told = msgspec.json.encode(notes)
        notes.clear()
        sink.whole(200, JSON, told)

    servers = [await serve(handler) for handler in (control, *(one.handle for one in providers.values()))]
    print(" ".join(str(server.port) for server in servers), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    try:
        asyncio.run(run(sys.argv[1:]))
    except (KeyboardInterrupt, UpstreamError):
        sys.exit(0)
