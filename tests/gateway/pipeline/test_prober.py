"""Channels that rest are asked a tiny question of our own, which no book and no caller ever sees."""

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.ledger.books import StillClock
from tests.gateway.pipeline.stage import Outside, Played, Stage, chat_body, claude, open_stage, refused, whole
from tollway.backends.memory.shelf import Shelf
from tollway.core.errors import Unavailable
from tollway.core.health import HealthRules
from tollway.core.ids import LaneId
from tollway.gateway.pipeline.dispatch import Dispatcher
from tollway.gateway.pipeline.probe_lease import ASKING_S, SharedLeases
from tollway.gateway.pipeline.prober import WAIT_S, Prober
from tollway.gateway.routing.circuit import Why
from tollway.gateway.routing.health import Health
from tollway.kit.http1.wire import Inbound, Outbound, UpstreamError
from tollway.ports import KeyValue

POOL = """
[[channels]]
id = "pool"
provider = "openai"
base_url = "https://pool.test/v1"
keys = ["sk-1", "sk-2", "sk-3"]
key_choice = "round_robin"
"""


class Asked:
    """A stage whose prober asks the scripted outside, by a clock the test moves."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.health, self.outside = stage, stage.hub.health, stage.outside
        self.late_s = 0.0
        self.prober = Prober(self.health, lambda: stage.hub.router.candidates, stage.outside, self.now_s)

    def now_s(self) -> float:
        return self.stage.hub.clock.monotonic_s() + self.late_s

    async def probe(self, *lines: Played | UpstreamError, later_s: float = 0.0) -> None:
        self.late_s += later_s
        self.outside.script += lines
        self.prober.round()
        await self.prober.settled()
        assert not self.outside.script


@pytest.fixture
async def asked(tmp_path: Path) -> AsyncIterator[Asked]:
    async with open_stage(tmp_path, environ={"OPENAI_API_KEY": "sk-o", "ANTHROPIC_API_KEY": "sk-a"}) as stage:
        yield Asked(stage)


async def test_an_open_circuit_is_probed_after_its_rest_and_closed_by_a_good_answer(asked: Asked) -> None:
    for _ in range(5):
        await asked.stage.chat(refused(500), claude())
    circuit = asked.health.of(LaneId("openai"), "gpt-5-mini")
    assert circuit.why is Why.FAILURES
    calls = len(asked.outside.asked)
    await asked.probe(later_s=29.0)
    assert len(asked.outside.asked) == calls
    await asked.probe(refused(503), later_s=1.1)
    assert circuit.state(asked.now_s()) == "open"
    await asked.probe(later_s=59.0)
    await asked.probe(whole(), later_s=1.1)
    assert circuit.why is None and len(asked.outside.asked) == calls + 2


async def test_a_probe_says_that_nobody_asked_it_and_stays_out_of_the_books(asked: Asked) -> None:
    asked.health.of(LaneId("openai"), "gpt-5-mini").refuse(asked.now_s())
    before = len(await asked.stage.last_receipts())
    await asked.probe(whole(), later_s=31.0)
    question = asked.outside.asked[-1]
    assert dict(question.headers)[b"x-probe"] == b"synthetic" and b"Bearer sk-o" in dict(question.headers).values()
    body = json.loads(question.body)
    assert body["messages"] == [{"role": "user", "content": "hi"}] and body["max_completion_tokens"] == 16
    assert len(await asked.stage.last_receipts()) == before
    await asked.stage.quiet()


async def test_each_provider_is_asked_in_its_own_dialect(asked: Asked) -> None:
    asked.health.of(LaneId("anthropic"), "").refuse(asked.now_s())
    await asked.probe(claude(), later_s=31.0)
    assert asked.outside.asked[-1].target == b"/v1/messages" and asked.health.all_well


@pytest.mark.parametrize("line", [refused(401), refused(500), UpstreamError("connect", "no"), Played([b"<html>"])])
async def test_a_key_stays_refused_until_a_probe_passes(asked: Asked, line: Played | UpstreamError) -> None:
    circuit = asked.health.of(LaneId("openai"), "")
    circuit.refuse(asked.now_s())
    await asked.probe(line, later_s=31.0)
    assert circuit.why is Why.KEY_REFUSED and circuit.prober is None
    await asked.probe(later_s=31.0)
    await asked.probe(whole(), later_s=31.0)
    assert circuit.why is None


async def test_a_complaint_about_our_question_proves_that_somebody_answers(asked: Asked) -> None:
    asked.health.of(LaneId("openai"), "gpt-5-mini").refuse(asked.now_s())
    await asked.probe(refused(400, "max_tokens is too small"), later_s=31.0)
    assert asked.health.all_well


class ByKey(Outside):
    """A provider that knows its keys."""

    def __init__(self, revoked: bytes) -> None:
        super().__init__()
        self.revoked = revoked
        self.tried: list[bytes] = []

    async def send(self, request: Outbound) -> Inbound:
        key = dict(request.headers)[b"authorization"].removeprefix(b"Bearer ")
        self.tried.append(key)
        self.script = [refused(401, "revoked") if key == self.revoked else whole()]
        return await super().send(request)


async def test_a_revoked_key_in_a_pool_of_three_costs_no_call_and_comes_back_by_itself(tmp_path: Path) -> None:
    async with open_stage(tmp_path, POOL, {}) as stage:
        outside = ByKey(b"sk-2")
        gateway = stage.hub.front.gateway
        dispatcher = Dispatcher(stage.hub.health, outside, {}, gateway.now_s)
        stage.front.gateway = dataclasses.replace(gateway, dispatcher=dispatcher)
        for _ in range(60):
            assert (await stage.ask("/v1/chat/completions", chat_body())).status == 200
        assert outside.tried.count(b"sk-2") == 1, "after its first refusal no call is spent on it"
        assert set(outside.tried) == {b"sk-1", b"sk-2", b"sk-3"}
        asked = Asked(stage)
        asked.prober = Prober(stage.hub.health, lambda: stage.hub.router.candidates, outside, asked.now_s)
        await asked.probe(later_s=31.0)
        assert outside.tried.count(b"sk-2") == 2 and not stage.hub.health.all_well
        outside.revoked = b""
        await asked.probe(later_s=61.0)
        assert outside.tried.count(b"sk-2") == 3 and stage.hub.health.all_well
        await stage.quiet()


async def test_an_idle_channel_is_asked_for_its_models_only_and_a_dead_one_is_found(asked: Asked) -> None:
    await asked.probe()
    await asked.probe(later_s=899.0)
    await asked.probe(Played([b"{}"]), UpstreamError("connect", "no"), later_s=2.0)
    assert [(one.method, one.target) for one in asked.outside.asked] == [
        (b"GET", b"/v1/models"), (b"GET", b"/v1/models")
    ]  # fmt: skip
    assert asked.health.all_well and sum(one.streak for one in asked.health) == 1
    await asked.probe(later_s=890.0)


async def test_probing_idle_channels_is_a_setting(tmp_path: Path) -> None:
    async with open_stage(tmp_path, "[health]\nprobe_idle_s = 0", {"OPENAI_API_KEY": "sk-o"}) as stage:
        asked = Asked(stage)
        await asked.probe()
        await asked.probe(later_s=1e6)
        assert not stage.outside.asked


async def test_the_record_of_a_channel_that_is_gone_is_forgotten(asked: Asked) -> None:
    asked.health.of(LaneId("gone"), "").refuse(asked.now_s())
    await asked.probe(later_s=31.0)
    assert asked.health.all_well


async def test_a_probe_takes_the_shape_that_its_channel_gives_to_calls(tmp_path: Path) -> None:
    file = """
    [[channels]]
    id = "a"
    provider = "openai"
    key = "k"
    header_override = { x-tenant = "t-{api_key}" }
    [[channels.param_override.operations]]
    mode = "set"
    path = "tenant"
    value = "probed"
    conditions = [{ path = "is_channel_test", value = true }]
    """
    async with open_stage(tmp_path, file, {}) as stage:
        asked = Asked(stage)
        asked.health.of(LaneId("a"), "").refuse(asked.now_s())
        await asked.probe(whole(), later_s=31.0)
        question = asked.outside.asked[-1]
        assert json.loads(question.body)["tenant"] == "probed"
        assert dict(question.headers)[b"x-tenant"] == b"t-k"
        await stage.chat(whole())
        assert "tenant" not in json.loads(asked.outside.asked[-1].body)
        await stage.quiet()


class Pair:
    """Two processes' probers before one provider, with one store; each circuit opened here is known to both."""

    def __init__(self, stage: Stage, store: KeyValue) -> None:
        self.asked = [Asked(stage), Asked(stage)]
        for number, one in enumerate(self.asked):
            one.health = Health(HealthRules(probe_idle_s=0))
            leases = SharedLeases(store, f"process {number}")
            one.prober = Prober(
                one.health, lambda: stage.hub.router.candidates, stage.outside, one.now_s, leases=leases
            )
            one.health.of(LaneId("openai"), "").refuse(one.now_s())
            one.late_s = 31.0

    async def round(self) -> None:
        """Both look in the same moment."""
        for one in self.asked:
            one.prober.round()
        await asyncio.gather(*(one.prober.settled() for one in self.asked))


