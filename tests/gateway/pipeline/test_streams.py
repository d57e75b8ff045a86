"""A stream through the whole pipeline: what the caller gets, and what the books say of it."""

import asyncio
import json
from collections.abc import Callable

import pytest

from tests.gateway.pipeline.stage import (
    CLAUDE_END,
    CLAUDE_START,
    DONE,
    USAGE,
    Ear,
    Played,
    Stage,
    chat_body,
    chunk,
    claude_text,
    frames,
    refused,
    spoken,
    told,
)
from tollway.core.receipt import Reason
from tollway.core.usage import UsageSource
from tollway.kit.http1.wire import UpstreamError


async def stream(stage: Stage, *lines: Played | UpstreamError, model: str = "gpt-5-mini", **more: object) -> Ear:
    return await stage.chat(*lines, model=model, stream=True, **more)


def words(ear: Ear) -> str:
    said = [one for one in frames(ear.data) if isinstance(one, dict)]
    return "".join(choice["delta"].get("content") or "" for one in said for choice in one.get("choices", ()))


async def test_a_stream_that_comes_in_one_read_leaves_a_full_receipt(stage: Stage) -> None:
    ear = await stream(stage, Played([spoken()]))
    assert (ear.status, ear.ending, words(ear)) == (200, "end", "hello")
    receipt = await stage.receipt(ear.call)
    assert receipt.reason is Reason.COMPLETED
    assert [(one.channel, one.status) for one in receipt.attempts] == [("openai", 200)]
    assert receipt.usage is not None and receipt.usage.output_total == 5
    await stage.quiet()


async def test_every_split_of_the_bytes_gives_the_caller_the_same_bytes(stage: Stage) -> None:
    data = spoken("héllo") + chunk({"content": "nobody hears this"}) + DONE
    full = (await stream(stage, Played([data]), stream_options={"include_usage": True})).data
    for size in (1, 2, 7, 50, 200):
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        assert (await stream(stage, Played(pieces), stream_options={"include_usage": True})).data == full
    assert b"nobody" not in full
    await stage.quiet()


async def test_the_usage_frame_is_counted_but_hidden_from_who_did_not_ask(stage: Stage) -> None:
    ear = await stream(stage, Played([chunk({"content": "a"}), chunk({}, "stop"), chunk(usage=USAGE), DONE]))
    assert b"total_tokens" not in ear.data
    receipt = await stage.receipt(ear.call)
    assert receipt.usage is not None and receipt.usage.source is UsageSource.UPSTREAM


async def test_an_error_frame_before_any_word_sends_the_call_to_the_next_channel(stage: Stage) -> None:
    failing = Played([chunk({"role": "assistant"}), b'data: {"error":{"message":"overloaded","code":503}}\n\n'])
    ear = await stream(stage, failing, Played([spoken_by_gemini()]))
    assert (ear.status, words(ear)) == (200, "hello")
    assert failing.closed
    receipt = await stage.receipt(ear.call)
    assert [one.provider for one in receipt.attempts] == ["openai", "gemini"]
    await stage.quiet()


def spoken_by_gemini() -> bytes:
    return (
        b'data: {"candidates":[{"content":{"parts":[{"text":"hello"}],"role":"model"},"finishReason":"STOP"}],'
        b'"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":5,"totalTokenCount":15}}\n\n'
    )


async def test_words_and_an_error_in_the_same_read_were_never_sent_so_another_may_answer(stage: Stage) -> None:
    failing = Played([chunk({"content": "lost"}) + b'data: {"error":{"message":"boom","code":500}}\n\n'])
    ear = await stream(stage, failing, Played([spoken_by_gemini()]))
    assert words(ear) == "hello"
    assert (await stage.receipt(ear.call)).reason is Reason.COMPLETED
    await stage.quiet()


async def test_an_error_frame_after_words_ends_the_stream_with_an_error_and_without_done(stage: Stage) -> None:
    error = b'data: {"error":{"message":"boom at https://up.example/v1 sk-proj-abc123def456","code":500}}\n\n'
    for pieces in ([chunk({"content": "hi"}), error, DONE], [chunk({"content": "hi"}), error + DONE]):
        ear = await stream(stage, Played(pieces))
        said = frames(ear.data)
        assert "error" in said[-1] and "[DONE]" not in said
        assert b"sk-proj-abc123" not in ear.data and b"up.example" not in ear.data
        receipt = await stage.receipt(ear.call)
        assert receipt.reason is Reason.UPSTREAM_CUT and receipt.charge_nano_usd > 0
    await stage.quiet()


async def test_rubbish_after_words_reaches_the_caller_as_an_error_of_his_dialect_not_as_rubbish(stage: Stage) -> None:
    ear = await stream(stage, Played([chunk({"content": "hi"}), b"data: {{{ \xff not json\n\n", DONE]))
    assert b"not json" not in ear.data
    assert "error" in frames(ear.data)[-1]
    assert (await stage.receipt(ear.call)).reason is Reason.UPSTREAM_CUT


