"""A whole gateway in the process, without sockets: ask at the counter, and everything the house promises is checked."""

import asyncio
import dataclasses
import json
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tests.gateway.pipeline.vendors import Vendors
from tollway.backends.memory.echo import EchoUpstream
from tollway.core.caller import Payer
from tollway.core.ids import CallId
from tollway.core.money import NanoUsd
from tollway.core.receipt import Receipt
from tollway.gateway.app import Hub
from tollway.gateway.auth.store import User
from tollway.gateway.ledger.audit import audit
from tollway.gateway.ledger.store import months
from tollway.gateway.pipeline.dispatch import Dispatcher
from tollway.gateway.pipeline.seals import Seals
from tollway.gateway.stock import known_providers
from tollway.kit.http1.wire import Headers, Request
from tollway.settings import Vendor, load

T = TypeVar("T")
RICH, MODEST = NanoUsd(10**18), NanoUsd(200 * 10**9)
REFUSALS = {400, 401, 403, 404, 405, 413, 429}
SILENCE_S = 30.0
NEWER = """
[affinity]
enabled = false

[[channels]]
id = "newer"
provider = "openai_responses"
key = "key"
priority = 1
models = { "gpt-5.2-codex" = "gpt-5.2-codex" }
"""
"""One model is asked for on OpenAI's newer wire first; no conversation stays where it was answered before."""


@dataclass
class Told:
    """A sink that remembers, and complains of whatever no answer may do."""

    status: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict)
    length: int | None = None
    body: bytes = b""
    ending: str = ""
    wrong: list[str] = field(default_factory=list)
    on_write: Callable[["Told"], None] = lambda told: None
    started: bool = False

    def head(self, status: int, headers: Headers, length: int | None = None) -> None:
        if self.started:
            self.wrong.append("a second head")
        if any(b"\r" in name + value or b"\n" in name + value for name, value in headers):
            self.wrong.append(f"a header with a line end: {headers!r}")
        self.started, self.status, self.headers, self.length = True, status, dict(headers), length

    def whole(self, status: int, headers: Headers, body: bytes) -> None:
        self.head(status, headers, len(body))
        self.write(body)
        self.end()

    def write(self, data: bytes) -> None:
        if not self.started or self.ending:
            self.wrong.append(f"written before the head or after the end: {data[:80]!r}")
        self.body += data
        self.on_write(self)

    def end(self, last: bytes = b"") -> None:
        if last:
            self.write(last)
        self._end("end")

    def abort(self) -> None:
        self._end("abort")

    def break_off(self) -> None:
        self._end("break_off")

    def on_full(self, pause: Callable[[], None], resume: Callable[[], None]) -> None: ...

    def _end(self, how: str) -> None:
        if self.ending or (how != "abort" and not self.started):
            self.wrong.append(f"{how} after {self.ending or 'nothing'}")
        self.ending = how

    @property
    def call(self) -> CallId:
        """The request id."""
        return CallId(self.headers.get(b"x-request-id", b"").decode())

    @property
    def json(self) -> Any:
        """The body of an answer in one piece."""
        return json.loads(self.body)


