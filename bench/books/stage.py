"""Sets the stage: configuration, provider, gateways, and the accounts of the story with their keys and credit."""

import asyncio
import json
import sys
from pathlib import Path
from typing import NamedTuple

import tollway
from bench.books.fleet import Gateway
from bench.books.story import CHANNELS, MODELS, Account, Story, alias
from bench.process import Process

CREDIT = 1_000
"""Micro-credits in a credit."""
AT_ONCE = 4
BASES = {"openai": "/v1", "anthropic": "", "gemini": ""}
SETTINGS = """
[server]
drain_s = 2
[upstream]
first_byte_timeout_s = 1.0
idle_timeout_s = 1.2
total_timeout_s = 25
"""


class Payer(NamedTuple):
    """An account of the story as the hub knows it."""

    user: str
    key: str
    granted: dict[str, int]
    """Nano-dollars by kind."""
    key_id: str = ""
    budget: int = 0
    """Nano-dollars that the key may spend in all; 0: no budget."""


def configuration(story: Story, provider: int) -> str:
    """tollway.toml: six channels to the mock, and an alias for every call an account may make of a model."""
    rows = [SETTINGS]
    for name in CHANNELS:
        vendor, letter = name.split("-")
        url = f"http://127.0.0.1:{provider}/{name}{BASES[vendor]}"
        rows.append(
            f'[[channels]]\nid = "{name}"\nprovider = "{vendor}"\nbase_url = "{url}"\nkey = "sk-{name}"\n'
            f"priority = {int(letter == 'a')}\n"
        )
    for model in MODELS:
        names = json.dumps([alias(model, slot) for slot in range(story.slots)])
        rows.append(f'[[models]]\nid = "{model}"\naliases = {names}\n')
    return "\n".join(rows)


def surroundings(folder: Path, database: str, more: dict[str, str]) -> dict[str, str]:
    """The environment of every gateway and command: the product under test is the one imported here."""
    source = str(Path(tollway.__file__).parent.parent)
    own = {"PYTHONPATH": source, "TOLLWAY_CONFIG": str(folder / "tollway.toml"), "TOLLWAY_DATABASE_URL": database}
    return own | {"TOLLWAY_LOG_LEVEL": "warning"} | more


def provider(folder: Path, seed: int, calls: int) -> tuple[Process, int]:
    """The mock provider in a process of its own: (process, port)."""
    argv = [sys.executable, "-m", "bench.books.provider", "--seed", str(seed), "--calls", str(calls)]
    path = ":".join(entry for entry in sys.path if entry)
    process = Process([*argv, "--account", str(folder / "provider.jsonl")], 0, {"PYTHONPATH": path})
    said = process.line()
    if not said.startswith("provider on"):
        raise RuntimeError(f"the mock provider does not start: {said}{process.rest(5)}")
    return process, int(said.rpartition(":")[2])


async def payers(story: Story, hubs: list[Gateway]) -> list[Payer]:
    """Make every account, with its credit."""
    admin = json.loads((hubs[0].folder / "first-run.json").read_text())["admin_key"]
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(number: int, account: Account) -> Payer:
        hub = hubs[number % len(hubs)]
        async with gate:
            made = await hub.ask("POST", "/admin/users", admin, {"email": f"b{number}@books.example"})
            user = made["user"]["id"]
            for kind, amount in account.credits:
                given = {"credits": str(amount / CREDIT), "kind": kind, "reason": "the bench of the books"}
                await hub.ask("POST", f"/admin/users/{user}/grant", admin, given)
        granted = {kind: amount * 1_000 for kind, amount in account.credits}
        if not account.budget:
            return Payer(user, made["api_key"], granted)
        within = {"name": "budget", "budget": {"amount": account.budget / CREDIT, "period": "total"}}
        bound = await hub.ask("POST", "/api-keys", made["api_key"], within)
        return Payer(user, bound["api_key"], granted, bound["key_id"], account.budget * 1_000)

    return list(await asyncio.gather(*(one(number, account) for number, account in enumerate(story.accounts))))