async def test_half_a_frame_at_the_end_is_not_glued_to_the_error_that_follows(stage: Stage) -> None:
    ear = await stream(stage, Played([chunk({"content": "hi"}), b'data: {"id":"chatcmpl-1","cho']))
    assert b'","cho' not in ear.data
    said = frames(ear.data)
    assert "error" in said[-1] and words(ear) == "hi"


async def test_a_last_frame_without_its_blank_line_reaches_the_caller_with_one(stage: Stage) -> None:
    ear = await stream(stage, Played([chunk({"content": "hi"}), chunk({"content": "!"}, "stop").rstrip(b"\n")]))
    assert words(ear) == "hi!" and ear.data.endswith(b"\n\n") and ear.ending == "end"
    assert (await stage.receipt(ear.call)).reason is Reason.COMPLETED


async def test_a_cut_after_words_is_told_and_charged_by_our_own_count(stage: Stage) -> None:
    ear = await stream(stage, Played([chunk({"content": "one two three"})], end="reset"))
    said = frames(ear.data)
    assert "error" in said[-1] and "[DONE]" not in said
    receipt = await stage.receipt(ear.call)
    assert receipt.reason is Reason.UPSTREAM_CUT
    assert receipt.usage is not None and receipt.usage.source is UsageSource.ESTIMATE and receipt.usage.output_total > 0
    await stage.quiet()


async def test_an_anthropic_stream_that_passed_through_and_broke_starts_only_once(stage: Stage) -> None:
    body = chat_body("claude-haiku", max_tokens=20, stream=True)
    for end in ("reset", "clean"):
        ear = await stage.ask("/v1/messages", body, Played([CLAUDE_START, claude_text("hi")], end=end))
        assert ear.data.count(b"message_start") == 2 and b"message_stop" not in ear.data
        assert frames(ear.data)[-1]["type"] == "error"
    await stage.quiet()


async def test_a_stream_that_only_sends_comments_still_gets_its_head_from_the_heart(stage: Stage) -> None:
    slow = Played([b": waiting\n\n"], lingers=True)
    ear, task = stage.begin("/v1/chat/completions", chat_body(stream=True), slow)
    await until(lambda: stage.outside.asked)
    await until(lambda: stage.hub.heart._open)
    assert not ear.started
    now_s = stage.hub.clock.monotonic_s()
    stage.hub.heart.beat(now_s + 16, 15.0)
    assert ear.status == 200
    stage.hub.heart.beat(now_s + 32, 15.0)
    assert ear.data.endswith(b": ping\n\n")
    slow.say(spoken())
    slow.over()
    await task
    assert ear.ending == "end"
    receipt = await stage.receipt(ear.call)
    assert receipt.reason is Reason.COMPLETED
    assert [one.status for one in receipt.attempts] == [200]
    await stage.quiet()


async def until(ready: Callable[[], object]) -> None:
    for _ in range(500):
        if ready():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it did not happen")


async def test_no_heartbeat_follows_the_terminal_event_and_a_provider_that_lingers_is_let_go(stage: Stage) -> None:
    slow = Played([spoken()], lingers=True)
    ear, task = stage.begin("/v1/chat/completions", chat_body(stream=True), slow)
    await until(lambda: ear.ending)
    before = ear.data
    stage.hub.heart.beat(stage.hub.clock.monotonic_s() + 2, 15.0)
    await until(task.done)
    assert ear.data == before and slow.closed
    await stage.quiet()


async def test_a_caller_with_his_whole_answer_may_ask_again_while_the_provider_lingers(stage: Stage) -> None:
    key = await stage.another_key(parallel_calls=1)
    slow = Played([spoken()], lingers=True)
    ear, task = stage.begin("/v1/chat/completions", chat_body(stream=True), slow, key=key)
    await until(lambda: ear.ending)
    again = await stage.ask("/v1/chat/completions", chat_body(stream=True), Played([spoken()]), key=key)
    assert again.status == 200
    slow.over()
    await task


async def test_a_slow_caller_pauses_the_provider_and_resumes_it(stage: Stage) -> None:
    slow = Played([chunk({"content": "a"})], lingers=True)
    ear, task = stage.begin("/v1/chat/completions", chat_body(stream=True), slow)
    await until(lambda: ear.full)
    assert ear.full is not None
    pause, resume = ear.full
    pause()
    assert slow.paused
    resume()
    assert not slow.paused
    slow.say(spoken())
    slow.over()
    await task


async def test_a_stream_answered_with_a_json_error_falls_back_and_keeps_the_providers_words(stage: Stage) -> None:
    body = b'{"error":{"message":"engine is asleep","type":"server_error","code":503}}'
    failing = [Played([body], headers=((b"content-type", b"application/json"),)) for _ in range(1)]
    ear = await stream(stage, *failing, Played([spoken_by_gemini()]))
    assert words(ear) == "hello"
    receipt = await stage.receipt(ear.call)
    assert "engine is asleep" in receipt.attempts[0].fault


async def test_a_whole_answer_where_a_stream_was_asked_is_no_answer(stage: Stage) -> None:
    ear = await stream(stage, Played([b'{"choices":[]}'], headers=((b"content-type", b"application/json"),)),
                       Played([spoken_by_gemini()]))  # fmt: skip
    assert words(ear) == "hello"


