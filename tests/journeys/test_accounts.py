"""Two gateways on one pool of subscription accounts, as processes: one refresh for both, and one operator."""

import concurrent.futures
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.journeys.callers import newcomer
from tests.journeys.hub import Hub
from tests.mocks.accounts import CLIENT_ID, TOKEN_PATH, Vendor, refusal, state_file
from tests.mocks.server import MockServer

BODY = {"model": "claude-haiku", "max_tokens": 50, "messages": [{"role": "user", "content": "hello"}]}
FOLLOWS_S = 10.0
"""Gateways look twice a second, so a word holds within a second; on a machine that is busy with tests, within this."""
CROWD = 12


@pytest.fixture(scope="module")
def vendor() -> Vendor:
    return Vendor("ann", life_s=3600)


@pytest.fixture(scope="module")
def pair(vendor: Vendor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[tuple[Hub, str]]]:
    """Two gateways on one state file, each with somebody who pays; the file's token has ended."""
    folder = tmp_path_factory.mktemp("accounts")
    file = folder / "accounts.json"
    file.write_text(state_file(vendor["ann"], expires_at=1_000))
    with MockServer(vendor.app) as server, ExitStack() as stack:
        toml = (
            f'[accounts.claude]\nprovider = "claude_subscription"\nbase_url = "{server.url}"\nfile = "{file}"\n'
            f'token_url = "{server.url}{TOKEN_PATH}"\nclient_id = "{CLIENT_ID}"\n'
        )
        made = []
        for number in range(2):
            hub = Hub(folder / f"hub{number}", {}, toml).start()
            stack.callback(hub.stop)
            made.append((hub, newcomer(hub, 1000)[1]))
        yield made


def all_at_once(pair: list[tuple[Hub, str]]) -> list[int]:
    """A crowd of calls at both gateways: their statuses."""
    with concurrent.futures.ThreadPoolExecutor(2 * CROWD) as pool:
        asked = [pool.submit(hub.ask, "/v1/chat/completions", BODY, key) for _ in range(CROWD) for hub, key in pair]
        return [future.result()[0] for future in asked]


def until(hub: Hub, key: str, status: int) -> float:
    """How long it took until a call is answered so, in seconds."""
    begun = time.monotonic()
    while time.monotonic() < begun + 20:
        if hub.ask("/v1/chat/completions", BODY, key)[0] == status:
            return time.monotonic() - begun
        time.sleep(0.02)
    raise AssertionError(f"never answered {status}")


def test_two_processes_refreshing_one_account_make_one_refresh(pair: list[tuple[Hub, str]], vendor: Vendor) -> None:
    assert all_at_once(pair) == [200] * (2 * CROWD)
    assert vendor.asked == 1
    vendor.forget_tokens("ann")
    assert all_at_once(pair) == [200] * (2 * CROWD)
    assert vendor.asked == 2
    for hub, _ in pair:
        (row,) = hub.tollway("accounts", "list")
        assert (row["state"], row["generation"], row["consecutive_failures"]) == ("active", 2, 0)
        assert hub.audit() == []


def test_an_operators_word_holds_on_running_gateways_soon(
    pair: list[tuple[Hub, str]], vendor: Vendor, tmp_path: Path
) -> None:
    first = pair[0][0]
    assert all_at_once(pair) == [200] * (2 * CROWD)
    first.tollway("accounts", "disable", "ann")
    said_at = time.monotonic()
    for hub, key in pair:
        until(hub, key, 503)
    assert time.monotonic() - said_at < FOLLOWS_S
    vendor["ann"].number += 1  # the operator signs in anew: the tokens of before are good for nothing
    brought = tmp_path / "brought.json"
    one = vendor["ann"]
    brought.write_text(json.dumps({"access_token": one.access, "refresh_token": one.refresh, "expires_at": 4e12}))
    first.tollway("accounts", "import", str(brought), "--id", "ann")
    said_at = time.monotonic()
    for hub, key in pair:
        until(hub, key, 200)
    assert time.monotonic() - said_at < FOLLOWS_S


def test_a_cooldown_that_one_gateway_sees_the_other_keeps_and_a_restart_too(
    pair: list[tuple[Hub, str]], vendor: Vendor
) -> None:
    (one, key), (other, others_key) = pair
    assert all_at_once(pair) == [200] * (2 * CROWD)
    vendor["ann"].says.append(refusal(429, retry_after="600"))
    status, headers, _ = one.ask("/v1/chat/completions", BODY, key)
    assert (status, 500 < int(headers["retry-after"]) <= 600) == (503, True)
    until(other, others_key, 503)
    (row,) = other.tollway("accounts", "list")
    assert (row["state"], row["consecutive_failures"]) == ("cooldown", 1)
    one.stop()
    one.start()
    assert one.ask("/v1/chat/completions", BODY, key)[0] == 503
    other.tollway("accounts", "enable", "ann")
    assert until(one, key, 200) < FOLLOWS_S
