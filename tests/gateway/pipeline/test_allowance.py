"""A stream on credits that do not last: its hold grows while it can, and when it cannot the answer ends well-formed."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.pipeline.stage import (
    CLAUDE_END,
    CLAUDE_START,
    DONE,
    JSON,
    USAGE,
    Ear,
    Played,
    Stage,
    chat_body,
    chunk,
    claude,
    frames,
    open_stage,
    spoken,
    told,
    whole,
)
from tollway.core.receipt import Reason
from tollway.core.usage import UsageSource

WORD = " word"
START = chunk({"role": "assistant", "content": "So"})
STOP = "credits_exhausted"
PATHS = {
    "openai": "/v1/chat/completions",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/{model}:streamGenerateContent?alt=sse",
    "gemini array": "/v1beta/models/{model}:streamGenerateContent",
    "hub": "/chat",
}


def openai_words(count: int) -> list[bytes]:
    return [START] + [chunk({"content": WORD})] * count


def claude_words(count: int) -> list[bytes]:
    begin = told("content_block_start", index=0, content_block={"type": "text", "text": ""})
    delta = told("content_block_delta", index=0, delta={"type": "text_delta", "text": WORD})
    return [CLAUDE_START, begin] + [delta] * count


def gemini_words(count: int) -> list[bytes]:
    body = {
        "candidates": [{"content": {"parts": [{"text": WORD}], "role": "model"}, "index": 0}],
        "modelVersion": "up", "responseId": "r-1",
    }  # fmt: skip
    return [b"data: " + json.dumps(body).encode() + b"\r\n\r\n"] * count


SPEAKERS = {"gpt-5-mini": openai_words, "claude-haiku": claude_words, "gemini-3-flash": gemini_words}


def body(surface: str, model: str) -> dict[str, Any]:
    if surface.startswith("gemini"):
        return {"contents": [{"role": "user", "parts": [{"text": "hi"}]}],
                "generationConfig": {"maxOutputTokens": 64_000}}  # fmt: skip
    more: dict[str, Any] = {"stream_options": {"include_usage": True}} if surface == "openai" else {}
    return chat_body(model, max_tokens=64_000, stream=True, **more)


def ended_by_length(surface: str, ear: Ear) -> dict[str, Any]:
    """Checks that the stream is whole in its own dialect and ended at its limit; the usage it told."""
    assert ear.ending == "end"
    if surface == "gemini array":
        last = json.loads(ear.data)[-1]
        assert last["candidates"][0]["finishReason"] == "MAX_TOKENS"
        return dict(last["usageMetadata"])
    said = frames(ear.data)
    if surface == "openai":
        assert said[-1] == "[DONE]"
        assert said[-3]["choices"][0]["finish_reason"] == "length"
        assert {one["id"] for one in said[:-1]} == {said[0]["id"]}
        return dict(said[-2]["usage"])
    if surface == "anthropic":
        kinds = [one["type"] for one in said]
        assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
        assert kinds.count("content_block_start") == kinds.count("content_block_stop") == 1
        assert said[-2]["delta"]["stop_reason"] == "max_tokens"
        return dict(said[-2]["usage"])
    if surface == "gemini":
        assert said[-1]["candidates"][0]["finishReason"] == "MAX_TOKENS"
        return dict(said[-1]["usageMetadata"])
    assert (said[-1]["type"], said[-1]["finish_reason"]) == ("done", "length")
    return dict(said[-1]["usage"])


@pytest.mark.parametrize("model", SPEAKERS)
@pytest.mark.parametrize("surface", PATHS)
async def test_a_provider_that_says_more_than_the_credits_cover_is_cut_and_the_answer_ends_at_its_limit(
    tmp_path: Path, surface: str, model: str
) -> None:
    """One credit, 64,000 tokens asked, and a provider that heeds no limit."""
    async with open_stage(tmp_path, credits=1.0) as stage:
        provider = Played(SPEAKERS[model](3000), lingers=True)
        ear = await stage.ask(PATHS[surface].format(model=model), body(surface, model), provider)
        usage = ended_by_length(surface, ear)
        receipt = await stage.receipt(ear.call)
        assert (receipt.stop, receipt.reason) == (STOP, Reason.COMPLETED)
        assert receipt.usage is not None and receipt.usage.source is UsageSource.ESTIMATE
        assert receipt.usage.output_total in usage.values()
        assert 0 < receipt.charge_nano_usd <= 1_000_000
        assert receipt.extensions >= 0 < receipt.hold_nano_usd <= 1_000_000
        assert provider.closed and provider.stopped.is_set()
        asked = json.loads(stage.outside.asked[0].body)
        limit = asked.get("max_tokens") or asked.get("max_completion_tokens")
        limit = limit or asked["generationConfig"]["maxOutputTokens"]
        assert 1 < limit < 1000
        await stage.quiet()


async def test_a_hold_grows_with_the_answer_and_a_rich_caller_notices_nothing(stage: Stage) -> None:
    used = {"prompt_tokens": 10, "completion_tokens": 5000, "total_tokens": 5010}
    pieces = [*openai_words(5000), chunk({}, "stop"), chunk(usage=used), DONE]
    ear = await stage.chat(Played(pieces), stream=True)
    receipt = await stage.receipt(ear.call)
    assert ear.data.count(WORD.encode()) == 5000
    assert (receipt.stop, receipt.reason, receipt.overrun_nano_usd) == ("", Reason.COMPLETED, 0)
    assert 0 < receipt.hold_begun_nano_usd < receipt.charge_nano_usd <= receipt.hold_nano_usd
    assert receipt.extensions > 1
    await stage.quiet()


async def test_a_stream_holds_what_is_usual_for_its_model_and_learns_what_that_is(stage: Stage) -> None:
    first = await stage.chat(Played([spoken()]), stream=True, max_tokens=64_000)
    for _ in range(8):
        used = {"prompt_tokens": 10, "completion_tokens": 3000, "total_tokens": 3010}
        await stage.chat(Played([spoken(usage=used)]), stream=True)
    for _ in range(40):
        await stage.chat(Played([spoken()]), stream=True)
    later = await stage.chat(Played([spoken()]), stream=True, max_tokens=64_000)
    capped = await stage.chat(Played([spoken()]), stream=True, max_tokens=50)
    holds = [float(ear.headers["x-tollway-hold"]) for ear in (first, later, capped)]
    assert holds[1] > holds[0] > holds[2]
    whole_ear = await stage.chat(whole(), max_tokens=64_000)
    assert float(whole_ear.headers["x-tollway-hold"]) > 10 * holds[1]
    await stage.quiet()


async def test_a_reply_that_costs_more_than_its_hold_takes_the_rest_from_what_is_left_up_to_its_ceiling(
    stage: Stage,
) -> None:
    """Thoughts that nobody heard, and usage that comes only at the end."""
    used = {"prompt_tokens": 400, "completion_tokens": 20_000, "total_tokens": 20_400}
    ear = await stage.chat(Played([spoken(usage=used)]), stream=True)
    receipt = await stage.receipt(ear.call)
    assert receipt.overrun_nano_usd == 0
    assert receipt.charge_nano_usd == (400 * 250 + 20_000 * 2000) * 14 // 10
    assert receipt.hold_begun_nano_usd < receipt.charge_nano_usd <= receipt.hold_nano_usd
    for answer, stream in ((Played([spoken(usage={**used, "prompt_tokens": 10**7})]), True),
                           (whole(usage={**used, "completion_tokens": 10**7}), False)):  # fmt: skip
        lied = await stage.chat(answer, stream=stream, max_tokens=100)
        receipt = await stage.receipt(lied.call)
        assert receipt.overrun_nano_usd > 0
        assert receipt.charge_nano_usd <= 5_000_000
    await stage.quiet()


@pytest.mark.parametrize("model", ["gpt-5-mini", "claude-haiku"])
async def test_a_whole_answer_on_one_credit_is_asked_for_no_longer_than_it_can_be_paid(
    tmp_path: Path, model: str
) -> None:
    async with open_stage(tmp_path, credits=1.0) as stage:
        answer = whole(usage=USAGE) if model == "gpt-5-mini" else claude()
        answer._pieces = [piece.replace(b'"stop"', b'"length"').replace(b"end_turn", b"max_tokens")
                          for piece in answer._pieces]  # fmt: skip
        ear = await stage.chat(answer, model=model, max_tokens=64_000)
        assert ear.status == 200, ear.data
        assert ear.json["choices"][0]["finish_reason"] == "length"
        assert ear.headers["x-tollway-stop"] == STOP
        receipt = await stage.receipt(ear.call)
        assert receipt.stop == STOP
        assert 0 < receipt.charge_nano_usd <= receipt.hold_nano_usd <= 1_000_000
        assert json.loads(stage.outside.asked[0].body)[
            "max_completion_tokens" if model == "gpt-5-mini" else "max_tokens"
        ] in range(100, 400)
        await stage.quiet()


@pytest.mark.parametrize("surface", ["openai", "anthropic"])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_budget_for_thoughts_stays_below_a_limit_that_credits_lowered(
    tmp_path: Path, surface: str, stream: bool
) -> None:
    for credits, thinks in ((20.0, True), (1.0, False)):  # some 2,850 and 140 tokens of this model
        async with open_stage(tmp_path / str(credits), credits=credits) as stage:
            asked = chat_body("claude-haiku", max_tokens=64_000, stream=stream)
            if surface == "openai":
                asked["reasoning_effort"] = "high"
            else:
                asked["thinking"] = {"type": "enabled", "budget_tokens": 30_000}
            answer = Played([CLAUDE_START, *claude_words(2)[1:], CLAUDE_END]) if stream else claude()
            ear = await stage.ask(PATHS[surface], asked, answer)
            assert ear.status == 200, ear.data
            sent = json.loads(stage.outside.asked[0].body)
            budget = sent.get("thinking", {}).get("budget_tokens", 0)
            assert sent["max_tokens"] < 64_000
            assert (1024 <= budget < sent["max_tokens"]) if thinks else budget == 0
            await stage.quiet()


# ------------------------------------------------------------------ when the answer about more credit comes late


def usage_of(tokens: int) -> dict[str, int]:
    return {"prompt_tokens": 10, "completion_tokens": tokens, "total_tokens": tokens + 10}


def words_of(ear: Ear) -> str:
    said = [one for one in frames(ear.data) if isinstance(one, dict) and one.get("choices")]
    return "".join(one["choices"][0]["delta"].get("content") or "" for one in said)


async def test_words_that_come_while_more_credit_is_leased_wait_and_none_is_lost_or_told_twice(tmp_path: Path) -> None:
    """Everything comes in one read, so the hold is used up before anybody can answer."""
    text = [f" w{number}" for number in range(1500)]
    async with open_stage(tmp_path, credits=60.0) as stage:
        pieces = [
            START,
            *(chunk({"content": word}) for word in text),
            chunk({}, "stop"),
            chunk(usage=usage_of(3000)),
            DONE,
        ]
        for way in (pieces, [b"".join(pieces)]):
            ear = await stage.chat(Played(list(way)), stream=True, max_tokens=6000)
            assert words_of(ear) == "So" + "".join(text)
            assert frames(ear.data)[-1] == "[DONE]"
            receipt = await stage.receipt(ear.call)
            assert (receipt.stop, receipt.reason, receipt.overrun_nano_usd) == ("", Reason.COMPLETED, 0)
            assert receipt.extensions > 0
        await stage.quiet()


async def test_streams_of_one_small_account_share_it_and_together_never_spend_more(tmp_path: Path) -> None:
    async with open_stage(tmp_path, credits=10.0) as stage:
        providers = [Played([START], lingers=True) for _ in range(40)]
        calls = [stage.begin(PATHS["openai"], body("openai", "gpt-5-mini"), one) for one in providers]
        await until(lambda: all(ear.started for ear, _ in calls))

        limits = [json.loads(asked.body)["max_completion_tokens"] for asked in stage.outside.asked]
        said = [1] * len(limits)

        def speak() -> bool:
            for number, (one, limit) in enumerate(zip(providers, limits, strict=False)):
                if one._on_data is not None and not one.paused and said[number] <= limit:
                    said[number] += 1
                    last = chunk({}, "length") + chunk(usage=usage_of(limit)) + DONE
                    one.say(chunk({"content": WORD}) if said[number] <= limit else last)
            return all(task.done() for _, task in calls)

        await until(speak)
        answered = [ear for ear, _ in calls if ear.status == 200]
        assert len(answered) > 20
        receipts = [await stage.receipt(ear.call) for ear in answered]
        for ear in answered:
            assert frames(ear.data)[-3]["choices"][0]["finish_reason"] == "length"
        assert {receipt.stop for receipt in receipts} == {STOP}
        assert sum(receipt.overrun_nano_usd for receipt in receipts) == 0
        spent = sum(receipt.charge_nano_usd for receipt in receipts)
        assert 8_000_000 < spent <= 10_000_000
        await stage.quiet()


class Hungry:
    """A stream whose hold is wholly used, and that waits to hear whether it may grow; another call holds the rest."""

    def __init__(self, stage: Stage, provider: Played, ear: Ear, task: "asyncio.Task[None]") -> None:
        self.stage, self.provider, self.ear, self.task = stage, provider, ear, task
        self.other = Played([], headers=JSON, lingers=True)
        self.other_task: asyncio.Task[None] | None = None

    async def use_up(self) -> None:
        """All of the credit is held, and the stream's own part of it said, in one tick."""
        _, self.other_task = self.stage.begin(PATHS["openai"], chat_body(), self.other)
        await until(lambda: len(self.stage.outside.asked) == 2)
        for _ in range(2000):
            self.provider.say(chunk({"content": WORD}))
            if self.provider.paused:
                return
        raise AssertionError("it may say whatever it likes")

    async def let_go(self) -> None:
        """The other call is over; what it held comes back."""
        assert self.other_task is not None
        self.other.over()
        await self.other_task