@pytest.mark.parametrize("status", [201, 202, 204, 301])
async def test_a_status_that_is_not_200_is_no_answer_however_friendly(stage: Stage, status: int) -> None:
    for friendly in (refused(status), Played([spoken("not yet")], status)):
        ear = await stream(stage, friendly, Played([spoken_by_gemini()]))
        assert words(ear) == "hello"
        assert (await stage.receipt(ear.call)).attempts[0].status == status
        stage.hub.health.forget()


async def test_an_empty_stream_ends_cleanly_and_is_free(stage: Stage) -> None:
    ear = await stream(stage, Played([chunk({"role": "assistant"}), chunk({}, "stop"), DONE]))
    assert (ear.status, ear.ending) == (200, "end")
    receipt = await stage.receipt(ear.call)
    assert (receipt.reason, receipt.charge_nano_usd) == (Reason.EMPTY, 0)
    await stage.quiet()


async def test_a_huge_frame_arrives_whole(stage: Stage) -> None:
    big = chunk({"content": "x" * 3_000_000})
    pieces = [big[at : at + 65536] for at in range(0, len(big), 65536)]
    ear = await stream(stage, Played([*pieces, chunk({}, "stop"), DONE]))
    assert len(words(ear)) == 3_000_000


async def test_several_choices_finish_one_by_one_across_dialects(stage: Stage) -> None:
    data = b"".join(
        b'data: {"candidates":[{"index":%d,"content":{"parts":[{"text":"w%d"}]},"finishReason":"STOP"}]}\n\n' % (i, i)
        for i in range(2)
    )
    ear = await stream(stage, Played([data]), model="gemini-3-flash", n=2)
    said = [c for one in frames(ear.data) if isinstance(one, dict) for c in one["choices"]]
    assert {c["index"]: c["finish_reason"] for c in said if c["finish_reason"]} == {0: "stop", 1: "stop"}
    assert frames(ear.data)[-1] == "[DONE]"


async def test_tool_names_that_had_to_be_shortened_come_back_whole_in_a_stream(stage: Stage) -> None:
    name = "x" * 60 + ".y" * 20
    tools = [{"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}]
    said = Played([CLAUDE_START], lingers=True)
    ear, task = stage.begin("/v1/chat/completions", chat_body("claude-haiku", stream=True, tools=tools), said)
    await until(lambda: stage.outside.asked and said._on_data)
    sent = json.loads(stage.outside.asked[0].body)["tools"][0]["name"]
    said.say(
        told("content_block_start", index=0, content_block={"type": "tool_use", "id": "t1", "name": sent, "input": {}})
        + told("content_block_delta", index=0, delta={"type": "input_json_delta", "partial_json": '{"a":1}'})
        + told("content_block_stop", index=0)
        + CLAUDE_END
    )
    said.over()
    await task
    assert sent != name
    assert f'"{name}"'.encode() in ear.data


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("/v1/messages", {"stream": True, "max_tokens": 50}),
        ("/v1beta/models/gpt-5-mini:streamGenerateContent?alt=sse", None),
        ("/v1beta/models/gpt-5-mini:streamGenerateContent", None),
        ("/chat", {"stream": True}),
        ("/code", {"stream": True}),
    ],
)
async def test_a_stream_ends_in_every_dialect_however_its_frames_arrive(
    stage: Stage, path: str, more: dict[str, object] | None
) -> None:
    body = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]} if more is None else chat_body(**more)  # type: ignore[arg-type]
    for pieces in ([spoken()], [one + b"\n\n" for one in spoken().split(b"\n\n") if one]):
        ear = await stage.ask(path, body, Played(pieces))
        assert (ear.status, ear.ending) == (200, "end"), ear.data
        assert b"hello" in ear.data
    await stage.quiet()


async def test_a_thought_is_kept_with_the_words_that_its_seal_signs(stage: Stage) -> None:
    tools = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
    body = chat_body("claude-haiku", stream=True, tools=tools, reasoning_effort="low")
    said = [
        CLAUDE_START,
        told("content_block_start", index=0, content_block={"type": "thinking", "thinking": "", "signature": ""}),
        told("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "let me "}),
        told("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "look"}),
        told("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "sig=="}),
        told("content_block_stop", index=0),
        told(
            "content_block_start", index=1, content_block={"type": "tool_use", "id": "t1", "name": "look", "input": {}}
        ),
        told("content_block_delta", index=1, delta={"type": "input_json_delta", "partial_json": "{}"}),
        told("content_block_stop", index=1),
        CLAUDE_END,
    ]
    await stage.ask("/v1/chat/completions", body, Played(said))
    body["messages"] += [
        {
            "role": "assistant", "content": None,
            "tool_calls": [{"id": "t1", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "t1", "content": "a cat"},
    ]  # fmt: skip
    await stage.ask("/v1/chat/completions", body, Played([CLAUDE_START, claude_text("a cat"), CLAUDE_END]))
    blocks = json.loads(stage.outside.asked[1].body)["messages"][1]["content"]
    assert blocks[0] == {"type": "thinking", "thinking": "let me look", "signature": "sig=="}
