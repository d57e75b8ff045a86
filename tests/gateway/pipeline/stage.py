"""A whole hub on a fresh folder; only the providers' bytes and the caller's socket are stand-ins."""

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tollway.cli.office import vendor_of
from tollway.core.caller import KeyLimits
from tollway.core.ids import CallId, UserId
from tollway.core.receipt import Receipt
from tollway.gateway.admin.users import Users
from tollway.gateway.app import Hub
from tollway.gateway.auth.api_keys import ApiKeys, KeyRules
from tollway.gateway.ledger.audit import audit
from tollway.gateway.pipeline.dispatch import Dispatcher
from tollway.gateway.stock import known_providers
from tollway.kit.http1.wire import Headers, Inbound, Outbound, Request, UpstreamError
from tollway.settings import Vendor, load

KEYS = {"OPENAI_API_KEY": "sk-o", "ANTHROPIC_API_KEY": "sk-a", "GEMINI_API_KEY": "g"}
SSE: Headers = ((b"content-type", b"text/event-stream"),)
JSON: Headers = ((b"content-type", b"application/json"),)


class Played:
    """A provider's answer told by hand: `pieces` at once, then an end, a cut, or silence until the test goes on."""

    def __init__(
        self, pieces: list[bytes], status: int = 200, headers: Headers = SSE, end: str = "clean", lingers: bool = False
    ) -> None:
        self.status, self.headers = status, headers
        self._pieces, self._end = list(pieces), end
        self._on_data: Callable[[bytes], None] | None = None
        self._wake = asyncio.Event()
        self._over = not lingers
        self.closed = self.paused = False
        self.stopped = asyncio.Event()

    async def read(self) -> bytes:
        data: list[bytes] = []
        await self.pump(data.append)
        return b"".join(data)

    async def pump(self, on_data: Callable[[bytes], None]) -> None:
        self._on_data = on_data
        while self._pieces and self._on_data is not None:
            on_data(self._pieces.pop(0))
        while not self._over and self._on_data is not None:
            self._wake.clear()
            await self._wake.wait()
        stopped, self._on_data = self._on_data is None, None
        if not stopped and self._end != "clean":
            raise UpstreamError(self._end, "as the test says")

    def say(self, data: bytes) -> None:
        """More bytes, in the reader's own callback."""
        assert self._on_data is not None, "nobody listens"
        self._on_data(data)

    def over(self) -> None:
        """The provider ends."""
        self._over = True
        self._wake.set()

    def stop_pump(self) -> None:
        self._on_data = None
        self.stopped.set()
        self._wake.set()

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def close(self) -> None:
        self.closed = True


Line = Played | UpstreamError | asyncio.Event


class Outside:
    """The Upstream port: each request meets the next line of the script."""

    def __init__(self) -> None:
        self.script: list[Line] = []
        self.asked: list[Outbound] = []

    async def send(self, request: Outbound) -> Inbound:
        self.asked.append(request)
        line = self.script.pop(0)
        if isinstance(line, UpstreamError):
            raise line
        if isinstance(line, asyncio.Event):
            line.set()
            await asyncio.Event().wait()
        assert isinstance(line, Played)
        return line

    async def close(self) -> None:
        """Nothing to close."""


class Ear:
    """The Sink port: what the caller got."""

    def __init__(self) -> None:
        self.started = False
        self.status = 0
        self.lines: Headers = ()
        self.data = b""
        self.ending = ""
        self.full: tuple[Callable[[], None], Callable[[], None]] | None = None

    def head(self, status: int, headers: Headers, length: int | None = None) -> None:
        assert not self.started
        if any(b"\n" in part or b"\r" in part for line in headers for part in line):
            raise ValueError("a header holds a line break")
        self.started, self.status, self.lines = True, status, tuple(headers)

    def whole(self, status: int, headers: Headers, body: bytes) -> None:
        self.head(status, headers, len(body))
        self.write(body)
        self.end()

    def write(self, data: bytes) -> None:
        assert self.started
        if not self.ending:
            self.data += data

    def end(self, last: bytes = b"") -> None:
        if last:
            self.write(last)
        self.ending = self.ending or "end"

    def abort(self) -> None:
        self.ending = self.ending or "abort"

    def break_off(self) -> None:
        self.ending = self.ending or "break_off"

    def on_full(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        self.full = (pause, resume)

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode("latin-1") for name, value in self.lines}

    @property
    def json(self) -> Any:
        return json.loads(self.data)

    @property
    def call(self) -> CallId:
        return CallId(self.headers["x-request-id"])