@asynccontextmanager
async def hungry(folder: Path, surface: str = "openai") -> AsyncIterator[Hungry]:
    async with open_stage(folder, credits=10.0) as stage:
        provider = Played([START], lingers=True)
        ear, task = stage.begin(PATHS[surface], body(surface, "gpt-5-mini"), provider)
        await until(lambda: bool(ear.data))
        told = Hungry(stage, provider, ear, task)
        await told.use_up()
        yield told
        await told.let_go()
        await stage.quiet()


async def until(there: Callable[[], bool]) -> None:
    for _ in range(20_000):
        if there():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never came to that")


@pytest.mark.parametrize("surface", ["openai", "anthropic", "hub"])
async def test_a_stream_that_may_not_grow_says_one_more_word_and_ends_at_its_limit(
    tmp_path: Path, surface: str
) -> None:
    async with hungry(tmp_path, surface) as told:
        await until(lambda: not told.provider.paused)
        heard = told.ear.data.count(WORD.encode())
        told.provider.say(chunk({"content": WORD}) + chunk({"content": WORD}) + chunk({"content": WORD}))
        await told.task
        assert told.ear.data.count(WORD.encode()) == heard + 1
        ended_by_length(surface, told.ear)
        receipt = await told.stage.receipt(told.ear.call)
        assert (receipt.stop, receipt.reason, receipt.overrun_nano_usd) == (STOP, Reason.COMPLETED, 0)
        assert 0 < receipt.charge_nano_usd <= receipt.hold_nano_usd


