"""What other gateways do wrong when a channel is unwell (serving.md 13.2, relay.md 4.4 to 4.8), each once."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.pipeline.stage import (
    CLAUDE_START,
    DONE,
    Ear,
    Line,
    Played,
    Stage,
    chunk,
    claude_text,
    open_stage,
    refused,
    spoken,
    told,
    whole,
)  # fmt: skip
from tests.gateway.pipeline.test_race import THREE
from tests.gateway.pipeline.test_streams import until
from tollway.core.ids import LaneId
from tollway.core.money import NanoUsd
from tollway.core.receipt import Reason
from tollway.gateway.routing.report import report
from tollway.kit.http1.wire import UpstreamError

QUOTA = "You exceeded your current quota, please check your plan and billing details."


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with open_stage(tmp_path, THREE, {}) as one:
        yield one


def channels(stage: Stage) -> list[str]:
    """Who was asked, in order."""
    return [one.origin.removeprefix("https://").removesuffix(".test") for one in stage.outside.asked]


async def chat(stage: Stage, *lines: Line, key: str = "", **more: object) -> Ear:
    return await stage.ask(
        "/v1/chat/completions",
        {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "hi"}], **more},
        *lines,
        key=key,
    )


# ------------------------------------------------------------------ serving.md 13.2


async def test_serving_1_a_stream_that_fails_after_its_first_word_is_no_other_channels(stage: Stage) -> None:
    ear = await chat(stage, Played([chunk({"content": "half"})], end="reset"), stream=True)
    assert channels(stage) == ["a"] and b"half" in ear.data and b'"error"' in ear.data and DONE not in ear.data


@pytest.mark.parametrize(
    ("line", "status"), [(refused(429), 429), (refused(500), 502), (UpstreamError("connect", "no"), 502)]
)
async def test_serving_2_a_dead_provider_or_a_429_is_no_200_with_a_role_chunk(
    stage: Stage, line: Line, status: int
) -> None:
    ear = await chat(stage, line, line, line, stream=True)
    assert ear.status == status and b"data:" not in ear.data
    stage.outside.script.clear()


async def test_serving_13_a_caller_who_leaves_is_no_success_and_gets_back_what_was_held(stage: Stage) -> None:
    answer = Played([chunk({"content": "hello"})], lingers=True)
    body = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    ear, task = stage.begin("/v1/chat/completions", body, answer)
    await until(lambda: bool(ear.data))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await stage.receipt(ear.call)).reason is Reason.CLIENT_GONE
    assert stage.hub.health.score(next(iter(stage.hub.routes.every.candidates))) == 1.0
    await stage.quiet()


@pytest.mark.parametrize("status", [400, 404, 409, 413, 415, 422, 451])
async def test_serving_15_a_callers_bad_requests_lower_nobodys_health_and_are_not_replayed(
    stage: Stage, status: int
) -> None:
    for _ in range(30):
        assert (await chat(stage, refused(status, "your own mistake"))).status == status
    assert set(channels(stage)) == {"a"} and len(channels(stage)) == 30
    assert stage.hub.health.all_well and all(one.success == 1.0 for one in stage.hub.health)


async def test_serving_16_half_open_admits_one_call_and_recovered_is_recovered(stage: Stage) -> None:
    now_s, circuit = stage.hub.clock.monotonic_s(), stage.hub.health.of(LaneId("a"), "gpt-5-mini")
    for _ in range(7):
        circuit.failed(now_s - 31.0)
    trial = Played([], lingers=True)
    body = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    _, task = stage.begin("/v1/chat/completions", body, trial)
    await until(lambda: trial._on_data is not None)
    for _ in range(5):
        assert (await chat(stage, whole())).status == 200
    assert channels(stage) == ["a", "b", "b", "b", "b", "b"]
    trial.say(spoken())
    trial.over()
    await task
    assert (await chat(stage, whole())).status == 200 and channels(stage)[-1] == "a"
    assert (await chat(stage, refused(500), whole())).status == 200
    assert circuit.why is None, "one failure after the recovery opens nothing"


async def test_serving_17_a_circuit_is_told_by_the_same_fields_whatever_its_state(stage: Stage) -> None:
    health, now_s = stage.hub.health, stage.hub.clock.monotonic_s()
    health.of(LaneId("a"), "").refuse(now_s)
    health.of(LaneId("b"), "gpt-5-mini").limit(now_s, 9.0)
    health.of(LaneId("c"), "gpt-5-mini").answered(now_s)
    fields = [tuple(one) for one in report(health, now_s)["circuits"]]
    assert len(fields) == 3 and len(set(fields)) == 1


# ------------------------------------------------------------------ relay.md 4.4 to 4.8


async def test_relay_4_4_attempts_are_bounded_and_one_hold_stands_for_all_of_them(stage: Stage) -> None:
    ear = await chat(stage, refused(500), refused(503), whole())
    receipt = await stage.receipt(ear.call)
    assert [one.channel for one in receipt.attempts] == ["a", "b", "c"] and receipt.charge_nano_usd > 0
    await stage.quiet()


MISSING = "the model `gpt-5-mini` does not exist"
ROWS = [
    (refused(400), "a"), (refused(401), "abc"), (refused(402), "abc"), (refused(403), "abc"), (refused(404), "a"),
    (refused(404, MISSING), "abc"), (refused(405), "a"), (refused(406), "a"), (refused(407), "a"),
    (refused(408), "ab"), (refused(409), "a"), (refused(422), "a"), (refused(429), "abc"), (refused(431), "a"),
    (refused(500), "abc"), (refused(503), "abc"), (refused(504), "ab"), (refused(505), "abc"), (refused(524), "ab"),
    (refused(529), "abc"), (UpstreamError("connect", "x"), "abc"), (UpstreamError("tls", "x"), "abc"),
    (UpstreamError("reset", "x"), "abc"), (UpstreamError("first_byte", "x"), "ab"), (Played([b"rubbish"]), "abc"),
    (UpstreamError("idle", "x"), "ab"), (UpstreamError("total", "x"), "ab"), (refused(302), "abc"),
    (refused(413), "a"), (refused(451), "a"), (refused(499), "a"), (refused(502), "abc"), (refused(599), "abc"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "asked"), ROWS)
async def test_relay_4_5_each_error_has_its_own_remedy(stage: Stage, line: Line, asked: str) -> None:
    again = [Played(list(line._pieces), line.status, line.headers) if isinstance(line, Played) else line for _ in "abc"]
    ear = await chat(stage, *again)
    assert "".join(channels(stage)) == asked and ear.status >= 400
    stage.outside.script.clear()
    await stage.quiet()


async def test_relay_4_5_an_operator_may_state_which_statuses_are_worth_another_channel(tmp_path: Path) -> None:
    toml = THREE + '[health]\nretry_statuses = "409, 500-503"\nmax_attempts = 2\n'
    async with open_stage(tmp_path, toml, {}) as stage:
        rows = ((409, "ab", 502), (422, "a", 422), (504, "a", 504), (401, "a", 502), (500, "ab", 502), (503, "ab", 502))
        for status, asked, told in rows:
            stage.outside.asked.clear()
            stage.outside.script.clear()
            stage.hub.health.forget()
            ear = await chat(stage, *(refused(status) for _ in "abc"))
            assert ("".join(channels(stage)), ear.status) == (asked, told), status
        stage.outside.asked.clear()
        stage.outside.script.clear()
        for _ in range(5):
            await chat(stage, refused(504))
        assert not stage.hub.health.all_well, "what is not retried is the channel's failure all the same"


async def test_relay_4_6_words_that_one_caller_can_provoke_disable_nothing_until_another_hears_them(
    stage: Stage,
) -> None:
    for _ in range(20):
        await chat(stage, refused(400, QUOTA))
    assert stage.hub.health.all_well
    key = await stage.another_key()
    await chat(stage, refused(400, QUOTA), key=key)
    assert stage.hub.health.all_well, "another key of the same user is no other caller"
    bob, bobs = await stage.hub.newcomers().users.create("bob@test.example")
    await stage.hub.ledger.grant(bob.id, NanoUsd(10**10), "topup", "test", "to spend")
    await chat(stage, refused(400, QUOTA), key=bobs.api_key)
    assert not stage.hub.health.all_well


async def test_relay_4_7_a_refused_key_is_taken_out_at_once_and_only_that_key(stage: Stage) -> None:
    await chat(stage, refused(401), whole())
    await chat(stage, whole())
    assert channels(stage) == ["a", "b", "b"]


async def test_relay_4_8_a_stream_that_ends_without_a_word_is_no_success_and_costs_nothing(stage: Stage) -> None:
    silent = Played([chunk({"role": "assistant"})], end="idle")
    ear = await chat(stage, silent, Played([spoken("from b")]), stream=True)
    assert channels(stage) == ["a", "b"] and b"from b" in ear.data
    receipt = await stage.receipt(ear.call)
    assert [(one.channel, bool(one.fault)) for one in receipt.attempts] == [("a", True), ("b", False)]


async def test_relay_4_8_an_error_chunk_before_the_first_word_is_a_fault_and_not_data(stage: Stage) -> None:
    wrong = Played([b'data: {"error":{"message":"overloaded","type":"server_error","code":503}}\n\n'])
    ear = await chat(stage, wrong, Played([spoken("from b")]), stream=True)
    assert ear.status == 200 and b"overloaded" not in ear.data and b"from b" in ear.data


async def test_relay_4_8_claudes_error_in_mid_stream_is_not_retried_elsewhere(tmp_path: Path) -> None:
    async with open_stage(tmp_path, environ={"ANTHROPIC_API_KEY": "sk-a", "OPENAI_API_KEY": "sk-o"}) as stage:
        error = told("error", error={"type": "overloaded_error", "message": "Overloaded"})
        body = {
            "model": "claude-haiku",
            "max_tokens": 99,
            "stream": True,
            "messages": [{"role": "user", "content": "hi"}],
        }
        ear = await stage.ask("/v1/messages", body, Played([CLAUDE_START + claude_text("half"), error]))
        assert len(stage.outside.asked) == 1 and ear.data.count(b"message_start") == 2  # its name and its type
        assert (await stage.receipt(ear.call)).reason is Reason.UPSTREAM_CUT


# ------------------------------------------------------------------ slow providers


async def test_a_slow_first_word_goes_to_the_next_channel_though_the_head_came_at_once(tmp_path: Path) -> None:
    toml = THREE.replace('id = "a"\n', 'id = "a"\nfirst_byte_timeout_s = 0.2\n')
    async with open_stage(tmp_path, toml, {}) as stage:
        slow = Played([chunk({"role": "assistant", "content": ""})], lingers=True)
        ear, task = stage.begin("/v1/chat/completions", _streamed(), slow, Played([spoken("from b")]))
        await asyncio.wait_for(task, 30)
        assert b"from b" in ear.data and slow.closed
        first, _ = (await stage.receipt(ear.call)).attempts
        assert first.channel == "a" and "in time" in first.fault
        assert [one.lane for one in stage.hub.health if one.streak] == ["a"]
        await stage.quiet()


async def test_a_drip_is_ended_aloud_and_charged_for_what_it_said_and_no_other_is_asked(tmp_path: Path) -> None:
    async with open_stage(tmp_path, THREE + "[health]\ndrip_s = 0.5\n", {}) as stage:
        drip = Played([chunk({"content": "drip"})], lingers=True)
        ear, task = stage.begin("/v1/chat/completions", _streamed(), drip)
        await asyncio.wait_for(task, 30)
        assert b"drip" in ear.data and b"too slowly" in ear.data and DONE not in ear.data and drip.closed
        receipt = await stage.receipt(ear.call)
        assert receipt.reason is Reason.UPSTREAM_CUT and receipt.charge_nano_usd > 0 and channels(stage) == ["a"]
        assert [one.lane for one in stage.hub.health if one.streak] == ["a"]
        await stage.quiet()


def _streamed() -> dict[str, object]:
    return {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "hi"}], "stream": True}
