"""What a call is held for: bounded for the rich, counted for everybody else, never a reason to refuse tomorrow."""

from pathlib import Path

from tests.gateway.pipeline.stage import Played, Stage, chat_body, chunk, open_stage, whole
from tollway.core.usage import UsageSource

TOMORROW = [{"type": "hologram", "hologram": {"depth": 3}}, {"type": "text", "text": "what is this?"}]


async def test_a_part_of_tomorrows_api_passes_through_whatever_the_balance(tmp_path: Path) -> None:
    for credits in (100_000.0, 60.0):
        async with open_stage(tmp_path / str(credits), credits=credits) as stage:
            body = {**chat_body(max_completion_tokens=50), "messages": [{"role": "user", "content": TOMORROW}]}
            ear = await stage.ask("/v1/chat/completions", body, whole())
            assert ear.status == 200, ear.data
            assert b'"hologram"' in stage.outside.asked[0].body
            receipt = await stage.receipt(ear.call)
            assert receipt.hold_nano_usd >= receipt.charge_nano_usd > 0
            await stage.quiet()


async def test_a_part_of_tomorrow_that_would_have_to_be_understood_is_refused_by_name(stage: Stage) -> None:
    body = {**chat_body("claude-haiku", max_tokens=50), "messages": [{"role": "user", "content": TOMORROW}]}
    ear = await stage.ask("/v1/chat/completions", body)
    assert ear.status == 400
    assert "messages[0].content[0]" in ear.json["error"]["message"]
    assert stage.outside.asked == []
    await stage.quiet()


async def test_a_cut_answer_is_charged_for_the_words_asked_not_for_the_json_around_them(stage: Stage) -> None:
    said = chunk({"role": "assistant", "content": "one two three"})
    ear = await stage.chat(Played([said], end="reset"), text="four words and more", stream=True)
    assert b"[DONE]" not in ear.data
    usage = (await stage.receipt(ear.call)).usage
    assert usage is not None and usage.source is UsageSource.ESTIMATE
    assert 5 <= usage.input_total <= 16
    assert 2 <= usage.output_total <= 6
    await stage.quiet()


async def test_an_account_that_cannot_pay_for_the_models_own_limit_gets_what_it_can_pay_for(tmp_path: Path) -> None:
    async with open_stage(tmp_path, credits=2.0) as stage:
        ear = await stage.chat(whole())
        assert ear.status == 200
        receipt = await stage.receipt(ear.call)
        assert receipt.hold_nano_usd <= 2_000_000
        assert b'"max_completion_tokens":' in stage.outside.asked[0].body
        await stage.quiet()


async def test_an_account_that_cannot_pay_for_input_and_one_token_is_told_what_is_left_and_needed(
    tmp_path: Path,
) -> None:
    async with open_stage(tmp_path, credits=0.003) as stage:
        for more in ({}, {"max_tokens": 64_000}, {"stream": True}):
            ear = await stage.chat(**more)
            assert ear.status == 429
            error = ear.json["error"]
            assert (error["code"], error["credits_remaining"]) == ("insufficient_quota", 0.003)
            assert error["credits_required"] > 0.003
        assert stage.outside.asked == []
        await stage.quiet()
