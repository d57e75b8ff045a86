"""Channels that add a system prompt: what the provider gets, what the hold covers, what the receipt says."""

import json
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.pipeline.stage import JSON, Played, Stage, chat_body, claude, open_stage, whole
from tollway.core.usage import UsageSource

LONG = "Answer kindly, and never without a joke. " * 100


def staged(
    folder: Path, settings: str, provider: str = "openai", credits: float = 100_000.0
) -> AbstractAsyncContextManager[Stage]:
    """A stage with one channel that states this."""
    row = f'[[channels]]\nid = "a"\nprovider = "{provider}"\nkey = "k"\n{settings}'
    return open_stage(folder, row, {}, credits)


def asked(stage: Stage) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(stage.outside.asked[-1].body)
    return body


async def test_it_is_added_where_a_request_has_none_and_the_receipt_says_so(tmp_path: Path) -> None:
    async with staged(tmp_path, 'system_prompt = "Be kind."') as stage:
        ear = await stage.chat(whole())
        assert asked(stage)["messages"][0] == {"role": "developer", "content": "Be kind."}  # as gpt-5 wants it
        assert (await stage.receipt(ear.call)).overridden == ("messages",)
        own = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}]
        ear = await stage.ask("/v1/chat/completions", {"model": "gpt-5-mini", "messages": own}, whole())
        assert [turn["content"] for turn in asked(stage)["messages"]] == ["Be brief.", "hi"]
        assert (await stage.receipt(ear.call)).overridden == ()
        await stage.quiet()


async def test_an_override_puts_it_before_the_callers_own(tmp_path: Path) -> None:
    async with staged(tmp_path, 'system_prompt = "Be kind."\nsystem_prompt_override = true') as stage:
        own = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}]
        await stage.ask("/v1/chat/completions", {"model": "gpt-5-mini", "messages": own}, whole())
        assert asked(stage)["messages"][0]["content"] == "Be kind.\nBe brief."


async def test_it_crosses_dialects_and_comes_before_the_channels_other_edits(tmp_path: Path) -> None:
    rules = """system_prompt = "Be kind."
    [[channels.param_override.operations]]
    mode = "append"
    path = "system"
    value = " Always."
    """
    async with staged(tmp_path, rules, "anthropic") as stage:
        ear = await stage.chat(claude(), model="claude-haiku")
        assert (ear.status, asked(stage)["system"]) == (200, "Be kind. Always.")
        body = {"model": "claude-haiku", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
        assert (await stage.ask("/v1/messages", body, claude())).status == 200
        assert asked(stage)["system"] == "Be kind. Always."
        assert (await stage.receipt(ear.call)).overridden == ("system",)


async def test_a_body_that_passes_through_gets_none(tmp_path: Path) -> None:
    async with staged(tmp_path, 'system_prompt = "Be kind."\npass_through = true') as stage:
        await stage.chat(whole())
        assert [turn["role"] for turn in asked(stage)["messages"]] == ["user"]


@pytest.mark.parametrize("credits", [100_000.0, 20.0])
async def test_the_hold_covers_its_tokens(tmp_path: Path, credits: float) -> None:
    holds = []
    for settings in ("", f'system_prompt = "{LONG}"'):
        async with staged(tmp_path / str(len(settings)), settings, credits=credits) as stage:
            usage = {"prompt_tokens": 900, "completion_tokens": 5, "total_tokens": 905}
            ear = await stage.chat(whole(usage=usage), max_tokens=10)
            receipt = await stage.receipt(ear.call)
            assert receipt.overrun_nano_usd == 0 or not settings
            holds.append(receipt.hold_nano_usd)
    nano_per_token = 250 * 1.4  # gpt-5-mini's input
    assert holds[1] - holds[0] >= 900 * nano_per_token


async def test_what_its_provider_did_not_count_is_counted_with_it(tmp_path: Path) -> None:
    counts = []
    for settings in ("", f'system_prompt = "{LONG}"'):
        async with staged(tmp_path / str(len(settings)), settings) as stage:
            receipt = await stage.receipt((await stage.chat(whole(usage=None))).call)
            own = chat_body()
            own["messages"].insert(0, {"role": "system", "content": "x"})
            other = await stage.receipt((await stage.ask("/v1/chat/completions", own, whole(usage=None))).call)
            assert receipt.usage is not None and other.usage is not None
            assert receipt.usage.source is UsageSource.ESTIMATE
            counts.append((receipt.usage.input_total, other.usage.input_total))
    assert counts[1][0] - counts[0][0] > 900
    assert counts[1][1] == counts[0][1]  # nothing was added there


async def test_what_makes_vectors_is_not_spoken_to(tmp_path: Path) -> None:
    settings = f'system_prompt = "{LONG}"\nthinking_to_content = true'
    async with staged(tmp_path, settings) as stage:
        vectors = {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}], "model": "up"}
        vectors["usage"] = {"prompt_tokens": 1, "total_tokens": 1}
        answer = Played([json.dumps(vectors).encode()], headers=JSON)
        ear = await stage.ask("/v1/embeddings", {"model": "text-embedding-3-small", "input": "hi"}, answer)
        assert (ear.status, ear.json) == (200, vectors), ear.data
        assert asked(stage)["input"] == "hi" and LONG not in stage.outside.asked[-1].body.decode()
