"""The very first start: an administrator, a user with a little credit, and a file that scripts can read."""

import os
import secrets
from pathlib import Path
from typing import NamedTuple

import msgspec

from tollway.core.money import nano_of_credits
from tollway.gateway.admin import store
from tollway.gateway.admin.users import Users
from tollway.gateway.ledger.ledger import Ledger
from tollway.ports import Database, Transaction

FILE = "first-run.json"
ADMIN, USER = "admin@localhost", "you@localhost"
NOTE = "first_run"


class FirstRun(msgspec.Struct, frozen=True):
    """What is told once."""

    url: str
    admin_key: str
    api_key: str


class Newcomers(NamedTuple):
    """Whom the first start makes, and what for."""

    users: Users
    credits: int
    """Test credit of the user, in credits."""


async def first_run(
    database: Database, ledger: Ledger, data_dir: Path, url: str, newcomers: Newcomers
) -> FirstRun | None:
    """On the first start on a database make two users and write `first-run.json`; None on every later start.

    The keys are on disk before the users exist, so that no full disk can leave users whose keys nobody ever saw.
    """
    if await database.read(lambda tx: store.noted(tx, NOTE)) is not None:
        return None
    users = newcomers.users
    drafts = users.draft(ADMIN, admin=True, key_name="first run: admin"), users.draft(USER, key_name="first run")
    (admin, admin_key), (user, user_key) = drafts
    first = FirstRun(url, admin_key.api_key, user_key.api_key)

    def keep(tx: Transaction) -> bool:
        if any(users.taken(tx, draft.email) for draft, _ in drafts) or not store.note(tx, NOTE, user.id):
            return False  # another process was first, or somebody made these users by hand
        return all(users.keep(tx, *draft) for draft in drafts)

    draft = write_draft(data_dir, first)
    try:
        if not await database.write(keep):
            return None
        draft.replace(data_dir / FILE)
    finally:
        draft.unlink(missing_ok=True)
    amount = nano_of_credits(newcomers.credits)
    if amount:
        await ledger.grant(user.id, amount, "promo", admin.id, "test credit of the first start", f"first:{user.id}")
    return first


def write_draft(data_dir: Path, first: FirstRun) -> Path:
    """The file's content, safely on disk under another name that nobody else can read."""
    draft = data_dir / f".{FILE}.{secrets.token_hex(8)}"
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(first), indent=2) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    return draft


def welcome(first: FirstRun) -> str:
    """What the first start prints, once: it is the only time the keys are shown."""
    json = '-H "content-type: application/json"'
    return f"""
Tollway answers at {first.url}

  Admin key   {first.admin_key}
  API key     {first.api_key}   (with a small test credit)

They are shown this once, and kept in first-run.json in the data folder. The echo model needs no provider:

{_curl(first, "/v1/chat/completions", f'-H "authorization: Bearer {first.api_key}" {json}', _CHAT)}

{_curl(first, "/v1/messages", f'-H "x-api-key: {first.api_key}" -H "anthropic-version: 2023-06-01" {json}', _MESSAGES)}

{_curl(first, "/v1beta/models/echo:generateContent", f'-H "x-goog-api-key: {first.api_key}" {json}', _GEMINI)}
"""


_CHAT = '{"model": "echo", "messages": [{"role": "user", "content": "Hello!"}]}'
_MESSAGES = '{"model": "echo", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello!"}]}'
_GEMINI = '{"contents": [{"role": "user", "parts": [{"text": "Hello!"}]}]}'


def _curl(first: FirstRun, path: str, headers: str, body: str) -> str:
    """One command on one line, so that it survives any copying."""
    return f"curl {first.url}{path} {headers} -d '{body}'"
