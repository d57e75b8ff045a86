"""What other gateways do wrong while an answer is on its way (serving.md 13.2, relay.md 4.8 and 8.8), each once."""

import asyncio
import itertools
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.pipeline.stage import (
    CLAUDE_END,
    CLAUDE_START,
    DONE,
    JSON,
    Ear,
    Line,
    Played,
    Stage,
    chat_body,
    chunk,
    claude_text,
    open_stage,
    refused,
    spoken,
    told,
)
from tests.gateway.pipeline.test_race import THREE
from tests.gateway.pipeline.test_streams import until
from tollway.core.receipt import Reason

ALL = {"OPENAI_API_KEY": "sk-o", "ANTHROPIC_API_KEY": "sk-a", "GEMINI_API_KEY": "g"}
ASKED: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 99, "stream": True}
USED = {"input_tokens": 10, "cache_read_input_tokens": 4, "output_tokens": 1}
START = CLAUDE_START.replace(json.dumps({"input_tokens": 10, "output_tokens": 1}).encode(), json.dumps(USED).encode())


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with open_stage(tmp_path, environ=ALL) as one:
        yield one


async def left(stage: Stage) -> int:
    return (await stage.hub.ledger.balance(stage.user)).left


async def free(stage: Stage, ear: Ear, before: int) -> bool:
    """Nothing was taken for it and nothing stays held, and it ended in the books."""
    receipt = await stage.receipt(ear.call)
    await stage.quiet()
    return receipt.charge_nano_usd == 0 and await left(stage) == before


# ------------------------------------------------------------------ words pass at once


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"], ids=["as it comes", "told anew"])
async def test_relay_4_8_no_chunk_is_held_back_until_the_next_one_comes(stage: Stage, path: str) -> None:
    """Existing relays keep the last chunk to see whether it is the last: a slow provider's last word comes late."""
    slow = Played([chunk({"content": "one"})], lingers=True)
    ear, task = stage.begin(path, {**ASKED, "model": "gpt-5-mini"}, slow)
    await until(lambda: b"one" in ear.data)
    slow.say(chunk({"content": "two"}))
    assert b"two" in ear.data, "in the same turn of the loop, with nothing behind it"
    slow.say(spoken("three"))
    slow.over()
    await task
    assert ear.ending == "end"


async def test_serving_4_a_stream_of_the_callers_dialect_keeps_its_very_bytes(stage: Stage) -> None:
    """Nothing is parsed into values and written again: odd spaces, orders and fields of tomorrow stay."""
    odd = b'data: {"choices" : [ {"delta":{"content":"h\\u00e9"} ,"index":0,"tomorrow":[1.50,-0.0]}],"x":1e2 }\n\n'
    end = b'data:{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"zz":null}\n\n'
    ear = await stage.ask("/v1/chat/completions", {**ASKED, "model": "gpt-5-mini"}, Played([odd, odd, end, DONE]))
    assert ear.data == odd + odd + end + DONE


async def test_serving_5_claudes_usage_is_read_whole_wherever_the_network_cuts_it(stage: Stage) -> None:
    """Existing gateways parse network reads: a JSON cut in two is lost, and the request is free."""
    data = START + claude_text("hello") + CLAUDE_END
    cuts = [range(0, len(data), size) for size in (1, 3, 64)] + [(0, at) for at in range(1, len(data), 7)]
    charges = set()
    for cut in cuts:
        places = [*cut, len(data)]
        pieces = [data[start:end] for start, end in itertools.pairwise(places)]
        ear = await stage.ask("/v1/messages", {**ASKED, "model": "claude-haiku"}, Played(pieces))
        assert ear.data == data
        receipt = await stage.receipt(ear.call)
        assert receipt.usage is not None
        charges.add((receipt.charge_nano_usd, receipt.usage.input_total, receipt.usage.output_total))
    assert len(charges) == 1 and min(charges)[0] > 0 and min(charges)[1:] == (14, 5)


# ------------------------------------------------------------------ one answer, from one provider


async def test_serving_1_the_caller_never_gets_half_an_answer_and_then_a_whole_one(tmp_path: Path) -> None:
    """Another channel stands ready and would answer: it is not asked."""
    async with open_stage(tmp_path, THREE, {}) as stage:
        cut = Played([chunk({"content": "half"})], end="reset")
        ear = await stage.ask("/v1/chat/completions", {**ASKED, "model": "gpt-5-mini"}, cut, Played([spoken("whole")]))
        assert len(stage.outside.asked) == 1 and b"half" in ear.data and b"whole" not in ear.data
        assert b'"error"' in ear.data and DONE not in ear.data
        stage.outside.script.clear()


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/chat/completions"], ids=["as it comes", "told anew"])
async def test_relay_4_8_an_error_event_of_claudes_ends_the_stream_and_appends_no_second_one(
    stage: Stage, path: str
) -> None:
    """Its fallback models have channels here that would answer."""
    error = told("error", error={"type": "overloaded_error", "message": "Overloaded"})
    second = Played([spoken("second")])
    ear = await stage.ask(
        path, {**ASKED, "model": "claude-haiku"}, Played([START + claude_text("half"), error]), second
    )
    assert len(stage.outside.asked) == 1 and b"half" in ear.data and b"second" not in ear.data
    assert b"message_stop" not in ear.data and DONE not in ear.data and b"error" in ear.data
    assert (await stage.receipt(ear.call)).reason is Reason.UPSTREAM_CUT
    stage.outside.script.clear()


