"""Two gateways that share a store: one limit and one lockout for both, and what becomes of calls when it is away."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.journeys.callers import OPENAI
from tests.journeys.crowd import ask
from tests.journeys.hub import Hub
from tests.mocks.fault import Kind
from tests.mocks.openai import app as openai_app
from tests.mocks.server import MockServer
from tests.postgres import Postgres
from tests.valkey import Valkey

CALL: dict[str, Any] = {"model": "echo", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}


@pytest.fixture
def database(postgres: Postgres) -> Iterator[str]:
    url = postgres.fresh("template0")
    yield url
    postgres.drop(url)


@pytest.fixture
def gateway(start: Callable[..., Hub], database: str, own_valkey: Valkey) -> Callable[..., Hub]:
    """Start a gateway; all of them are on one database and one store."""

    def make(toml: str = "", **more: str) -> Hub:
        return start({"TOLLWAY_DATABASE_URL": database, "TOLLWAY_SHARED_URL": own_valkey.url, **more}, toml)

    return make


def limited(hub: Hub, per_minute: int) -> str:
    """The key of somebody with credit who may ask so often."""
    user, _ = hub.user(1000)
    return str(hub.tollway("keys", "create", user, "--requests-per-minute", str(per_minute))["api_key"])


def status(hub: Hub, key: str, model: str = "echo") -> tuple[int, Any]:
    code, _, told = hub.ask("/v1/chat/completions", {**CALL, "model": model}, key)
    return code, told


def until(wanted: Callable[[], bool], patience_s: float = 20.0) -> None:
    deadline = time.monotonic() + patience_s
    while not wanted():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_limit_holds_for_both_together_and_so_does_a_lockout(gateway: Callable[..., Hub]) -> None:
    rule = {"TOLLWAY_KEYS_LOCKOUT_LOOPBACK_TOO": "true", "TOLLWAY_KEYS_LOCKOUT_FAILURES": "6"}
    first, second = hubs = [gateway(**rule) for _ in range(2)]
    key = limited(first, 10)
    assert [status(first, key)[0] for _ in range(10)] == [200] * 10
    assert [status(hub, key)[0] for hub in (second, first)] == [429] * 2

    async def crowd(key: str) -> Counter[int]:
        heard = await asyncio.gather(*(ask(hub, OPENAI, key, CALL) for _ in range(20) for hub in hubs))
        return Counter(one.status for one in heard if one is not None)

    assert asyncio.run(crowd(limited(first, 15))) == {200: 15, 429: 25}
    for hub in (first, second) * 3:
        assert status(hub, "sk-tw-nobody")[0] == 401
    until(lambda: all("IP_LOCKED" in str(status(hub, key)) for hub in hubs))


def test_while_the_store_is_away_nobody_is_served_or_each_counts_alone(
    gateway: Callable[..., Hub], own_valkey: Valkey
) -> None:
    strict, free = gateway(), gateway(TOLLWAY_SHARED_FAILURE="allow")
    key = limited(strict, 5)
    assert status(strict, key)[0] == 200
    own_valkey.kill()
    until(lambda: status(strict, key)[0] == 503)
    code, headers, told = strict.ask("/v1/chat/completions", CALL, key)
    assert (code, int(headers["retry-after"]) >= 1) == (503, True)
    assert "SERVICE_DEGRADED" in str(told)
    until(lambda: strict.ask("/ready")[0] == 503)
    assert free.ask("/ready")[0] == 200
    began_s = time.monotonic()
    assert [status(free, key)[0] for _ in range(6)] == [200] * 5 + [429]
    assert time.monotonic() - began_s < 5
    own_valkey.start()
    until(lambda: strict.ask("/ready")[0] == 200)
    until(lambda: status(strict, limited(strict, 3))[0] == 200)
    assert strict.audit() == []


HONOURED_S = 5.0
"""What one gateway finds out about a channel the others honour within a second or so; on a machine that is busy with
tests, within this."""
TWO_CHANNELS = """
[server]
shared_failure = "allow"
[health]
failure_threshold = 2
cooldown_s = 1
cooldown_max_s = 1
[[channels]]
id = "first"
provider = "openai"
base_url = "{first}/v1"
key = "k"
priority = 2
models = {{ "gpt-5-mini" = "gpt-5-mini" }}
[[channels]]
id = "second"
provider = "openai"
base_url = "{second}/v1"
key = "k"
models = {{ "gpt-5-mini" = "gpt-5-mini" }}
[[channels]]
id = "narrow"
provider = "openai"
base_url = "{second}/v1"
key = "k"
rpm = 4
models = {{ "gpt-5.2" = "gpt-5.2" }}
"""


@pytest.fixture
def rivals() -> Iterator[tuple[MockServer, MockServer]]:
    """Two addresses that serve the same model."""
    with MockServer(openai_app) as first, MockServer(openai_app) as second:
        yield first, second


def narrow(server: MockServer) -> int:
    return sum(one.json["model"] == "gpt-5.2" for one in server.requests)


def probes(server: MockServer, since: int) -> int:
    return sum(one.headers.get("x-probe") == "synthetic" for one in server.requests[since:])


def test_a_dead_channel_is_left_by_all_and_one_probe_brings_it_back_to_all(
    gateway: Callable[..., Hub], own_valkey: Valkey, rivals: tuple[MockServer, MockServer]
) -> None:
    dying, other = rivals
    toml = TWO_CHANNELS.format(first=dying.url, second=other.url)
    one, two = hubs = gateway(toml), gateway(toml)
    admin, (_, key) = one.keys["admin_key"], one.user(1000)

    def called(hub: Hub, model: str = "gpt-5-mini") -> int:
        return status(hub, key, model)[0]

    def state(hub: Hub) -> str:
        rows = hub.ask("/admin/routing", key=admin)[2]["circuits"]
        return next((str(row["state"]) for row in rows if (row["lane"], row["model"]) == ("first", "gpt-5-mini")), "")

    assert [called(hub) for hub in hubs] == [200, 200]
    assert (len(dying.requests), len(other.requests)) == (2, 0)

    dying.fail(Kind.STATUS, times=10**6)  # the provider dies
    assert [called(one) for _ in range(3)] == [200] * 3
    until(lambda: state(two) in ("open", "half_open"), HONOURED_S)
    before, began_s = len(dying.requests), time.monotonic()
    assert [called(hub) for hub in hubs * 10] == [200] * 20
    tries = len(dying.requests) - before
    assert tries <= 4 * (1 + time.monotonic() - began_s), "after each second of rest a call or a probe tries it"

    dying.mend()  # and is back: nobody calls meanwhile
    before = len(dying.requests)
    until(lambda: all(state(hub) == "closed" for hub in hubs))
    assert len(dying.requests) - before == probes(dying, before) <= 2
    before = len(dying.requests)
    assert [called(hub) for hub in hubs] == [200, 200]
    assert len(dying.requests) == before + 2

    until(lambda: called(one, "gpt-5.2") == 429 and narrow(other) >= 4)
    until(lambda: called(two, "gpt-5.2") == 429)
    assert 4 <= narrow(other) <= 6, "at the very worst one third more, rounded up"

    own_valkey.kill()  # the store dies: nobody waits for it
    until(lambda: "cannot be reached" in "".join((hub.folder / "serve.log").read_text() for hub in hubs))
    began_s = time.monotonic()
    assert [called(hub) for hub in hubs * 3] == [200] * 6
    assert time.monotonic() - began_s < 5
    assert one.audit() == []