class _Ears(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.heard: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(logging.Formatter().format(record))


class Counter:
    """The gateway, its two customers (one counts every token, one need not), and its books."""

    def __init__(self, folder: Path) -> None:
        self._runner = asyncio.Runner()
        self.ears = _Ears()
        for name in ("tollway", "asyncio"):
            logging.getLogger(name).addHandler(self.ears)
        self.vendors = Vendors()
        self.seen: dict[CallId, Receipt] = {}
        environ = {"TOLLWAY_DATA_DIR": str(folder)}
        environ |= dict.fromkeys(("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"), "key")
        (folder / "tollway.toml").write_text(NEWER)
        known = [Vendor(p.name, p.key_env, p.base_env, p.base_url, p.needs_key) for p in known_providers().values()]
        self.hub = Hub(load(environ, {}, known, folder))
        self.run(self._open())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it on the gateway's own loop."""
        return self._runner.run(work)

    async def _open(self) -> None:
        hub = self.hub
        await hub.start()
        now_s = hub.clock.monotonic_s
        dispatcher = Dispatcher(hub.router.health, self.vendors, {"echo": self.vendors.heard(EchoUpstream())}, now_s)
        hub.front.gateway = dataclasses.replace(hub.front.gateway, dispatcher=dispatcher)
        users = hub.newcomers().users
        self.users: dict[str, tuple[User, str]] = {}
        for name, amount in (("rich", RICH), ("modest", MODEST)):
            user, key = await users.create(f"{name}@test.example")
            await hub.ledger.grant(user.id, amount, "topup", "test", "test")
            self.users[name] = user, key.api_key

    def ask(
        self,
        path: str,
        body: bytes,
        *,
        who: str = "rich",
        query: str = "",
        method: str = "POST",
        headers: dict[bytes, bytes] | None = None,
        leave: Callable[[Told], bool] = lambda told: False,
    ) -> Told:
        """One request from its bytes to its books. `leave` says, after each piece, whether the caller goes away."""
        user, key = self.users[who]
        lines = {b"host": b"test", b"content-type": b"application/json", b"authorization": b"Bearer " + key.encode()}
        request = Request(method, path, query, lines | (headers or {}), body, "127.0.0.1")
        told = Told()
        self.ears.heard.clear()
        front = self.hub.front  # nothing is remembered of the examples before, so that each can be told again alone
        front.gateway = dataclasses.replace(front.gateway, seals=Seals(self.hub.clock.monotonic_s))
        self.hub.health.forget()  # an example may have broken off half way, and its blame with it
        self.run(self._ask(request, told, leave, who))
        receipt = self.run(self.hub.ledger.receipt(told.call, user.id)) if told.call else None
        if receipt is not None:
            self.seen[told.call] = receipt
        return told

    async def _ask(self, request: Request, told: Told, leave: Callable[[Told], bool], who: str) -> None:
        user = self.users[who][0].id
        if self.hub.ledger.left(Payer(user)) < MODEST // 4:
            await self.hub.ledger.grant(user, MODEST, "topup", "test", "more")
        task = asyncio.ensure_future(self.hub.front.handle(request, told))
        told.on_write = lambda told: task.cancel() and None if leave(told) else None
        self.vendors.on_piece = lambda: task.cancel() and None if leave(told) else None
        done, _ = await asyncio.wait({task}, timeout=SILENCE_S)
        assert done, f"no answer within {SILENCE_S} s to {request!r}"
        if not task.cancelled():
            task.result()

    def lawful(self, told: Told, *, left: bool = False) -> Receipt | None:
        """What holds for every answer, whatever was asked. `left`: the caller may have gone away."""
        assert not told.wrong, told.wrong
        assert not self.ears.heard, "\n".join(self.ears.heard)
        assert told.ending or left, f"no end to {told}"
        assert told.status != 500, told
        if told.length is not None and told.ending == "end":
            assert told.length == len(told.body)
        for user, _ in self.users.values():
            account = self.hub.ledger._accounts.get(user.id)
            lease = account.lease if account is not None else None
            assert lease is None or lease.held == 0, f"{lease.held} still held after {told}"
        receipt = self.seen.get(told.call)
        if receipt is not None:
            assert 0 <= receipt.charge_nano_usd <= receipt.hold_nano_usd
        return receipt

    def close(self) -> None:
        """The books must be exact, with one receipt for each call that was seen to have one."""
        self.run(self._close())
        self._runner.close()
        for name in ("tollway", "asyncio"):
            logging.getLogger(name).removeHandler(self.ears)

    async def _close(self) -> None:
        await self.hub.ledger.flush()
        differences = await self.hub.database.read(audit)
        rows = await self.hub.database.read(
            lambda tx: [row for month in months(tx) for row in tx.run(f"SELECT call_id FROM receipts_{month}")]
        )
        await self.hub.close()
        assert not differences
        names = [row[0] for row in rows]
        assert len(names) == len(set(names))
        missing = set(self.seen) - set(names)
        assert not missing, f"receipts that were shown and not kept: {missing}"