# ------------------------------------------------------------------ what nobody got is free


def silent(end: str) -> Played:
    return Played([chunk({"role": "assistant", "content": ""})], end=end)


@pytest.mark.parametrize("end", ["idle", "reset", "clean"])
async def test_relay_8_8_a_stream_without_a_word_is_no_answer_and_costs_nothing_when_nobody_else_answers(
    tmp_path: Path, end: str
) -> None:
    """Existing relays call it a success and charge the estimated prompt."""
    async with open_stage(tmp_path, THREE, {}) as stage:
        before = await left(stage)
        ear = await stage.ask("/v1/chat/completions", {**ASKED, "model": "gpt-5-mini"}, *(silent(end) for _ in "abc"))
        assert ear.status in (502, 504)
        assert (await stage.receipt(ear.call)).reason is Reason.FAILED
        assert await free(stage, ear, before)


async def test_relay_4_8_an_error_chunk_is_no_answer_and_costs_nothing_when_nobody_else_answers(
    tmp_path: Path,
) -> None:
    error = b'data: {"error":{"message":"overloaded","type":"server_error","code":503}}\n\n'
    async with open_stage(tmp_path, THREE, {}) as stage:
        before = await left(stage)
        wrong = [Played([chunk({"role": "assistant"}), error]) for _ in "abc"]
        ear = await stage.ask("/v1/chat/completions", {**ASKED, "model": "gpt-5-mini"}, *wrong)
        assert ear.status == 502 and await free(stage, ear, before)


BLOCKED = b'{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":900,"totalTokenCount":900}}'


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", ["/v1beta/models/gemini-3-flash", "/v1/chat/completions"])
async def test_relay_8_8_a_prompt_that_gemini_blocked_is_refused_and_free(
    stage: Stage, stream: bool, path: str
) -> None:
    """Though it tells a usage: existing relays have sent an error body by then, and charge for it."""
    before = await left(stage)
    line = Played([b"data: " + BLOCKED + b"\r\n\r\n"]) if stream else Played([BLOCKED], headers=JSON)
    body: dict[str, Any] = chat_body("gemini-3-flash", stream=stream)
    if path.startswith("/v1beta"):
        path += ":streamGenerateContent?alt=sse" if stream else ":generateContent"
        body = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
    ear = await stage.ask(path, body, line)
    assert ear.status == 400 and b"blocked" in ear.data and len(stage.outside.asked) == 1
    assert await free(stage, ear, before)


@pytest.mark.parametrize("stream", [False, True])
async def test_relay_8_8_no_fee_is_taken_for_what_a_provider_calls_a_violation(stage: Stage, stream: bool) -> None:
    """Existing relays refund the call and then charge a fee outside its books: here a call ends once, and free."""
    before = await left(stage)
    said = "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_CSAM. A fee of $0.05 applies."
    ear = await stage.ask(
        "/v1/chat/completions", chat_body(stream=stream), *(refused(403, said) for _ in "abc"), key=stage.key
    )
    assert ear.status >= 400 and await free(stage, ear, before)
    assert len(await stage.last_receipts()) <= 1
    stage.outside.script.clear()


# ------------------------------------------------------------------ one call, one name


async def test_serving_19_calls_at_once_have_names_of_their_own_and_each_is_in_the_books(stage: Stage) -> None:
    """Names made of microseconds collide, and a second row of one name is silently lost with its cost."""
    before, calls = await left(stage), 60
    lines = [Played([spoken(str(number))]) for number in range(calls)]
    ears = await asyncio.gather(*(stage.ask("/v1/chat/completions", chat_body(stream=True), line) for line in lines))
    names = {ear.call for ear in ears}
    assert len(names) == calls
    assert all(
        re.fullmatch(r"req_[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", one) for one in names
    )
    charged = sum([(await stage.receipt(name)).charge_nano_usd for name in names])
    assert charged == before - await left(stage) > 0
    await stage.quiet()


# ------------------------------------------------------------------ a hold covers the whole plan


async def test_relay_4_4_a_failed_attempt_is_not_charged_and_the_hold_is_closed_once(tmp_path: Path) -> None:
    """Reserve once, before the loop; settle once, after it: whatever the attempts cost in between."""
    async with open_stage(tmp_path, THREE, {}) as stage:
        before = await left(stage)
        lines: list[Line] = [refused(500), silent("reset"), Played([spoken("third")])]
        ear = await stage.ask("/v1/chat/completions", {**ASKED, "model": "gpt-5-mini"}, *lines)
        receipt = await stage.receipt(ear.call)
        assert [bool(one.fault) for one in receipt.attempts] == [True, True, False]
        alone = await stage.ask("/v1/chat/completions", {**ASKED, "model": "gpt-5-mini"}, Played([spoken("third")]))
        once = (await stage.receipt(alone.call)).charge_nano_usd
        assert receipt.charge_nano_usd == once and before - await left(stage) == 2 * once
        await stage.quiet()
