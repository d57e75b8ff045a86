"""Every outcome of a call is counted, under one set of labels, and no counting fails (serving.md 13.2, 17 and 22)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.metrics.scraping import every_label, families, label_sets, scrape, value
from tests.gateway.pipeline.stage import DONE, Played, Stage, chunk, open_stage, refused, spoken, whole
from tests.gateway.pipeline.test_race import THREE
from tests.gateway.pipeline.test_streams import until
from tollway.core.health import HealthRules
from tollway.core.ids import LaneId
from tollway.gateway.routing.circuit import Why
from tollway.gateway.routing.hedging import Hedging
from tollway.kit.http1.wire import UpstreamError

PATH = "/v1/chat/completions"


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with open_stage(tmp_path, THREE, {}) as one:
        yield one


async def leave(stage: Stage, answer: Played, *, after: bool) -> None:
    """A caller who leaves, before the first word or after it."""
    ear, task = stage.begin(PATH, {"model": "gpt-5-mini", "stream": True, "messages": []} | _ASKED, answer)
    await until(lambda: bool(ear.data) if after else answer._on_data is not None)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


_ASKED = {"messages": [{"role": "user", "content": "hi"}]}


async def hedge(stage: Stage) -> None:
    """A call that the second channel answers while the first is silent."""
    hedging = stage.hub.health.hedging = Hedging(HealthRules(hedge_share=1.0))
    for _ in range(64):
        hedging.heard("gpt-5-mini", 0.02)
    await stage.chat(asyncio.Event(), Played([spoken("from b")]), stream=True)


async def every_outcome(stage: Stage) -> None:
    """One call, or some, of each kind that there is."""
    stage.outside.script.clear()
    health, now_s = stage.hub.health, stage.hub.clock.monotonic_s()
    await stage.chat(whole())
    await stage.chat(Played([spoken()]), stream=True)
    await stage.chat(Played([spoken(usage=None)]), stream=True)  # its tokens are counted here
    await stage.chat(refused(500), whole())
    await stage.chat(refused(429), refused(401), whole())
    await stage.chat(refused(400))
    health.forget()
    await stage.chat(UpstreamError("connect", "x"), UpstreamError("connect", "x"), UpstreamError("connect", "x"))
    await stage.chat(Played([chunk({"content": "half"})], end="reset"), stream=True)
    await leave(stage, Played([chunk({"content": "hello"})], lingers=True), after=True)
    await leave(stage, Played([], lingers=True), after=False)
    health.forget()
    for _ in range(5):
        health.of(LaneId("a"), "gpt-5-mini").failed(now_s - 31.0)  # open, and by now half-open
    await stage.chat(refused(500), whole())  # the trial fails
    await stage.chat(whole())  # it is passed by
    health.forget()
    await hedge(stage)
    await stage.ask(PATH, _ASKED, key="sk-" + "0" * 48)
    await stage.ask(PATH, b"rubbish")
    await stage.ask(PATH, {"model": "there is no such model", **_ASKED})
    narrow = await stage.another_key(parallel_calls=1)
    waits = Played([chunk({"content": "x"})], lingers=True)
    ear, task = stage.begin(PATH, {"model": "gpt-5-mini", "stream": True, **_ASKED}, waits, key=narrow)
    await until(lambda: ear.data)
    await stage.ask(PATH, {"model": "gpt-5-mini", **_ASKED}, key=narrow)
    waits.say(chunk({}, "stop") + DONE)
    waits.over()
    await task


async def test_serving_17_no_outcome_of_a_call_has_labels_of_its_own(stage: Stage) -> None:
    before = await families(stage)
    await every_outcome(stage)
    after = await families(stage)
    assert set(before) == set(after), "every family is there from the beginning"
    mixed = {name: label_sets(family) for name, family in after.items() if len(label_sets(family)) > 1}
    assert not mixed
    for name, family in before.items():
        assert not family.samples or label_sets(family) == label_sets(after[name])
    silent = [name for name, family in after.items() if not (family.documentation and family.type != "unknown")]
    assert not silent


async def test_serving_17_circuits_that_open_half_open_and_close_are_counted_with_provider_and_reason(
    stage: Stage,
) -> None:
    now_s, health = stage.hub.clock.monotonic_s(), stage.hub.health
    circuit = health.of(LaneId("a"), "gpt-5-mini")

    async def told() -> tuple[float, float, float]:
        found = await families(stage)
        opened = value(found, "circuit_open_total", provider="openai", reason="failures")
        state = value(found, "channel_circuit_state", channel="a", provider="openai")
        return opened, state, value(found, "circuit_state", provider="openai")

    assert await told() == (0, 0, 0), "a counter that begins at one would never be seen to rise"
    for _ in range(5):
        circuit.failed(now_s - 31.0)
    assert await told() == (1, 1, 1), "its rest is over: half-open"
    circuit.trial_failed(now_s)
    assert await told() == (2, 2, 2)
    circuit.answered(now_s)
    assert await told() == (2, 0, 0)
    opened = (await families(stage))["circuit_open"]
    reasons = {one.labels["reason"] for one in opened.samples if one.labels["provider"] == "openai"}
    assert reasons == set(Why)


async def test_serving_22_what_is_counted_is_what_happened(stage: Stage) -> None:
    await every_outcome(stage)
    found, receipts = await families(stage), await stage.hub.ledger.receipts(stage.user, 100)
    assert receipts is not None and value(found, "api_model_requests_total") == len(receipts)
    usages = [one.usage for one in receipts if one.usage is not None]
    assert value(found, "api_tokens_total", direction="input") == sum(one.input_total for one in usages)
    assert value(found, "api_tokens_total", direction="output") == sum(one.output_total for one in usages)
    charged = sum(one.charge_nano_usd for one in receipts)
    assert value(found, "api_charge_usd_total") == pytest.approx(charged / 1e9) and charged > 0
    cost = sum(one.provider_cost_nano_usd for one in receipts)
    assert value(found, "api_cost_usd_total", provider="openai") == pytest.approx(cost / 1e9)
    absorbed = sum(attempt.absorbed_nano_usd for one in receipts for attempt in one.attempts)
    assert value(found, "api_hedge_absorbed_usd_total") == pytest.approx(absorbed / 1e9) and absorbed > 0
    asked = value(found, "channel_attempts_total")
    assert asked == sum(len(one.attempts) for one in receipts)


async def test_serving_22_each_outcome_is_found_under_its_name(stage: Stage) -> None:
    await every_outcome(stage)
    found = await families(stage)

    def of(name: str, **labels: str) -> float:
        return value(found, name, **labels)

    route = {"route": PATH, "method": "POST"}
    assert of("api_requests_total", **route, status_class="2xx", stream="false") == 5
    assert of("api_requests_total", **route, status_class="2xx", stream="true") == 4
    assert of("api_requests_total", **route, status_class="4xx", stream="true") == 2, "two callers have left"
    assert of("api_requests_total", **route, status_class="4xx", stream="false") == 5
    assert of("api_requests_total", **route, status_class="5xx") == 2
    assert of("api_request_duration_seconds_count", **route) == of("api_requests_total", **route)
    refusals = {one.labels["reason"]: one.value for one in found["api_refusals"].samples if one.value}
    assert refusals == {
        "unauthenticated": 1, "bad_request": 1, "model_not_found": 1, "too_many_at_once": 1, "fault": 1,
        "no_channel_answered": 1,
    }  # fmt: skip
    assert of("user_concurrency_rejected_total") == 1
    assert of("api_fallbacks_total", from_provider="openai", to_provider="openai", reason="rate_limited") == 1
    assert of("api_retries_total", reason="server_error") == 2 and of("api_retries_total", reason="no_answer") == 2
    stages = {one.labels["stage"]: one.value for one in found["streaming_interruptions"].samples}
    assert stages == {
        "upstream_cut_streaming": 1, "client_gone_streaming": 1, "client_gone_before_first_word": 1
    }  # fmt: skip
    assert (
        of("optimiser_hedge_decisions_total", outcome="sent")
        == of("optimiser_hedge_decisions_total", outcome="won")
        == 1
    )
    assert of("channel_attempts_total", channel="a", outcome="hedged") == 1
    assert of("api_token_anomalies_total", reason="estimated") >= 1
    assert of("api_ttft_seconds_count", provider="openai", model="gpt-5-mini") == 6
    assert of("api_concurrent_requests") == 0 == of("ledger_writer_broken") and of("database_connected") == 1


async def test_serving_22_what_callers_say_is_no_label(stage: Stage) -> None:
    before = len((await scrape(stage)).data)
    for at in range(30):
        await stage.ask(f"/v1/models/my-secret-model-{at}:generateContent", _ASKED)
        await stage.ask(PATH, {"model": f"my-secret-{at}", **_ASKED}, x_probe="my-secret")
        await stage.chat(refused(400, "my-secret"), text="my-secret")
    found = await families(stage)
    assert not {one for one in every_label(found.values()) if "secret" in one or stage.key in one}
    assert b"my-secret" not in (await scrape(stage)).data
    assert len((await scrape(stage)).data) < 2 * before + 4000
