"""Calls that fail, fall back, are refused or are left: what the caller hears, and that nothing stays held."""

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.pipeline.stage import (
    CLAUDE_END,
    CLAUDE_START,
    JSON,
    Played,
    Stage,
    chat_body,
    chunk,
    claude,
    claude_text,
    open_stage,
    refused,
    spoken,
    whole,
)
from tests.gateway.pipeline.test_streams import spoken_by_gemini, until
from tollway.core.receipt import Reason
from tollway.core.usage import UsageSource
from tollway.kit.http1.wire import UpstreamError

REFUSED = UpstreamError("connect", "refused")
SILENT = UpstreamError("first_byte", "nothing came")


def gemini_whole(text: str = "hello") -> Played:
    body = {
        "candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15},
    }
    return Played([json.dumps(body).encode()], headers=JSON)


# ------------------------------------------------------------------ attempts


async def test_a_channel_that_cannot_be_reached_is_followed_by_the_fallback_models(stage: Stage) -> None:
    ear = await stage.chat(REFUSED, gemini_whole())
    assert ear.json["choices"][0]["message"]["content"] == "hello"
    assert ear.headers["x-tollway-model"] == "gemini-3-flash"
    receipt = await stage.receipt(ear.call)
    assert [(one.provider, one.status) for one in receipt.attempts] == [("openai", 0), ("gemini", 200)]
    assert receipt.model == "gemini-3-flash"
    await stage.quiet()


async def test_the_callers_own_mistake_is_told_in_the_providers_words_and_tried_nowhere_else(stage: Stage) -> None:
    ear = await stage.chat(refused(400, "messages[0].content is odd"))
    assert (ear.status, ear.json["error"]["message"]) == (400, "messages[0].content is odd")
    assert len(stage.outside.asked) == 1
    assert (await stage.receipt(ear.call)).reason is Reason.FAILED
    await stage.quiet()


async def test_silence_is_worth_one_more_try_in_all_on_another_channel(stage: Stage) -> None:
    ear = await stage.chat(SILENT, SILENT)
    assert (ear.status, len(stage.outside.asked)) == (504, 2)
    await stage.quiet()


async def test_the_only_channel_is_asked_once_more_after_silence_and_never_a_third_time(tmp_path: Path) -> None:
    async with open_stage(tmp_path, environ={"ANTHROPIC_API_KEY": "sk-a"}) as alone:
        ear = await alone.chat(SILENT, claude(), model="claude-haiku")
        assert (ear.status, len(alone.outside.asked)) == (200, 2)
        ear = await alone.chat(SILENT, SILENT, model="claude-haiku")
        assert (ear.status, len(alone.outside.asked)) == (504, 4)
        ear = await alone.chat(REFUSED, model="claude-haiku")
        assert (ear.status, len(alone.outside.asked)) == (502, 5)
        await alone.quiet()


async def test_no_more_than_six_channels_are_tried(tmp_path: Path) -> None:
    rows = "".join(
        f'[[channels]]\nid = "c{n}"\nprovider = "openai"\nkey = "k"\nbase_url = "http://c{n}.test/v1"\npriority = {n}\n'
        for n in range(9)
    )
    async with open_stage(tmp_path, rows, {}) as many:
        ear = await many.chat(*[REFUSED] * 9)
        assert ear.status == 502
        assert [one.origin for one in many.outside.asked] == [f"http://c{n}.test" for n in (8, 7, 6, 5, 4, 3)]


ROUTER_ONLY = {"OPENROUTER_API_KEY": "sk-or"}


@pytest.mark.parametrize("failure", [REFUSED, refused(401), refused(429, retry_after="30"), refused(503)])
async def test_a_channel_that_failed_is_not_asked_again_for_another_model(tmp_path: Path, failure: Any) -> None:
    async with open_stage(tmp_path, environ=ROUTER_ONLY) as one:
        ear = await one.chat(failure, whole())
        assert ear.status in (429, 502)
        assert len(one.outside.asked) == 1


