"""While one channel is silent another is asked: one answers, the other is cut off, and only one is paid for."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.pipeline.stage import (
    DONE,
    USAGE,
    Ear,
    Line,
    Played,
    Stage,
    chunk,
    open_stage,
    refused,
    spoken,
    whole,
)
from tests.gateway.pipeline.test_streams import until
from tollway.core.health import HealthRules
from tollway.core.receipt import Reason, Receipt
from tollway.gateway.routing.hedging import Hedging

THREE = "".join(
    f'[[channels]]\nid = "{name}"\nprovider = "openai"\nkey = "sk-{name}"\npriority = {9 - place}\n'
    f'base_url = "https://{name}.test/v1"\n'
    for place, name in enumerate("abc")
)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """Three channels; the first words of all usually come within twenty milliseconds."""
    async with open_stage(tmp_path, THREE, {}) as one:
        hedging = Hedging(HealthRules(hedge_share=1.0))
        for _ in range(64):
            hedging.heard("gpt-5-mini", 0.02)
        one.hub.health.hedging = hedging
        yield one


def begin(stage: Stage, *lines: Line, stream: bool = True) -> tuple[Ear, asyncio.Task[None]]:
    body = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "hi"}], "stream": stream}
    return stage.begin("/v1/chat/completions", body, *lines)


async def told(stage: Stage, ear: Ear, task: "asyncio.Task[None]") -> Receipt:
    await asyncio.wait_for(task, 30)
    await stage.quiet()
    return await stage.receipt(ear.call)


def tried(receipt: Receipt) -> list[tuple[str, int]]:
    return [(one.channel, one.status) for one in receipt.attempts]


async def test_a_second_channel_answers_while_the_first_is_silent(stage: Stage) -> None:
    receipt = await told(stage, *(pair := begin(stage, asyncio.Event(), Played([spoken("from b")]))))
    assert b"from b" in pair[0].data and pair[0].data.endswith(DONE)
    assert receipt.reason is Reason.COMPLETED and tried(receipt) == [("a", 0), ("b", 200)]
    lost, won = receipt.attempts
    assert lost.fault == "another channel spoke first" and lost.absorbed_nano_usd > 0 == won.absorbed_nano_usd
    assert receipt.usage is not None and receipt.usage.output_total == 5
    hedging = stage.hub.health.hedging
    assert hedging is not None
    assert (hedging.sent, hedging.won, hedging.absorbed_nano_usd) == (1, 1, lost.absorbed_nano_usd)


async def test_a_first_that_answered_with_nothing_but_its_head_is_cut_off_at_once(stage: Stage) -> None:
    first = Played([], lingers=True)
    second = Played([chunk({"content": "from b"})], lingers=True)
    ear, task = begin(stage, first, second)
    await until(lambda: bool(ear.data))
    await until(lambda: first.closed)
    second.say(chunk({}, "stop") + DONE)
    second.over()
    receipt = await told(stage, ear, task)
    assert tried(receipt) == [("a", 0), ("b", 200)] and b"from b" in ear.data


async def test_a_first_that_speaks_at_last_is_the_answer_and_the_second_is_cut_off(stage: Stage) -> None:
    first, second = Played([], lingers=True), asyncio.Event()
    ear, task = begin(stage, first, second)
    await asyncio.wait_for(second.wait(), 30)
    first.say(spoken("from a"))
    first.over()
    receipt = await told(stage, ear, task)
    assert b"from a" in ear.data and tried(receipt) == [("b", 0), ("a", 200)]
    assert receipt.attempts[0].absorbed_nano_usd > 0


async def test_two_words_in_the_same_turn_of_the_loop_make_one_answer(stage: Stage) -> None:
    first, second = Played([], lingers=True), Played([], lingers=True)
    ear, task = begin(stage, first, second)
    await until(lambda: second._on_data is not None)
    second.say(chunk({"content": "from b"}))
    assert first._on_data is None, "nobody hears the first any more"
    second.say(chunk({}, "stop") + DONE)
    second.over()
    receipt = await told(stage, ear, task)
    assert ear.data.count(b"from b") == 1 and tried(receipt) == [("a", 0), ("b", 200)]


async def test_a_first_that_fails_waits_for_the_second(stage: Stage) -> None:
    first, second = Played([], end="reset", lingers=True), Played([], lingers=True)
    ear, task = begin(stage, first, second)
    await until(lambda: second._on_data is not None)
    first.over()
    await until(lambda: first.closed)
    second.say(spoken("from b"))
    second.over()
    receipt = await told(stage, ear, task)
    assert tried(receipt) == [("a", 200), ("b", 200)] and b"from b" in ear.data
    assert not any(one.absorbed_nano_usd for one in receipt.attempts)


@pytest.mark.parametrize("first_fails_first", [True, False])
async def test_when_both_fail_the_next_is_asked_and_neither_of_them_again(
    stage: Stage, first_fails_first: bool
) -> None:
    first, second = Played([], end="reset", lingers=True), Played([], end="reset", lingers=True)
    ear, task = begin(stage, first, second, Played([spoken("from c")]))
    await until(lambda: second._on_data is not None)
    for one in (first, second) if first_fails_first else (second, first):
        one.over()
        await until(lambda one=one: one.closed)  # type: ignore[misc]
    receipt = await told(stage, ear, task)
    assert sorted(name for name, _ in tried(receipt)) == ["a", "b", "c"] and b"from c" in ear.data
    assert {one.lane for one in stage.hub.health if one.streak} == {"a", "b"}


async def test_a_caller_who_leaves_while_both_are_silent_owes_nothing(stage: Stage) -> None:
    second = asyncio.Event()
    ear, task = begin(stage, asyncio.Event(), second)
    await asyncio.wait_for(second.wait(), 30)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not ear.started
    receipt = (await stage.last_receipts())[-1]
    assert receipt.reason is Reason.CLIENT_GONE and receipt.charge_nano_usd == 0
    await stage.quiet()
    assert stage.hub.health.all_well


async def test_a_caller_who_leaves_in_the_seconds_answer_pays_for_what_was_said(stage: Stage) -> None:
    second = Played([chunk({"content": "from b"})], lingers=True)
    ear, task = begin(stage, asyncio.Event(), second)
    await until(lambda: bool(ear.data))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    receipt = await stage.receipt(ear.call)
    assert receipt.reason is Reason.CLIENT_GONE and receipt.charge_nano_usd > 0 and second.closed
    await stage.quiet()


async def test_a_second_that_breaks_off_in_its_answer_is_ended_aloud_and_no_third_is_asked(stage: Stage) -> None:
    second = Played([chunk({"content": "from b"})], end="reset")
    ear, task = begin(stage, asyncio.Event(), second)
    receipt = await told(stage, ear, task)
    assert receipt.reason is Reason.UPSTREAM_CUT and len(stage.outside.asked) == 2
    assert b"from b" in ear.data and DONE not in ear.data


async def test_whole_answers_are_not_hedged(stage: Stage) -> None:
    receipt = await told(stage, *begin(stage, whole(), stream=False))
    assert (
        tried(receipt) == [("a", 200)] and stage.hub.health.hedging is not None and stage.hub.health.hedging.calls == 0
    )


async def test_a_channel_whose_circuit_is_open_is_no_second(stage: Stage) -> None:
    for name in "bc":
        stage.hub.health.of(name, "").refuse(stage.hub.clock.monotonic_s())  # type: ignore[arg-type]
    first = Played([], lingers=True)
    ear, task = begin(stage, first)
    await until(lambda: first._on_data is not None)
    await asyncio.sleep(0.1)  # longer than is usual: nothing comes of it
    first.say(spoken("from a"))
    first.over()
    assert tried(await told(stage, ear, task)) == [("a", 200)]


async def test_hedging_is_off_unless_the_operator_wants_it(tmp_path: Path) -> None:
    async with open_stage(tmp_path / "off", THREE, {}) as off:
        assert off.hub.health.hedging is None
    async with open_stage(tmp_path / "on", THREE + "[health]\nhedge = true", {}) as on:
        assert on.hub.health.hedging is not None


async def test_a_refusal_by_the_second_is_not_the_callers_answer_while_the_first_may_speak(stage: Stage) -> None:
    first, second = Played([], lingers=True), refused(500)
    ear, task = begin(stage, first, second)
    await until(lambda: second.closed)
    first.say(spoken("from a"))
    first.over()
    receipt = await told(stage, ear, task)
    assert sorted(tried(receipt)) == [("a", 200), ("b", 500)] and b"from a" in ear.data


async def test_what_the_loser_says_of_its_usage_is_paid_by_nobody(stage: Stage) -> None:
    lies = {"prompt_tokens": 9_000_000, "completion_tokens": 9_000_000, "total_tokens": 18_000_000}
    first, second = Played([], lingers=True), Played([], lingers=True)
    ear, task = begin(stage, first, second)
    await until(lambda: second._on_data is not None)
    first.say(chunk(usage=lies))  # a count without a word is no answer yet
    second.say(spoken("from b"))
    second.over()
    receipt = await told(stage, ear, task)
    alone = await told(stage, *begin(stage, Played([spoken("from a")])))
    assert receipt.usage == alone.usage and receipt.charge_nano_usd == alone.charge_nano_usd > 0
    assert receipt.provider_cost_nano_usd == alone.provider_cost_nano_usd
    assert tried(receipt) == [("a", 0), ("b", 200)]
    assert 0 < receipt.attempts[0].absorbed_nano_usd < 100_000, "by our own estimate of the prompt, not by its word"
    hedging = stage.hub.health.hedging
    assert hedging is not None and hedging.absorbed_nano_usd == receipt.attempts[0].absorbed_nano_usd


async def test_a_caller_who_reads_slowly_holds_back_the_winner_only_and_gets_all_of_it(stage: Stage) -> None:
    first, second = Played([], lingers=True), Played([], lingers=True)
    ear, task = begin(stage, first, second)
    await until(lambda: second._on_data is not None)
    second.say(chunk({"content": "one "}))
    await until(lambda: first.closed)
    assert ear.full is not None
    pause, resume = ear.full
    pause()
    assert second.paused and not first.paused
    second.say(chunk({"content": "two"}))  # what was on its way already
    resume()
    assert not second.paused
    second.say(chunk({}, "stop") + chunk(usage=USAGE) + DONE)
    second.over()
    receipt = await told(stage, ear, task)
    assert ear.data.index(b"one ") < ear.data.index(b"two") < ear.data.index(DONE)
    assert receipt.reason is Reason.COMPLETED and tried(receipt) == [("a", 0), ("b", 200)]


async def test_a_caller_who_is_slow_before_anybody_has_spoken_takes_the_winner_at_his_own_pace(stage: Stage) -> None:
    first, second = Played([], lingers=True), Played([], lingers=True)
    ear, task = begin(stage, first, second)
    await until(lambda: second._on_data is not None)
    if ear.full is not None:
        ear.full[0]()
    second.say(chunk({"content": "from b"}))
    await until(lambda: ear.full is not None and bool(ear.data))
    assert ear.full is not None
    ear.full[0]()
    assert second.paused
    ear.full[1]()
    second.say(chunk({}, "stop") + chunk(usage=USAGE) + DONE)
    second.over()
    receipt = await told(stage, ear, task)
    assert ear.data.count(b"from b") == 1 and receipt.usage is not None and receipt.usage.output_total == 5