class Stage:
    """One hub, one user, one key."""

    def __init__(self, hub: Hub, outside: Outside, user: UserId, key: str) -> None:
        self.hub, self.outside, self.user, self.key = hub, outside, user, key
        self.front = hub.front

    async def ask(self, path: str, body: Any, *lines: Line, key: str = "", **headers: str) -> Ear:
        """One call, its providers answering by `lines`; returns when the handler has."""
        ear, task = self.begin(path, body, *lines, key=key, **headers)
        await task
        return ear

    def begin(
        self, path: str, body: Any, *lines: Line, key: str = "", **headers: str
    ) -> tuple[Ear, asyncio.Task[None]]:
        """The same, still running."""
        self.outside.script += lines
        ear = Ear()
        where, _, query = path.partition("?")
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
        named[b"authorization"] = f"Bearer {key or self.key}".encode()
        request = Request("POST", where, query, named, data, "192.0.2.1")
        return ear, asyncio.ensure_future(self.front.handle(request, ear))

    async def chat(self, *lines: Line, model: str = "gpt-5-mini", text: str = "hi", **more: Any) -> Ear:
        """An OpenAI chat call."""
        return await self.ask("/v1/chat/completions", chat_body(model, text, **more), *lines)

    async def receipt(self, call: CallId) -> Receipt:
        found = await self.hub.ledger.receipt(call, self.user)
        assert found is not None
        return found

    async def last_receipts(self) -> list[Receipt]:
        """Those that are not in the database yet: of the calls just ended."""
        writer = self.hub.ledger.writer  # nothing public lists them
        assert writer is not None
        return list(writer.pending.values())

    async def quiet(self) -> None:
        """Nothing is held, and the books are exact."""
        balance = await self.hub.ledger.balance(self.user)
        assert balance.held == 0
        assert await self.hub.database.read(audit) == []
        assert not self.hub.heart._open  # a leak here shows nowhere else

    async def another_key(self, **limits: Any) -> str:
        """A second key of the same user."""
        keys = ApiKeys(self.hub.database, self.hub.clock, KeyRules(90))
        made = await keys.create(self.user, "second", limits=KeyLimits(**limits))
        return made.api_key


def chat_body(model: str = "gpt-5-mini", text: str = "hi", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


@asynccontextmanager
async def open_stage(
    folder: Path, toml: str = "", environ: dict[str, str] | None = None, credits: float = 100_000.0
) -> AsyncIterator[Stage]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tollway.toml").write_text(toml)
    said = {"TOLLWAY_DATA_DIR": str(folder), **(KEYS if environ is None else environ)}
    hub = Hub(load(said, {}, vendors(), folder))
    outside = Outside()
    await hub.start()
    gateway = hub.front.gateway
    inside = {"echo": gateway.dispatcher._inside["echo"]}  # the hub's own echo
    dispatcher = Dispatcher(hub.router.health, outside, inside, gateway.now_s, limits=hub.lane_limits)
    hub.front.gateway = dataclasses.replace(gateway, dispatcher=dispatcher)
    users = Users(hub.database, hub.clock, ApiKeys(hub.database, hub.clock, KeyRules(90)))
    user, key = await users.create("ann@test.example")
    await hub.ledger.grant(user.id, int(credits * 1_000_000), "topup", "test", "to spend")  # type: ignore[arg-type]
    try:
        yield Stage(hub, outside, user.id, key.api_key)
    finally:
        await hub.close()


def vendors() -> list[Vendor]:
    return [vendor_of(provider) for provider in known_providers().values()]


# ------------------------------------------------------------------ providers' bytes


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, usage: Any = None, **more: Any) -> bytes:
    """One OpenAI chunk as an SSE frame."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    body = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "up", "choices": choices}
    if usage is not None:
        body["usage"] = usage
    return b"data: " + json.dumps({**body, **more}).encode() + b"\n\n"


USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
DONE = b"data: [DONE]\n\n"


def spoken(text: str = "hello", usage: Any = USAGE) -> bytes:
    """A whole OpenAI stream."""
    tail = chunk(usage=usage) if usage else b""
    return chunk({"role": "assistant", "content": text}) + chunk({}, "stop") + tail + DONE


def whole(text: str = "hello", usage: Any = USAGE, **more: Any) -> Played:
    """A whole OpenAI answer."""
    message = {"role": "assistant", "content": text, **more}
    body = {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "up",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage,
    }  # fmt: skip
    return Played([json.dumps(body).encode()], headers=JSON)


def claude(text: str = "hello") -> Played:
    """A whole Anthropic answer."""
    body = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "up", "stop_reason": "end_turn",
        "stop_sequence": None, "content": [{"type": "text", "text": text}],
        "usage": {"input_tokens": 10, "output_tokens": 5},
    }  # fmt: skip
    return Played([json.dumps(body).encode()], headers=JSON)


def told(event: str, **fields: Any) -> bytes:
    """One Anthropic event."""
    return f"event: {event}\ndata: {json.dumps({'type': event, **fields})}\n\n".encode()


CLAUDE_START = told(
    "message_start",
    message={
        "id": "msg_1", "type": "message", "role": "assistant", "model": "up", "content": [], "stop_reason": None,
        "stop_sequence": None, "usage": {"input_tokens": 10, "output_tokens": 1},
    },
)  # fmt: skip


def claude_text(text: str, index: int = 0) -> bytes:
    return (
        told("content_block_start", index=index, content_block={"type": "text", "text": ""})
        + told("content_block_delta", index=index, delta={"type": "text_delta", "text": text})
        + told("content_block_stop", index=index)
    )


CLAUDE_END = told(
    "message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 5}
) + told("message_stop")


def refused(status: int, message: str = "no", **headers: str) -> Played:
    """A provider's error answer."""
    body = json.dumps({"error": {"message": message, "type": "x", "code": None}}).encode()
    lines = JSON + tuple((name.replace("_", "-").encode(), value.encode()) for name, value in headers.items())  # type: ignore[operator]
    return Played([body], status, lines)


def frames(data: bytes) -> list[Any]:
    """The JSON of every data line; other words as text."""
    found = [line[6:] for line in data.decode().splitlines() if line.startswith("data: ")]
    return [json.loads(one) if one.startswith(("{", "[{")) else one for one in found]
