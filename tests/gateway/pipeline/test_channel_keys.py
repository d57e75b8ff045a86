"""Channels with many keys and with limits of their own, seen through a whole gateway."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from tests.gateway.pipeline.stage import SSE, Played, Stage, chunk, open_stage, refused, spoken, whole

POOL = '[[channels]]\nid = "pool"\nprovider = "openai"\nkeys = ["k1", "k2", "k3"]\n'
SPARE = '[[channels]]\nid = "spare"\nprovider = "openai"\nkey = "s1"\npriority = -1\n'


def keys_used(stage: Stage) -> list[str]:
    """The key of each request a provider got."""
    return [dict(request.headers)[b"authorization"].decode().removeprefix("Bearer ") for request in stage.outside.asked]


# ------------------------------------------------------------------ which key


async def test_keys_in_turn_are_used_in_exact_turns(tmp_path: Path) -> None:
    async with open_stage(tmp_path, POOL + 'key_choice = "round_robin"\n', {}) as stage:
        for _ in range(9):
            assert (await stage.chat(whole())).status == 200
        used = keys_used(stage)
        assert used[:3] * 3 == used
        assert sorted(used[:3]) == ["k1", "k2", "k3"]
        await stage.quiet()


async def test_each_caller_keeps_a_key_so_that_prompt_caches_stay_warm(tmp_path: Path) -> None:
    async with open_stage(tmp_path, POOL + 'key_choice = "affinity"\n', {}) as stage:
        callers = [stage.key, await stage.another_key(), await stage.another_key()]
        for caller in callers * 3:
            ear = await stage.ask("/v1/chat/completions", QUESTION, whole(), key=caller)
            assert ear.status == 200
        used = keys_used(stage)
        assert used == used[:3] * 3
        assert len(set(used)) == 3
        await stage.quiet()


QUESTION = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "hi"}]}


async def test_chance_uses_every_key_and_an_account_of_one_key_is_as_before(tmp_path: Path) -> None:
    async with open_stage(tmp_path, POOL, {}) as stage:
        for _ in range(40):
            await stage.chat(whole())
        assert set(keys_used(stage)) == {"k1", "k2", "k3"}
        await stage.quiet()


async def test_a_revoked_key_in_a_pool_of_three_costs_no_call(tmp_path: Path) -> None:
    async with open_stage(tmp_path, POOL + 'key_choice = "round_robin"\n', {}) as stage:
        first = await stage.chat(refused(401, "revoked"), whole())
        assert first.status == 200
        bad = keys_used(stage)[0]
        for _ in range(20):
            assert (await stage.chat(whole())).status == 200
        assert Counter(keys_used(stage))[bad] == 1
        receipt = await stage.receipt(first.call)
        assert [one.status for one in receipt.attempts] == [401, 200]
        await stage.quiet()


async def test_a_key_that_is_limited_rests_alone_and_its_caller_moves(tmp_path: Path) -> None:
    async with open_stage(tmp_path, POOL + 'key_choice = "affinity"\n', {}) as stage:
        await stage.chat(whole())
        assert (await stage.chat(refused(429, retry_after="30"), whole())).status == 200
        his, limited, moved = keys_used(stage)
        assert his == limited != moved
        await stage.chat(whole())
        assert keys_used(stage)[-1] == moved
        await stage.quiet()


async def test_when_all_keys_rest_the_call_falls_back_to_the_next_channel(tmp_path: Path) -> None:
    async with open_stage(tmp_path, POOL + SPARE, {}) as stage:
        limits = [refused(429, retry_after="30") for _ in range(3)]
        assert (await stage.chat(*limits, whole())).status == 200
        assert sorted(keys_used(stage)) == ["k1", "k2", "k3", "s1"]
        await stage.chat(whole())
        assert keys_used(stage)[-1] == "s1"
        await stage.quiet()


async def test_a_stream_changes_its_key_only_before_the_first_word(tmp_path: Path) -> None:
    async with open_stage(tmp_path, POOL, {}) as stage:
        ear = await stage.chat(refused(429), Played([spoken()], headers=SSE), stream=True)
        assert (ear.status, len(stage.outside.asked)) == (200, 2)
        said = chunk({"role": "assistant", "content": "hel"})
        await stage.chat(Played([said], headers=SSE, end="reset"), stream=True)
        assert len(stage.outside.asked) == 3
        await stage.quiet()


# ------------------------------------------------------------------ limits


async def test_a_full_channel_is_passed_over_and_nobody_fails(tmp_path: Path) -> None:
    async with open_stage(tmp_path, POOL + "rpm = 2\n" + SPARE, {}) as stage:
        for _ in range(5):
            assert (await stage.chat(whole())).status == 200
        assert Counter(key[0] for key in keys_used(stage)) == {"k": 2, "s": 3}
        receipt = (await stage.last_receipts())[-1]
        assert [one.channel for one in receipt.attempts] == ["spare"]
        await stage.quiet()


async def test_when_all_channels_are_full_the_caller_is_told_when_to_come_back(tmp_path: Path) -> None:
    async with open_stage(tmp_path, POOL + "rpm = 2\n" + SPARE + "rpm = 1\n", {}) as stage:
        for _ in range(3):
            assert (await stage.chat(whole())).status == 200
        ear = await stage.chat()
        assert (ear.status, ear.json["error"]["code"]) == (429, "rate_limit_exceeded")
        assert 50 <= int(ear.headers["retry-after"]) <= 60
        assert len(stage.outside.asked) == 3
        await stage.quiet()


async def test_a_single_channel_that_is_full_says_so_as_well(tmp_path: Path) -> None:
    row = '[[channels]]\nid = "one"\nprovider = "openai"\nkey = "k"\nrpm = 1\nmodels = ["gpt-5-mini"]\n'
    async with open_stage(tmp_path, row, {}) as stage:
        assert (await stage.chat(whole())).status == 200
        ear = await stage.chat()
        assert ear.status == 429
        assert 50 <= int(ear.headers["retry-after"]) <= 60
        await stage.quiet()


async def test_each_key_has_a_limit_of_its_own(tmp_path: Path) -> None:
    async with open_stage(tmp_path, POOL + "key_rpm = 1\n", {}) as stage:
        for _ in range(3):
            assert (await stage.chat(whole())).status == 200
        assert sorted(keys_used(stage)) == ["k1", "k2", "k3"]
        assert (await stage.chat()).status == 429
        await stage.quiet()


async def test_calls_at_once_are_exact_whatever_runs_beside(tmp_path: Path) -> None:
    async with open_stage(tmp_path, POOL + "parallel = 2\n" + SPARE, {}) as stage:
        answers = [whole() for _ in range(2)]
        waiting = [Played([], headers=SSE, lingers=True) for _ in range(4)]
        begun = [stage.begin("/v1/chat/completions", {**QUESTION, "stream": True}, line) for line in waiting]
        async with asyncio.timeout(20):
            while len(stage.outside.asked) < 4:
                await asyncio.sleep(0)
        assert Counter(key[0] for key in keys_used(stage)) == {"k": 2, "s": 2}
        for line in waiting:
            line.say(spoken())
            line.over()
        for _, task in begun:
            await task
        for line in answers:
            await stage.chat(line)
        assert Counter(key[0] for key in keys_used(stage)) == {"k": 4, "s": 2}
        await stage.quiet()


async def test_a_caller_who_leaves_gives_his_place_back(tmp_path: Path) -> None:
    row = POOL + 'parallel = 1\non_disconnect = "cancel"\n'
    async with open_stage(tmp_path, row, {}) as stage:
        asked = asyncio.Event()
        _, task = stage.begin("/v1/chat/completions", QUESTION, asked)
        async with asyncio.timeout(20):
            await asked.wait()
        assert (await stage.chat()).status == 429
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert (await stage.chat(whole())).status == 200
        await stage.quiet()


async def test_tokens_are_taken_by_estimate_and_the_rest_is_given_back(tmp_path: Path) -> None:
    async with open_stage(tmp_path, POOL + "tpm = 1000\n" + SPARE, {}) as stage:
        for _ in range(4):  # each may say 600, and uses 15
            assert (await stage.chat(whole(), max_tokens=600)).status == 200
        assert {key[0] for key in keys_used(stage)} == {"k"}
        usage = {"prompt_tokens": 500, "completion_tokens": 480, "total_tokens": 980}
        await stage.chat(whole(usage=usage), max_tokens=600)
        await stage.chat(whole(), max_tokens=600)
        assert [key[0] for key in keys_used(stage)][-2:] == ["k", "s"]
        await stage.quiet()


async def test_an_attempt_that_failed_uses_no_tokens(tmp_path: Path) -> None:
    async with open_stage(tmp_path, POOL + "tpm = 1000\n", {}) as stage:
        assert (await stage.chat(refused(500), refused(500), whole(), max_tokens=900)).status == 200
        one = next(each for each in stage.hub.router.candidates if each.channel.id == "pool")
        left = stage.hub.lane_limits.headroom(one, stage.hub.clock.monotonic_s())
        assert left == pytest.approx(1 - 15 / 1000)
        await stage.quiet()
