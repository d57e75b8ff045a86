"""Channels kept in the database: made, tested, changed and removed while gateways run and callers call."""

import asyncio
import http.client
import json
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.journeys.callers import OPENAI, Heard, newcomer
from tests.journeys.crowd import ask, until
from tests.journeys.hub import Hub
from tests.mocks.fault import Fault, Kind
from tests.mocks.openai import app
from tests.mocks.server import MockServer
from tests.postgres import Postgres
from tollway.backends.localvault import new_key

SECRET = "sk-test-channel-0123456789abcdef"
FOLLOWED_S = 2.0
CALLERS_EACH = 4


@pytest.fixture(scope="module")
def mocks() -> Iterator[list[MockServer]]:
    """Three addresses that speak OpenAI's format."""
    with ExitStack() as stack:
        yield [stack.enter_context(MockServer(app)) for _ in range(3)]


@pytest.fixture
def hubs(tmp_path: Path, postgres: Postgres) -> Iterator[list[Hub]]:
    """Two hosts on one database, with one key to their vaults."""
    environ = {"TOLLWAY_DATABASE_URL": postgres.fresh(), "TOLLWAY_VAULT_KEY": new_key()}
    made = [Hub(tmp_path / f"host{number}", environ) for number in range(2)]
    yield [hub.start() for hub in made]
    for hub in made:
        if hub.process is not None:
            hub.stop()


def admin(hub: Hub, method: str, path: str, body: Any = None) -> Any:
    """One request by the administrator, who was made on the first host."""
    status, told = _send(hub, method, f"/admin/channels{path}", body)
    assert status == 200, told
    return told


