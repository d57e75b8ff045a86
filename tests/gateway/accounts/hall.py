"""A whole hub in the process, its pool before a vendor over real HTTP; only the caller's socket is a stand-in."""

import dataclasses
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.gateway.pipeline.stage import Ear, Stage, open_stage
from tests.mocks.accounts import CLIENT_ID, TOKEN_PATH, Vendor, state_file
from tests.mocks.exchange import MockRequest
from tests.mocks.server import MockServer
from tollway.core.receipt import Receipt
from tollway.gateway.accounts.account import Account
from tollway.gateway.accounts.state_file import StateFile
from tollway.gateway.pipeline.dispatch import Dispatcher

MODEL = "claude-haiku"
PAID = "sk-paid"


@dataclass
class Hall:
    """One hub, one pool, one vendor."""

    stage: Stage
    vendor: Vendor
    server: MockServer
    path: Path

    def in_file(self, name: str) -> Account:
        """What the file says."""
        return StateFile(self.path).load()[0][name]

    def calls(self) -> list[MockRequest]:
        """What the vendor was asked, but for tokens."""
        return [one for one in self.server.requests if one.path != TOKEN_PATH]

    def who(self) -> list[str]:
        """The credentials of those calls."""
        return [
            one.headers.get("x-api-key") or one.headers.get("authorization", "").removeprefix("Bearer ")
            for one in self.calls()
        ]

    async def written(self) -> None:
        """What happened has reached the file."""
        for lender in self.stage.hub.lenders.values():
            await lender.pool.roster.written(10)

    async def look(self) -> None:
        """The gateway has seen what changed in the file."""
        for lender in self.stage.hub.lenders.values():
            await lender.pool.look()

    async def chat(self, text: str = "hi", stream: bool = False, **headers: str) -> Ear:
        """An OpenAI chat call for Claude."""
        body = {"model": MODEL, "stream": stream, "messages": [{"role": "user", "content": text}]}
        return await self.stage.ask("/v1/chat/completions", body, **headers)

    async def messages(
        self, text: str = "hi", stream: bool = False, path: str = "/v1/messages", more: Any = None, **headers: str
    ) -> Ear:
        """A Messages call."""
        turns = [{"role": "user", "content": text}]
        body = {"model": MODEL, "stream": stream, "max_tokens": 100, "messages": turns, **(more or {})}
        return await self.stage.ask(path, body, **headers)

    async def receipt(self, ear: Ear) -> Receipt:
        """The call's receipt."""
        return await self.stage.receipt(ear.call)


def table(server: MockServer, path: Path, provider: str, paid: bool) -> str:
    """The operator's file: one pool named `claude` or `codex`."""
    name, base = provider.partition("_")[0], server.url
    key = f'fallback_key = "{PAID}"\n' if paid else ""
    if name == "codex":
        base = f"{server.url}/backend"
        key += f'fallback_base_url = "{server.url}/v1"\n'
    return (
        f'[accounts.{name}]\nprovider = "{provider}"\nbase_url = "{base}"\n'
        f'token_url = "{server.url}{TOKEN_PATH}"\nclient_id = "{CLIENT_ID}"\nfile = "{path}"\n{key}'
    )


@asynccontextmanager
async def open_hall(
    folder: Path,
    *names: str,
    paid: bool = False,
    more: str = "",
    kept: dict[str, Any] | None = None,
    vendor: Vendor | None = None,
    provider: str = "claude_subscription",
) -> AsyncIterator[Hall]:
    """The state file holds the vendor's `names`; `kept` is said of each, `more` is in the operator's file."""
    vendor = vendor or Vendor(*names)
    path = folder / "accounts.json"
    with MockServer(vendor.app) as server:
        path.write_text(state_file(*vendor.subscribers.values(), **(kept or {})))
        async with open_stage(folder / "hub", table(server, path, provider, paid) + more, environ={}) as stage:
            hub, gateway = stage.hub, stage.front.gateway
            real = Dispatcher(hub.health, hub.upstream, gateway.dispatcher._inside, gateway.now_s, hub.lenders)
            stage.front.gateway = dataclasses.replace(gateway, dispatcher=real)
            yield Hall(stage, vendor, server, path)


def said(ear: Ear) -> str:
    """The text of a whole answer, in either dialect."""
    told = json.loads(ear.data)
    if "choices" in told:
        return str(told["choices"][0]["message"]["content"])
    return "".join(part["text"] for part in told["content"])
