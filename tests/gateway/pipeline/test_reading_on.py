"""A caller left, and his provider bills to the end: it is read on for its count, but not beyond what was allowed."""

import asyncio
from pathlib import Path

import pytest

from tests.gateway.pipeline.stage import Ear, Played, Stage, open_stage
from tests.gateway.pipeline.test_allowance import gemini_words
from tollway.core.receipt import Reason
from tollway.core.usage import UsageSource

PATH = "/v1beta/models/gemini-3-flash:streamGenerateContent?alt=sse"
BODY = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}


async def left_behind(stage: Stage) -> tuple[Ear, Played, "asyncio.Task[None]"]:
    """A stream that has said something to a caller who is gone; the provider would go on."""
    provider = Played(gemini_words(3), lingers=True)
    ear, task = stage.begin(PATH, BODY, provider)
    async with asyncio.timeout(10):
        while not ear.data:  # whoever writes it knows nothing of us
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert not task.done()
    assert not provider.closed
    return ear, provider, task


async def settled_in_part(stage: Stage, ear: Ear, provider: Played, task: "asyncio.Task[None]") -> int:
    """It was let go of, and what was said until then is charged by our own count; the output tokens."""
    async with asyncio.timeout(10):
        await asyncio.wait((task,))
    assert task.cancelled()
    assert provider.closed
    receipt = await stage.receipt(ear.call)
    assert receipt.reason is Reason.CLIENT_GONE
    assert receipt.note.startswith("drained in part")
    assert receipt.usage is not None and receipt.usage.source is UsageSource.ESTIMATE
    assert 0 < receipt.charge_nano_usd <= receipt.hold_nano_usd
    await stage.quiet()
    return receipt.usage.output_total


async def test_it_is_read_on_for_so_many_seconds(tmp_path: Path) -> None:
    async with open_stage(tmp_path, "[upstream]\ndrain_s = 0.2\n") as stage:
        ear, provider, task = await left_behind(stage)
        assert await settled_in_part(stage, ear, provider, task) >= 3


async def test_it_is_read_on_for_so_many_tokens(tmp_path: Path) -> None:
    async with open_stage(tmp_path, "[upstream]\ndrain_s = 60\ndrain_tokens = 20\n") as stage:
        ear, provider, task = await left_behind(stage)
        heard = ear.data
        for word in gemini_words(15):
            provider.say(word)
        stage.hub.heart.beat(stage.hub.clock.monotonic_s(), 1000.0)
        assert not provider.stopped.is_set()
        for word in gemini_words(15):
            provider.say(word)
        stage.hub.heart.beat(stage.hub.clock.monotonic_s(), 1000.0)
        assert provider.stopped.is_set()
        assert 30 <= await settled_in_part(stage, ear, provider, task) <= 40
        assert ear.data.startswith(heard)


@pytest.mark.parametrize("told", ["once", "twice"])
async def test_whoever_is_told_to_stop_meanwhile_stops_at_once(tmp_path: Path, told: str) -> None:
    async with open_stage(tmp_path, "[upstream]\ndrain_s = 60\n") as stage:
        ear, provider, task = await left_behind(stage)
        task.cancel()
        if told == "twice":
            task.cancel()
        assert await settled_in_part(stage, ear, provider, task) >= 3