def _send(hub: Hub, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    line = http.client.HTTPConnection(urlsplit(hub.url).netloc, timeout=30)
    data = None if body is None else json.dumps(body)
    lines = {"authorization": f"Bearer {hub.keys['admin_key']}", "content-type": "application/json"}
    line.request(method, path, data, lines)
    answer = line.getresponse()
    told = json.loads(answer.read())
    line.close()
    return answer.status, told


class Crowd:
    """Callers at every host who never pause, and what each of them heard."""

    def __init__(self, hubs: list[Hub], key: str) -> None:
        self._hubs, self._key = hubs, key
        self.heard: list[Heard | None] = []
        self._ended = False

    async def call(self, host: int) -> None:
        """One caller after another, whole answers and slow streams in turn."""
        number = 0
        while not self._ended:
            number += 1
            stream = bool(number % 2)
            text = f"host{host} says [[slow:20]] hello" if stream else f"host{host} says hello"
            self.heard.append(await ask(self._hubs[host], OPENAI, self._key, OPENAI.body(text, stream, 50), stream))

    def end(self) -> None:
        """Let those who call now be the last."""
        self._ended = True


def seen_from(mock: MockServer, host: int, since: int) -> bool:
    """Whether a call of that host came here after the first `since`."""
    return any(f"host{host} says".encode() in request.body for request in mock.requests[since:])


async def test_edits_reach_two_gateways_within_two_seconds_and_no_call_is_dropped(
    hubs: list[Hub], mocks: list[MockServer]
) -> None:
    one, two, three = (f"{mock.url}/v1" for mock in mocks)
    _, key = newcomer(hubs[0], 5000)
    row = {"id": "moving", "provider": "openai", "key": SECRET, "base_url": one, "models": [OPENAI.model]}
    admin(hubs[0], "POST", "", row)
    steps: list[tuple[MockServer, Callable[[], Any]]] = [
        (mocks[1], lambda: admin(hubs[0], "PATCH", "/moving", {"base_url": two})),
        (mocks[0], lambda: admin(hubs[0], "PATCH", "/moving", {"base_url": one, "keys": [SECRET, SECRET + "2"]})),
        (mocks[2], lambda: admin(hubs[0], "POST", "", {**row, "id": "better", "base_url": three, "priority": 9})),
        (mocks[0], lambda: admin(hubs[0], "POST", "/better/disable")),
        (mocks[2], lambda: admin(hubs[0], "POST", "/better/enable")),
        (mocks[0], lambda: admin(hubs[0], "DELETE", "/better")),
    ]
    crowd, took_s = Crowd(hubs, key), []
    for host in (0, 1):
        await until(lambda host=host: _can_call(hubs[host], key))  # type: ignore[misc]
    callers = [asyncio.create_task(crowd.call(host)) for host in (0, 1) for _ in range(CALLERS_EACH)]
    for mock, edit in steps:
        before = len(mock.requests)
        await asyncio.to_thread(edit)
        edited_s = time.monotonic()
        for host in (0, 1):
            await until(lambda host=host, mock=mock, since=before: seen_from(mock, host, since))  # type: ignore[misc]
            took_s.append(time.monotonic() - edited_s)
    crowd.end()
    await asyncio.gather(*callers)
    assert len(crowd.heard) > 10 * CALLERS_EACH
    assert [one for one in crowd.heard if one is None or one.status != 200 or one.is_cut] == []
    assert statistics.median(took_s) < FOLLOWED_S, took_s
    assert hubs[0].audit() == []


def _can_call(hub: Hub, key: str) -> bool:
    return hub.ask("/v1/chat/completions", OPENAI.body("hello", False, 50), key)[0] == 200


def test_a_stored_channel_is_used_tested_for_nothing_and_shows_its_key_to_nobody(
    tmp_path: Path, mocks: list[MockServer]
) -> None:
    hub, mock = Hub(tmp_path / "hub").start(), mocks[0]
    try:
        user, key = newcomer(hub, 1000)
        row = {"id": "eu", "provider": "openai", "key": SECRET, "base_url": f"{mock.url}/v1", "models": [OPENAI.model]}
        told = [admin(hub, "POST", "", row), admin(hub, "GET", ""), admin(hub, "GET", "/eu")]
        before, credits = len(mock.requests), hub.tollway("users", "show", user)["balance"]
        tested = admin(hub, "POST", "/eu/test")
        assert (tested["ok"], tested["status"], tested["model"]) == (True, 200, OPENAI.model)
        assert len(mock.requests) == before + 1
        assert mock.requests[-1].headers["authorization"] == f"Bearer {SECRET}"
        mock.fail(Fault(Kind.STATUS, status=401))
        refused = admin(hub, "POST", "/eu/test")
        assert (refused["ok"], refused["status"]) == (False, 401) and refused["problem"]
        told += [tested, refused, hub.tollway("channels", "list"), hub.tollway("channels", "show", "eu")]
        assert hub.tollway("users", "show", user)["balance"] == credits
        assert hub.ask("/v1/chat/completions", OPENAI.body("hello", False, 50), key)[0] == 200
        assert _send(hub, "POST", "/admin/channels", row)[0] == 409
        hub.stop()
        hub.start()
        assert hub.ask("/v1/chat/completions", OPENAI.body("hello", False, 50), key)[0] == 200
        assert hub.audit() == []
        assert SECRET not in json.dumps(told) + hub.log
        kept = [file for file in hub.folder.rglob("*") if file.is_file() and SECRET.encode() in file.read_bytes()]
        assert kept == []
    finally:
        hub.stop()


def test_a_gateway_without_the_vaults_key_does_not_start_and_says_why(tmp_path: Path) -> None:
    hub = Hub(tmp_path / "hub").start()
    key = subprocess.run(
        [sys.executable, "-m", "tollway", "channels", "create", "eu", "--provider", "openai", "--key-stdin"],
        env=hub._env(), input=SECRET.encode(), capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert key.returncode == 0, key.stderr
    hub.stop()
    hub.environ = {**hub.environ, "TOLLWAY_VAULT_KEY": new_key()}
    with pytest.raises(AssertionError, match="every host on one database the same TOLLWAY_VAULT_KEY"):
        hub.start()


def test_an_edited_file_is_taken_up_at_sighup_and_a_spoilt_one_changes_nothing(
    tmp_path: Path, mocks: list[MockServer]
) -> None:
    toml = '[[channels]]\nid = "main"\nprovider = "openai"\nkey = "sk-a"\nbase_url = "{}/v1"\n'
    hub = Hub(tmp_path / "hub", toml=toml.format(mocks[0].url)).start()
    try:
        assert hub.process is not None
        _, key = newcomer(hub, 1000)

        def taken_up(words: str) -> None:
            file = hub.folder / "tollway.toml"
            file.write_text(words)
            hub.process.send_signal(signal.SIGHUP)  # type: ignore[union-attr]

        def asked(mock: MockServer) -> bool:
            before = len(mock.requests)
            assert hub.ask("/v1/chat/completions", OPENAI.body("hello", False, 50), key)[0] == 200
            return len(mock.requests) > before

        assert asked(mocks[0])
        taken_up(toml.format(mocks[1].url))
        asyncio.run(until(lambda: asked(mocks[1])))
        taken_up('[[channels]]\nid = "main"\nprovider = "nobody"\n')
        log = hub.folder / "serve.log"
        asyncio.run(until(lambda: "no such provider" in log.read_text()))
        assert asked(mocks[1])
    finally:
        hub.stop()