async def test_a_channel_without_the_model_may_be_asked_for_the_fallback(tmp_path: Path) -> None:
    async with open_stage(tmp_path, environ=ROUTER_ONLY) as one:
        ear = await one.chat(refused(404, "the model `x` does not exist"), whole())
        assert ear.status == 200
        assert json.loads(one.outside.asked[1].body)["model"] != json.loads(one.outside.asked[0].body)["model"]


async def test_retry_after_rests_the_channel_and_is_told_when_all_rest(tmp_path: Path) -> None:
    async with open_stage(tmp_path, environ={"ANTHROPIC_API_KEY": "sk-a"}) as alone:
        first = await alone.chat(refused(429, retry_after="40"), model="claude-haiku")
        assert (first.status, first.headers["retry-after"]) == (429, "40")
        second = await alone.chat(model="claude-haiku")
        assert second.status == 429 and 35 <= int(second.headers["retry-after"]) <= 40
        assert len(alone.outside.asked) == 1
        await alone.quiet()


@pytest.mark.parametrize("wait", ["1e9", "-5", "nan", "soon", "0"])
async def test_an_absurd_retry_after_rests_a_channel_for_an_hour_at_most(stage: Stage, wait: str) -> None:
    await stage.chat(refused(429, retry_after=wait), gemini_whole())
    until_s = stage.hub.health.lane_rests_until("openai")
    assert until_s - stage.hub.clock.monotonic_s() <= 3600


async def test_a_key_without_the_fallbacks_hears_that_its_only_channel_rests(stage: Stage) -> None:
    key = await stage.another_key(models=("gpt-5-mini",))
    assert (await stage.ask("/v1/chat/completions", chat_body(), refused(429, retry_after="40"), key=key)).status == 429
    ear = await stage.ask("/v1/chat/completions", chat_body(), key=key)
    assert ear.status == 429 and int(ear.headers["retry-after"]) > 30
    media = {
        "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]}]
    }
    ear = await stage.ask("/v1/chat/completions", {**chat_body(), **media}, key=key)
    assert ear.status == 429
    await stage.quiet()


async def test_a_fallback_that_cannot_read_the_question_leaves_the_first_channels_fault(stage: Stage) -> None:
    body = chat_body(max_tokens=10, response_format={"type": "hologram"})
    ear = await stage.ask("/v1/chat/completions", body, refused(503))
    assert ear.status == 502, ear.data
    await stage.quiet()


async def test_an_answer_without_usage_to_a_question_we_cannot_read_is_still_delivered_and_charged(
    stage: Stage,
) -> None:
    body = chat_body(max_tokens=10, response_format={"type": "hologram"})
    for stream in (False, True):
        answer = Played([spoken(usage=None)]) if stream else whole(usage=None)
        ear = await stage.ask("/v1/chat/completions", {**body, "stream": stream}, answer)
        assert (ear.status, ear.ending) == (200, "end"), ear.data
        receipt = await stage.receipt(ear.call)
        assert receipt.reason is Reason.COMPLETED and receipt.charge_nano_usd > 0
        assert receipt.usage is not None and receipt.usage.source is UsageSource.ESTIMATE
    await stage.quiet()


