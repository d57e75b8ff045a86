"""Budgets over real HTTP: they stop calls at every level, say when they begin anew, and are never exceeded."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.journeys.hub import Hub, NewDatabase
from tests.journeys.stage import Stage, staged

WORDS = "word " * 400


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory, new_database: NewDatabase) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("budgets"), new_database(), "") as stage:
        yield stage
        assert stage.hub.audit() == []


@pytest.fixture
def hub(opened: Stage) -> Hub:
    return opened.hub


def chat(hub: Hub, key: str, words: str = WORDS, most: int = 500) -> tuple[int, dict[str, str], Any]:
    body = {"model": "echo", "max_tokens": most, "messages": [{"role": "user", "content": words}]}
    return hub.ask("/v1/chat/completions", body, key)


def newcomer(hub: Hub, name: str, *words: str) -> tuple[str, str]:
    made = hub.tollway("users", "create", f"{name}@budgets.example", "--credits", "100000", *words)
    return made["user_id"], made["api_key"]


def spend_until_refused(hub: Hub, key: str) -> tuple[int, dict[str, str], Any]:
    """Ask until a call is refused; what it was told."""
    for _ in range(200):
        told = chat(hub, key)
        if told[0] != 200:
            return told
    raise AssertionError("nothing ever refused")


def test_a_key_stops_at_its_daily_budget_and_says_when_it_begins_anew(hub: Hub) -> None:
    user, free = newcomer(hub, "key")
    made = hub.tollway("keys", "add", user, "--budget", "5/day@Pacific/Auckland")
    status, headers, told = spend_until_refused(hub, made["api_key"])
    assert status == 429
    assert "day" in told["error"]["message"]
    assert made["key_id"] in told["error"]["message"] or "key" in told["error"]["message"]
    assert 0 < int(headers["retry-after"]) <= 25 * 3600
    shown = next(key for key in hub.tollway("keys", "list", user) if key["key_id"] == made["key_id"])["budgets"][0]
    assert 0 < shown["spent"] <= 5.0
    assert shown["left"] == pytest.approx(5.0 - shown["spent"])
    assert chat(hub, free)[0] == 200, "the user's other key goes on"
    hub.tollway("keys", "set", made["key_id"], "--no-budget")
    assert chat(hub, made["api_key"])[0] == 200, "the very next call has no budget any more"


def test_an_organisation_stops_all_its_users_and_nobody_else(hub: Hub) -> None:
    made = hub.tollway("organisations", "create", "Blue", "--budget", "8/month@Europe/Berlin")
    (ada, ada_key), (_, bob_key), (_, eve_key) = [newcomer(hub, name) for name in ("ada", "bob", "eve")]
    for user in ("ada", "bob"):
        hub.tollway("organisations", "add", "Blue", f"{user}@budgets.example")
    spend_until_refused(hub, ada_key)
    status, _, told = chat(hub, bob_key)
    assert status == 429
    assert "month" in told["error"]["message"]
    assert chat(hub, eve_key)[0] == 200
    shown = hub.tollway("organisations", "list")[0]
    assert (shown["id"], shown["members"]) == (made["id"], 2)
    assert 0 < shown["budgets"][0]["spent"] <= 8.0
    hub.tollway("organisations", "set", "Blue", "--budget", "10000/month@Europe/Berlin")
    assert chat(hub, bob_key)[0] == 200, "a raised budget lets calls through at once"
    hub.tollway("organisations", "remove", "Blue", ada)
    assert hub.tollway("users", "show", ada)["organisation_id"] is None


def test_the_narrowest_budget_of_the_way_decides(hub: Hub) -> None:
    user, _ = newcomer(hub, "narrow", "--budget", "1000/week")
    made = hub.tollway("keys", "create", user, "--budget", "3/total", "--budget", "500/day")
    status, _, told = spend_until_refused(hub, made["api_key"])
    assert status == 429
    assert "total" in told["error"]["message"]
    budgets = {one["period"]: one for one in hub.tollway("keys", "list", user)[0]["budgets"]}
    assert budgets["total"]["spent"] == budgets["day"]["spent"] <= 3.0
    assert hub.tollway("users", "show", user)["budgets"][0]["spent"] == budgets["day"]["spent"]


def test_fifty_calls_at_once_never_exceed_a_key_budget_of_ten_credits(hub: Hub) -> None:
    user, _ = newcomer(hub, "crowd")
    made = hub.tollway("keys", "create", user, "--budget", "10/total")
    with ThreadPoolExecutor(50) as pool:
        told = list(pool.map(lambda _: chat(hub, made["api_key"]), range(50)))
    statuses = {status for status, _, _ in told}
    assert statuses == {200, 429}, "some fit, some did not"
    charged = sum(
        hub.receipt(headers["x-request-id"], made["api_key"])["charge"]["nano_usd"]
        for status, headers, _ in told
        if status == 200
    )
    assert 0 < charged <= 10_000_000
    shown = hub.tollway("keys", "list", user)[0]["budgets"][0]
    assert shown["spent"] == pytest.approx(charged / 1e6)


def test_a_user_sets_a_budget_on_a_key_of_his_own_over_http(hub: Hub) -> None:
    _, key = newcomer(hub, "own")
    status, _, made = hub.ask("/api-keys", {"name": "ci", "budget": {"amount": 2, "period": "day"}}, key)
    assert status == 200
    status, _, told = spend_until_refused(hub, made["api_key"])
    assert (status, told["error"]["type"]) == (429, "insufficient_quota")
    status, _, told = hub.ask("/api-keys", {"budget": {"amount": 2, "tz": "Nowhere"}}, key)
    assert (status, told["detail"]["field"]) == (400, "budget.tz")
