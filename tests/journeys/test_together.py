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

    def make(**more: str) -> Hub:
        return start({"TOLLWAY_DATABASE_URL": database, "TOLLWAY_SHARED_URL": own_valkey.url, **more})

    return make


def limited(hub: Hub, per_minute: int) -> str:
    """The key of somebody with credit who may ask so often."""
    user, _ = hub.user(1000)
    return str(hub.tollway("keys", "create", user, "--requests-per-minute", str(per_minute))["api_key"])


def status(hub: Hub, key: str) -> tuple[int, Any]:
    code, _, told = hub.ask("/v1/chat/completions", CALL, key)
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
