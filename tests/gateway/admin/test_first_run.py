"""The first start makes two keys, once, and tells them once."""

import asyncio
import json
import shlex
import stat
from pathlib import Path

from tests.gateway.admin.conftest import Hub
from tollway.core.caller import Scope
from tollway.gateway.admin.first_run import FILE, FirstRun, Newcomers, first_run, welcome
from tollway.gateway.auth.identify import KeyRing

URL = "http://127.0.0.1:8080"


async def start(hub: Hub, folder: Path, credits: int = 500) -> FirstRun | None:
    return await first_run(hub.database, hub.ledger, folder, URL, Newcomers(hub.users, credits))


async def test_the_first_start_makes_an_administrator_and_a_user_with_credit(hub: Hub, tmp_path: Path) -> None:
    first = await start(hub, tmp_path)
    assert first is not None
    root, you = hub.client(first.admin_key), hub.client(first.api_key)
    assert (await root.get("/admin/users")).status_code == 200
    me = (await you.get("/me")).json()
    assert me["user"]["email"] == "you@localhost"
    assert me["balance"]["credits"] == 500
    assert (await you.get("/admin/users")).status_code == 403


async def test_the_file_is_private_and_whole(hub: Hub, tmp_path: Path) -> None:
    first = await start(hub, tmp_path)
    assert first is not None
    file = tmp_path / FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text()) == {"url": URL, "admin_key": first.admin_key, "api_key": first.api_key}
    assert not list(tmp_path.glob(".first-run*"))


async def test_a_second_start_does_and_says_nothing(hub: Hub, tmp_path: Path) -> None:
    await start(hub, tmp_path)
    before = (tmp_path / FILE).read_bytes()
    assert await start(hub, tmp_path) is None
    assert (tmp_path / FILE).read_bytes() == before
    assert len(await hub.users.page()) == 2


async def test_two_first_starts_at_once_make_one_pair_of_keys_that_the_file_holds(hub: Hub, tmp_path: Path) -> None:
    results = await asyncio.gather(*(start(hub, tmp_path) for _ in range(5)))
    told = [result for result in results if result is not None]
    assert len(told) == 1
    assert json.loads((tmp_path / FILE).read_text())["api_key"] == told[0].api_key
    assert len(await hub.users.page()) == 2


async def test_users_made_before_the_first_start_do_not_spoil_it(hub: Hub, tmp_path: Path) -> None:
    await hub.users.create("ada@example.com")
    first = await start(hub, tmp_path, credits=0)
    assert first is not None
    caller = await KeyRing(hub.database, hub.keys._clock).identify(first.admin_key.encode())
    assert caller.scope is Scope.ADMIN


async def test_an_address_taken_beforehand_changes_nothing(hub: Hub, tmp_path: Path) -> None:
    await hub.users.create("you@localhost")
    assert await start(hub, tmp_path) is None
    assert not (tmp_path / FILE).exists()
    assert [user.email for user in await hub.users.page()] == ["you@localhost"]


def test_the_welcome_holds_three_commands_that_a_shell_can_read() -> None:
    text = welcome(FirstRun(URL, "inf_admin", "inf_key"))
    commands = [part for part in text.replace("\\\n", " ").splitlines() if part.startswith("curl ")]
    assert len(commands) == 3
    for command in commands:
        words = shlex.split(command)
        assert words[1].startswith(URL)
        assert "inf_key" in command
        body = json.loads(words[words.index("-d") + 1])
        assert body
    assert [shlex.split(command)[1].removeprefix(URL) for command in commands] == [
        "/v1/chat/completions",
        "/v1/messages",
        "/v1beta/models/echo:generateContent",
    ]
    assert text.count("inf_admin") == 1
