"""Every setting reaches the room that goes by it: what an operator writes is not what somebody has built in."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.gateway.pipeline.stage import KEYS, vendors
from tests.gateway.routing.pools import question
from tollway.core.ids import LaneId, ModelId
from tollway.core.money import nano_of_credits
from tollway.gateway.app import Hub
from tollway.gateway.auth.lockout import LockoutRule
from tollway.gateway.ledger.ledger import Rules
from tollway.gateway.routing.affinity import Bonds
from tollway.settings import Settings, load
from tollway.stated.affinity import Affinity, AffinityRule, KeySource

FILE = """
[server]
host = "127.0.0.9"
port = 18080
shared_failure = "allow"
front = "asgi"
drain_s = 7.0
heartbeat_s = 8.0
default_model = "claude-haiku"
log_level = "error"
[limits]
max_header_bytes = 70001
max_headers = 71
max_body = 72000
max_pipelined = 73
max_connections = 74
header_timeout_s = 7.5
body_timeout_s = 7.6
idle_timeout_s = 7.7
write_timeout_s = 7.8
linger_s = 7.9
write_high_water = 70080
[upstream]
connect_timeout_s = 1.5
first_byte_timeout_s = 2.5
idle_timeout_s = 3.5
total_timeout_s = 4.5
max_idle_per_origin = 5
max_per_origin = 6
idle_max_age_s = 7.5
drain_s = 8.5
drain_tokens = 9
[keys]
requests_per_minute = 31
parallel_calls = 32
models = ["gpt-*"]
days = 33
first_credits = 34
lockout_failures = 35
lockout_within_s = 36.0
lockout_locked_s = 37.0
lockout_loopback_too = true
[health]
alpha = 0.41
hedge = true
max_attempts = 3
retry_statuses = "500-503"
[ledger]
durability = "sync"
flush_ms = 250
lease_s = 51.0
sweep_s = 52.0
[plans]
default = "guru"
sign_up_credits = 61
referral_credits = 62
claim_days = 63.0
[retention]
receipts_months = 13
[engines]
poll_s = 0.7
stale_s = 0.8
prefix_aware = false
prefix_entries = 900
prefix_ttl_s = 91.0
[offload]
max_queue = 92
first_token_s = 93.0
[vault]
file = "my.keys"
[affinity]
enabled = false
switch_on_success = false
keep_on_channel_disabled = true
max_entries = 94
default_ttl_s = 95.0
rules = []
[routing]
strategy = "cheapest"
tiers = false
affinity_ttl_s = 96.0
affinity_entries = 97
usual_output = 98
remeasure_s = 99.0
auto = { conversation = ["gpt-5-mini", "gpt-5-mini", "gpt-5-mini"] }
[metrics]
enabled = true
model_label = "family"
token = "scraper"
"""
SAME: dict[str, Callable[[Hub], object]] = {
    "health": lambda hub: hub.health.rules,
    "routing": lambda hub: hub.signals.rules,
    "affinity": lambda hub: getattr(hub.signals.bonds, "_stated", None),
    "engines": lambda hub: hub.offload.engines._rules,
    "offload": lambda hub: hub.offload._offload,
}
"""Tables that a room goes by as they are."""
ARRIVED: list[tuple[Callable[[Hub], object], object]] = [
    (lambda hub: hub.front.gateway.default_model, "claude-haiku"),
    (lambda hub: hub.ledger._rules, Rules(True, 0.25, 51.0, 52.0)),
    (lambda hub: hub.together.lockout.rule, LockoutRule(35, 36.0, 37.0, True)),
    (lambda hub: hub.newcomers().credits, 34),
    (lambda hub: hub.subscriptions.terms.default_plan, "guru"),
    (lambda hub: hub.subscriptions.terms.sign_up, nano_of_credits(61)),
    (lambda hub: hub.subscriptions.terms.referral, nano_of_credits(62)),
    (lambda hub: hub.subscriptions.terms.claim_days, 63.0),
    (lambda hub: (hub.upstream._max_idle, hub.upstream._max_open, hub.upstream._idle_max_age_s), (5, 6, 7.5)),
    (lambda hub: hub.front.max_body, 72000),
    (lambda hub: hub.gauges._by_family, True),
    (lambda hub: (hub.offload._rules.prefix_aware, hub.offload._prefixes._most), (False, 900)),
    (lambda hub: hub.front.gateway.dispatcher._ranges, (range(500, 504),)),
]


def settled(folder: Path) -> Settings:
    (folder / "tollway.toml").write_text(FILE)
    return load({"TOLLWAY_DATA_DIR": str(folder), **KEYS}, {}, vendors(), folder)


def test_serving_18_every_setting_reaches_its_room(tmp_path: Path) -> None:
    settings = settled(tmp_path)
    hub = Hub(settings)
    for name, room in SAME.items():
        assert room(hub) is getattr(settings, name), name
    for room, value in ARRIVED:
        assert room(hub) == value
    channel = next(one for one in hub.channels if one.id == "openai")
    times = (channel.connect_timeout_s, channel.first_byte_timeout_s, channel.idle_timeout_s, channel.total_timeout_s)
    assert (*times, channel.drain_s, channel.drain_tokens) == (1.5, 2.5, 3.5, 4.5, 8.5, 9)


def test_nothing_is_as_it_would_be_without_the_file(tmp_path: Path) -> None:
    """What the first test looks at differs from what is built in."""
    stated, usual = settled(tmp_path), load({"TOLLWAY_DATA_DIR": str(tmp_path / "none")}, {}, vendors(), tmp_path / "x")
    for table in ("server", "limits", "upstream", "keys", "ledger", "plans", "retention", "engines", "affinity"):
        here, there = (msgspec.structs.asdict(getattr(one, table)) for one in (stated, usual))
        elsewhere = {"server": {"data_dir", "database_url", "shared_url", "tls_cert", "tls_key"}}.get(table, set())
        assert {name for name in here if here[name] == there[name]} <= elsewhere, table
    for table in ("offload", "routing", "health"):
        assert getattr(stated, table) != getattr(usual, table)


async def test_conversations_are_remembered_so_many_and_so_long_as_stated() -> None:
    rule = AffinityRule(name="by session", key_sources=(KeySource(type="request_header", key="x-session"),))
    bonds = Bonds(Affinity(rules=(rule,), max_entries=3, default_ttl_s=10.0))
    model: Any = ModelId("m")

    def known(number: int, now_s: float) -> bool:
        bond = bonds.find(question(heard={b"x-session": b"s%d" % number}), model, "default", now_s)
        assert bond is not None
        return bond.lane is not None

    for number in range(5):
        bond = bonds.find(question(heard={b"x-session": b"s%d" % number}), model, "default", 0.0)
        assert bond is not None
        bonds.answered(bond, LaneId("a"), 0.0)
    assert [known(number, 9.0) for number in range(5)] == [False, False, True, True, True]
    assert not known(4, 10.0)


@pytest.mark.parametrize(("probe", "months", "loops"), [(True, 1, 1), (False, 0, 0)])
async def test_loops_run_where_settings_want_them(tmp_path: Path, probe: bool, months: int, loops: int) -> None:
    (tmp_path / "tollway.toml").write_text(
        f"[health]\nprobe = {str(probe).lower()}\n[retention]\nreceipts_months = {months}\n"
    )
    hub = Hub(load({"TOLLWAY_DATA_DIR": str(tmp_path)}, {}, vendors(), tmp_path))
    await hub.start()
    try:
        names = [task.get_name() for task in hub.worker._tasks]
        assert [sum(name.endswith(part) for name in names) for part in ("probe channels", "drop old receipts")] == [
            loops, loops,
        ]  # fmt: skip
        assert any(name.endswith("look at local engines") for name in names)
    finally:
        await hub.close()
