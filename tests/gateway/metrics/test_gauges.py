"""What stands behind calls is shown as it is: accounts, local engines, the database, the users."""

import asyncio
import types
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.metrics.scraping import families, scrape, value
from tests.gateway.pipeline.stage import Played, Stage, open_stage, whole
from tollway.core.errors import Unavailable
from tollway.core.ids import LaneId
from tollway.gateway.accounts.account import Account, State
from tollway.gateway.engine import Gauges as Told
from tollway.gateway.gauges import Gauges
from tollway.gateway.ledger.show import show_receipt
from tollway.gateway.metrics.tally import Tally

TWO_KEYS = """
[[channels]]
id = "pool"
provider = "openai"
keys = ["sk-one", "sk-two"]

[[channels]]
id = "gpu"
provider = "vllm"
base_url = "http://127.0.0.1:1/v1"
"""


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with open_stage(tmp_path) as made:
        yield made


async def test_an_accounts_state_and_the_end_of_its_token_are_shown(stage: Stage) -> None:
    hub = stage.hub
    resting = Account(
        id="acc-1", access_token="a-token", refresh_token="r-token", expires_at=1_800_000_000_000,
        state=State.COOLDOWN, cooldown_until=int(hub.clock.now_s() * 1000) + 60_000,
    )  # fmt: skip
    roster = types.SimpleNamespace(everyone={"acc-1": resting})
    pool = types.SimpleNamespace(name="claude", roster=roster, renewals={"renewed": 3, "failed": 1})
    hub.lenders["claude"] = types.SimpleNamespace(pool=pool)  # type: ignore[index,assignment]
    found = await families(stage)
    states = {one.labels["state"]: one.value for one in found["account_state"].samples}
    assert states == {"active": 0, "cooldown": 1, "revoked": 0, "disabled": 0}
    assert value(found, "account_token_expiry_timestamp_seconds", pool="claude", account="acc-1") == 1_800_000_000
    assert value(found, "account_refreshes_total", outcome="renewed") == 3
    assert b'token"' not in (data := (await scrape(stage)).data) and b"a-token" not in data and b"r-token" not in data
    del hub.lenders["claude"]  # type: ignore[arg-type]


async def test_a_local_engines_load_and_a_resting_key_are_shown(tmp_path: Path) -> None:
    async with open_stage(tmp_path, TWO_KEYS, {}) as stage:
        hub, now_s = stage.hub, stage.hub.clock.monotonic_s()
        busy = hub.offload.engines.behind_channels["gpu"]  # type: ignore[index]
        busy.told(Told(running=3, waiting=2, kv_used=0.75), now_s, now_s)
        lane = next(one.lane for one in hub.routes.every.candidates if one.lane.startswith("pool#"))
        hub.health.of(LaneId(lane), "").refuse(now_s)
        found = await families(stage)
        assert value(found, "engine_requests", channel="gpu", provider="vllm", state="running") == 3
        assert value(found, "engine_requests", channel="gpu", state="waiting") == 2
        assert value(found, "engine_kv_cache_ratio", channel="gpu") == 0.75
        rested = {"provider": "openai", "key_index": lane.partition("#")[2], "reason": "key_refused"}
        assert value(found, "key_pool_cooldowns_total", **rested) == 1
        assert value(found, "circuit_open_total", provider="openai", reason="key_refused") == 1
        assert b"sk-one" not in (await scrape(stage)).data


async def test_calls_in_flight_and_leased_credit_are_shown(stage: Stage) -> None:
    answer = Played([], lingers=True)
    body = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "hi"}]}
    _, task = stage.begin("/v1/chat/completions", body, answer)
    while not answer._on_data:
        await asyncio.sleep(0)
    found = await families(stage)
    assert value(found, "api_concurrent_requests") == 1 == value(found, "ledger_leases")
    assert value(found, "ledger_lease_held_usd") > 0 and value(found, "ledger_lease_free_usd") > 0
    task.cancel()
    await asyncio.wait([task])
    assert value(await families(stage), "api_concurrent_requests") == 0


async def test_users_are_counted_and_those_who_cost_most_are_named_by_id(stage: Stage) -> None:
    await stage.chat(whole())
    await stage.hub.ledger.flush()
    found = await families(stage)
    assert (
        value(found, "users_total") == value(found, "users_active_daily") == value(found, "users_active_monthly") == 1
    )
    receipts = await stage.hub.ledger.receipts(stage.user, 1)
    assert receipts
    cost = value(found, "user_cost_usd_today", user=stage.user, role="none")
    assert cost == pytest.approx(receipts[0].provider_cost_nano_usd / 1e9) and cost > 0
    assert b"ann@test.example" not in (await scrape(stage)).data


class Away:
    """A database that cannot be asked: it refuses at once, or never answers."""

    def __init__(self, hangs: bool) -> None:
        self.hangs, self.asked = hangs, 0

    async def read(self, work: Any) -> None:
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        raise Unavailable("it is away")


@pytest.mark.parametrize("hangs", [False, True])
async def test_a_database_that_is_away_is_told_and_stops_no_scrape(stage: Stage, hangs: bool) -> None:
    hub, away = stage.hub, Away(hangs)
    rooms: Any = types.SimpleNamespace(
        ledger=hub.ledger, health=hub.health, offload=hub.offload, lenders={}, channels=hub.channels,
        catalog=hub.catalog, database=away, clock=hub.clock, signals=hub.signals,
    )  # fmt: skip
    gauges = Gauges(rooms, hub.paths.surfaces, Tally(), by_family=False, patience_s=0.05)
    for _ in range(3):
        text, _ = await gauges.write("")
        assert b"\ndatabase_connected 0.0\n" in text and b"\nusers_total" not in text
    assert away.asked == (2 if hangs else 6), "one that hangs is not asked again"
    await gauges.close()


async def test_the_keys_of_a_channel_are_counted_apart_and_receipts_tell_administrators_which(tmp_path: Path) -> None:
    async with open_stage(tmp_path, TWO_KEYS, {}) as stage:
        ears = [await stage.chat(whole()) for _ in range(4)]
        found = await families(stage)
        assert value(found, "key_pool_requests_total", provider="openai") == 4
        keys = {one.labels["key_index"] for one in found["key_pool_requests"].samples}
        known = {one.lane.partition("#")[2] for one in stage.hub.routes.every.candidates}
        assert keys and keys <= known - {""}
        assert value(found, "key_pool_active_affinities", provider="openai") == len(stage.hub.signals.bonds or ())
        receipt = await stage.receipt(ears[0].call)
        assert show_receipt(receipt, to_admin=True)["attempts"][0]["key"] in keys
        assert "key" not in show_receipt(receipt, to_admin=False)["attempts"][0]