async def test_an_answer_that_ends_just_where_its_credits_do_is_whole(tmp_path: Path) -> None:
    """Growing is refused, and all that was still to come was the end."""
    async with hungry(tmp_path) as told:
        told.provider.say(chunk({}, "stop") + chunk(usage=usage_of(200)))
        told.provider.say(DONE)
        told.provider.over()
        await told.task
        assert frames(told.ear.data)[-3]["choices"][0]["finish_reason"] == "stop"
        receipt = await told.stage.receipt(told.ear.call)
        assert (receipt.stop, receipt.reason) == ("", Reason.COMPLETED)
        assert receipt.usage is not None and receipt.usage.source is UsageSource.UPSTREAM


async def test_a_stream_that_waits_for_credit_beats_on_and_goes_on_when_others_give_theirs_back(
    tmp_path: Path,
) -> None:
    async with hungry(tmp_path) as told:
        told.stage.hub.heart.beat(time.monotonic() + 60, 15.0)
        assert told.ear.data.endswith(b": ping\n\n")
        await told.let_go()
        await until(lambda: not told.provider.paused)
        for _ in range(5):
            told.provider.say(chunk({"content": " more"}) * 100)
            await asyncio.sleep(0.01)
        told.provider.say(chunk({}, "stop") + chunk(usage=usage_of(1500)) + DONE)
        told.provider.over()
        await told.task
        assert told.ear.data.count(b" more") == 500
        receipt = await told.stage.receipt(told.ear.call)
        assert (receipt.stop, receipt.overrun_nano_usd) == ("", 0)


async def test_a_caller_who_leaves_while_his_stream_waits_pays_what_he_heard(tmp_path: Path) -> None:
    async with hungry(tmp_path) as told:
        told.task.cancel()
        await asyncio.wait((told.task,))
        assert told.provider.closed
        receipt = await told.stage.receipt(told.ear.call)
        assert (receipt.stop, receipt.reason, receipt.overrun_nano_usd) == ("", Reason.CLIENT_GONE, 0)
        assert 0 < receipt.charge_nano_usd <= receipt.hold_nano_usd


@pytest.mark.parametrize("said", [True, False])
async def test_a_provider_that_breaks_off_while_its_stream_waits_is_told_as_such(tmp_path: Path, said: bool) -> None:
    async with hungry(tmp_path) as told:
        told.provider._end = "reset"
        if said:
            told.provider.say(chunk({"content": " last"}))
        told.provider.over()
        await told.task
        assert b"[DONE]" not in told.ear.data or said
        receipt = await told.stage.receipt(told.ear.call)
        assert receipt.reason is (Reason.COMPLETED if said else Reason.UPSTREAM_CUT)
        assert receipt.stop == (STOP if said else "")
        assert 0 < receipt.charge_nano_usd <= receipt.hold_nano_usd