async def test_of_two_processes_only_one_asks_and_the_other_leaves_the_lane_alone_meanwhile(asked: Asked) -> None:
    pair = Pair(asked.stage, Shelf(asked.stage.hub.clock))
    asked.outside.script = [refused(503)]
    await pair.round()
    assert len(asked.outside.asked) == 1
    first, second = (one.health.of(LaneId("openai"), "") for one in pair.asked)
    assert first.state(pair.asked[0].now_s()) == "open"
    assert not second.claim("a call", pair.asked[1].now_s()), "no call tries what another process is trying"
    second.adopt(Why.KEY_REFUSED, first.until_s, pair.asked[1].now_s())
    for one in pair.asked:
        one.late_s += 2.0
    await pair.round()
    assert len(asked.outside.asked) == 1


async def test_when_whoever_asked_dies_another_asks(asked: Asked) -> None:
    clock = StillClock()
    store = Shelf(clock)
    pair = Pair(asked.stage, store)
    dead, heir = pair.asked
    assert await SharedLeases(store, "process 0").take("openai")
    await pair.round()
    assert not asked.outside.asked
    clock.at_s += ASKING_S
    dead.health.forget()
    heir.late_s += WAIT_S
    await heir.probe(whole())
    assert heir.health.all_well


async def test_while_the_store_is_away_each_asks_for_itself(asked: Asked) -> None:
    class Away(Shelf):
        async def swap(self, name: str, expected: bytes | None, value: bytes | None, ttl_s: float) -> bool:
            raise Unavailable("gone")

    pair = Pair(asked.stage, Away(asked.stage.hub.clock))
    asked.outside.script = [whole(), whole()]
    await pair.round()
    assert all(one.health.all_well for one in pair.asked)


async def test_an_idle_channel_is_asked_by_one_process_only(asked: Asked) -> None:
    pair = Pair(asked.stage, Shelf(asked.stage.hub.clock))
    for one in pair.asked:
        one.health.forget()
        one.health.rules = HealthRules(probe_idle_s=10)
    await pair.round()
    for one in pair.asked:
        one.late_s += 11.0
    asked.outside.script = [Played([b"{}"]), Played([b"{}"])]
    await pair.round()
    assert sorted(one.target for one in asked.outside.asked) == [b"/v1/models", b"/v1/models"], "each channel once"