async def test_an_error_in_a_200_is_told_in_the_providers_words(stage: Stage) -> None:
    asleep = Played([b'{"error":{"message":"engine is asleep","code":503}}'], headers=JSON)
    ear = await stage.chat(asleep, gemini_whole())
    assert ear.status == 200
    assert "engine is asleep" in (await stage.receipt(ear.call)).attempts[0].fault


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{", b'"x"', b"\x1f\x8b\x08\x00rubbish", b'{"choices":7}', b"[" * 100_000]
)
async def test_a_200_that_is_no_answer_goes_to_the_next_channel(stage: Stage, body: bytes) -> None:
    ear = await stage.chat(Played([body], headers=JSON), gemini_whole())
    assert ear.json["choices"][0]["message"]["content"] == "hello"
    await stage.quiet()


async def test_an_empty_answer_is_delivered_and_free(stage: Stage) -> None:
    ear = await stage.chat(whole("", usage=None))
    assert ear.status == 200 and ear.headers["x-tollway-cost"] == "0.000000"
    assert (await stage.receipt(ear.call)).reason is Reason.EMPTY


# ------------------------------------------------------------------ headers


async def test_names_of_dropped_fields_cannot_break_a_header(stage: Stage) -> None:
    odd = {"evil\r\nx-admin: 1": 1, "gr\u00fc\u00dfe": 2, "long" * 5000: 3, "seed": 4, "a,b": 5}
    for stream in (False, True):
        body = chat_body("claude-haiku", max_tokens=10, stream=stream, **odd)
        answer = Played([CLAUDE_START, claude_text("hello"), CLAUDE_END]) if stream else claude()
        ear = await stage.ask("/v1/chat/completions", body, answer)
        assert (ear.status, ear.ending) == (200, "end"), ear.data
        dropped = ear.headers["x-tollway-dropped"]
        assert "seed" in dropped and dropped.isascii() and dropped.isprintable() and len(dropped) < 4096
        assert "x-admin" not in ear.headers
    await stage.quiet()


# ------------------------------------------------------------------ leaving


async def test_a_caller_who_leaves_before_any_answer_owes_nothing(stage: Stage) -> None:
    asked = asyncio.Event()
    _, task = stage.begin("/v1/chat/completions", chat_body(), asked)
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (receipt,) = await stage.last_receipts()
    assert (receipt.reason, receipt.charge_nano_usd) == (Reason.CLIENT_GONE, 0)
    assert [one.channel for one in receipt.attempts] == ["openai"]
    await stage.quiet()


async def test_a_caller_who_leaves_while_a_whole_answer_is_read_closes_the_provider(stage: Stage) -> None:
    slow = Played([b'{"id"'], headers=JSON, lingers=True)
    _, task = stage.begin("/v1/chat/completions", chat_body(), slow)
    await until(lambda: slow._on_data)
    task.cancel()
    await asyncio.wait([task])
    assert slow.closed and task.cancelled()
    await stage.quiet()


async def test_a_caller_who_leaves_in_mid_stream_pays_for_what_was_said_and_closes_the_provider(stage: Stage) -> None:
    slow = Played([chunk({"content": "one two three"})], lingers=True)
    ear, task = stage.begin("/v1/chat/completions", chat_body(stream=True), slow)
    await until(lambda: ear.started)
    task.cancel()
    await asyncio.wait([task])
    assert slow.closed
    receipt = await stage.receipt(ear.call)
    assert receipt.reason is Reason.CLIENT_GONE and receipt.charge_nano_usd > 0
    await stage.quiet()


async def test_a_caller_who_leaves_after_the_terminal_event_changes_nothing(stage: Stage) -> None:
    slow = Played([spoken()], lingers=True)
    ear, task = stage.begin("/v1/chat/completions", chat_body(stream=True), slow)
    await until(lambda: ear.ending)
    task.cancel()
    await asyncio.wait([task])
    assert (await stage.receipt(ear.call)).reason is Reason.COMPLETED
    await stage.quiet()


async def test_a_caller_who_leaves_between_two_attempts_owes_nothing(stage: Stage) -> None:
    asked = asyncio.Event()
    _, task = stage.begin("/v1/chat/completions", chat_body(stream=True), Played([chunk({"role": "assistant"})]), asked)
    await asked.wait()
    task.cancel()
    await asyncio.wait([task])
    (receipt,) = await stage.last_receipts()
    assert (receipt.reason, receipt.charge_nano_usd) == (Reason.CLIENT_GONE, 0)
    await stage.quiet()


async def test_cancelling_at_every_step_of_the_loop_leaves_nothing_held(stage: Stage) -> None:
    body = chat_body(text="[[slow:1]] one two three", model="echo", stream=True)
    for steps in range(0, 60, 2):
        _, task = stage.begin("/v1/chat/completions", body)
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    await stage.quiet()


# ------------------------------------------------------------------ mistakes of ours


SECRET = "a prompt, and sk-secret-123456"


class Broken(Played):
    """An upstream whose answer meets a bug of ours, as a decoder might have."""

    async def pump(self, on_data: Any) -> None:
        if self._pieces:
            on_data(self._pieces.pop(0))
        raise RuntimeError(SECRET)


async def test_a_bug_after_the_first_word_charges_what_was_said_and_leaks_nothing(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        ear = await stage.chat(Broken([chunk({"content": "one two three"})]), stream=True)
    assert ear.ending == "abort"
    receipt = await stage.receipt(ear.call)
    assert receipt.charge_nano_usd > 0
    assert [one.channel for one in receipt.attempts] == ["openai"]
    assert "sk-secret" not in caplog.text and "RuntimeError" in caplog.text
    await stage.quiet()


async def test_a_bug_before_the_first_word_is_a_500_in_the_callers_dialect_and_free(stage: Stage) -> None:
    for path in ("/v1/chat/completions", "/v1/messages"):
        ear = await stage.ask(path, chat_body(stream=True, max_tokens=9), Broken([]))
        assert (ear.status, ear.ending) == (500, "end")
        assert "error" in ear.json and b"sk-secret" not in ear.data
        receipt = await stage.receipt(ear.call)
        assert receipt.charge_nano_usd == 0 and receipt.model == "gpt-5-mini"
    await stage.quiet()


# ------------------------------------------------------------------ models and keys


async def test_a_request_that_names_no_model_gets_the_default_one(tmp_path: Path) -> None:
    body = {"messages": [{"role": "user", "content": "hi"}]}
    async with open_stage(tmp_path / "a", '[server]\ndefault_model = "claude-haiku"\n') as stated:
        ear = await stated.ask("/v1/chat/completions", body, claude())
        assert ear.headers["x-tollway-model"] == "claude-haiku"
    async with open_stage(tmp_path / "b", environ={}) as bare:
        ear = await bare.ask("/v1/chat/completions", body)
        assert (ear.status, ear.headers["x-tollway-model"]) == (200, "echo")
        ear = await bare.ask("/v1/chat/completions", {"messages": [{"role": "user", "content": "Draw a fox"}]})
        assert ear.status == 404 and "names no model" in ear.json["error"]["message"]


async def test_a_model_that_is_not_on_sale_is_a_404_that_does_not_repeat_a_novel(stage: Stage) -> None:
    ear = await stage.chat(model="m" * 100_000)
    assert ear.status == 404 and len(ear.data) < 2000


async def test_a_model_without_tools_refuses_tools_but_not_an_empty_list_of_them(tmp_path: Path) -> None:
    toml = (
        '[[models]]\nid = "plain"\nprovider = "openai"\ncontext_window = 1000\nmax_output = 100\n'
        'served_by.openai = "plain-1"\nprice = { input = 1, output = 1 }\n'
    )
    async with open_stage(tmp_path, toml) as one:
        tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
        assert (await one.chat(model="plain", tools=tools)).status == 400
        assert (await one.chat(whole(), model="plain", tools=[])).status == 200
        assert (await one.chat(whole(), model="plain", tools=None)).status == 200
        functions = [{"name": "f", "parameters": {"type": "object"}}]
        assert (await one.chat(model="plain", functions=functions)).status == 400
        await one.quiet()


async def test_counting_tokens_keeps_to_the_limits_of_the_key(stage: Stage) -> None:
    narrow = await stage.another_key(models=("echo",))
    body = {"model": "claude-haiku", "messages": [{"role": "user", "content": "hi"}]}
    assert (await stage.ask("/v1/messages/count_tokens", body, key=narrow)).status == 403
    rare = await stage.another_key(requests_per_minute=1)
    assert (await stage.ask("/v1/messages/count_tokens", body, key=rare)).status == 200
    assert (await stage.ask("/v1/messages/count_tokens", body, key=rare)).status == 429


async def test_a_stream_that_fell_back_to_another_dialect_reads_like_any_other(stage: Stage) -> None:
    ear = await stage.chat(REFUSED, Played([spoken_by_gemini()]), stream=True)
    assert ear.status == 200 and ear.data.endswith(b"data: [DONE]\n\n")
