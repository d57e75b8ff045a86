"""Whole responses understood, glanced at, and cut at a limit."""

import json
from pathlib import Path
from typing import Any

import pytest

from tollway.core.chat import Reasoning, Text, ToolCall
from tollway.core.errors import Fault, Remedy
from tollway.core.stream import Finish
from tollway.core.usage import Usage
from tollway.gateway.dialects.openai_responses import dialect
from tollway.kit.sse import SseReader

AGENT = (Path(__file__).parents[3] / "golden" / "openai_responses" / "agent.sse").read_bytes()
WORDS = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hi"}]}


def body(*output: Any, **more: Any) -> bytes:
    said = {"id": "resp_1", "object": "response", "model": "m", "status": "completed", "output": list(output), **more}
    return json.dumps(said).encode()


def test_the_vendors_own_answer() -> None:
    whole = json.loads(AGENT.split(b"data: ")[-1])["response"]
    answer = dialect.read_reply(json.dumps(whole).encode())
    thought, _, text, *calls = answer.choices[0].parts
    assert isinstance(thought, Reasoning)
    assert thought.text == "**Looking**\n\nThen answer."
    assert isinstance(text, Text)
    assert text.citations[0].url == "https://example.com/source"
    assert [(call.id, call.name) for call in calls if isinstance(call, ToolCall)] == [
        ("call_a", "weather"), ("call_b", "weather"), ("call_c", "shout"),
    ]  # fmt: skip
    assert answer.choices[0].finish is Finish.TOOL_CALLS
    assert answer.usage == Usage(75, 64, output_total=155, reasoning=128, tool_calls=(("web_search", 1),))
    assert dialect.glance(json.dumps(whole).encode()).usage == answer.usage


@pytest.mark.parametrize(
    ("said", "empty"),
    [
        (body(WORDS), False),
        (body(), True),
        (body({**WORDS, "content": [{"type": "output_text", "text": ""}]}), True),
        (body({**WORDS, "content": [{"type": "refusal", "refusal": "no"}]}), False),
        (body({"type": "reasoning", "summary": []}), True),
        (body({"type": "reasoning", "summary": [], "encrypted_content": "x"}), False),
        (body({"type": "function_call", "name": "f"}), False),
    ],
)
def test_a_glance_sees_silence(said: bytes, empty: bool) -> None:
    assert dialect.glance(said).empty is empty


def test_a_glance_sees_the_limit() -> None:
    cut = body(WORDS, status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    assert dialect.glance(cut).finish == "length"
    assert dialect.read_reply(cut).choices[0].finish is Finish.LENGTH


@pytest.mark.parametrize(
    ("said", "status", "remedy"),
    [
        (body(status="failed", error={"code": "rate_limit_exceeded", "message": "slow"}), 429, Remedy.NEXT_CHANNEL),
        (body(status="failed", error={"code": "invalid_prompt", "message": "no"}), 400, Remedy.NONE),
        (body(status="cancelled", error=None), 502, Remedy.NEXT_CHANNEL),
        (b'{"error":{"code":"server_error","message":"no"}}', 502, Remedy.NEXT_CHANNEL),
    ],
)
def test_a_failure_in_a_200_is_a_fault(said: bytes, status: int, remedy: Remedy) -> None:
    with pytest.raises(Fault) as fault:
        dialect.read_reply(said)
    assert (fault.value.status, fault.value.remedy) == (status, remedy)
    with pytest.raises(ValueError, match="not a response"):
        dialect.glance(said)


@pytest.mark.parametrize("said", [body(status="in_progress"), body(status="queued"), b"[]", b"{}", b'{"output":1}'])
def test_what_is_no_answer_is_none(said: bytes) -> None:
    with pytest.raises(ValueError, match="not a response"):
        dialect.read_reply(said)


def test_a_stream_cut_anywhere_by_its_limit_ends_well_formed() -> None:
    frames = [frame.raw for frame in SseReader().feed(AGENT)]
    for count in range(len(frames)):
        decoder = dialect.decoder()
        for frame in SseReader().feed(b"".join(frames[:count])):
            decoder.frame(frame)
        assert dialect.closes is not None
        end = dialect.closes(decoder, Usage(5, output_total=7))
        events = [json.loads(frame.data) for frame in SseReader().feed(b"".join(frames[:count]) + end)]
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        last = events[-1]["response"]
        assert events[-1]["type"] == "response.incomplete"
        assert (last["status"], last["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
        assert last["usage"]["total_tokens"] == 12
        assert last.get("id", "resp_0a1") == "resp_0a1"
        added = [event["item"]["id"] for event in events if event["type"] == "response.output_item.added"]
        done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
        assert [item["id"] for item in done] == added
        assert last["output"] == done
        begun = [event for event in events if event["type"] == "response.content_part.added"]
        for ending in ("content_part.done", "output_text.done"):
            assert len([event for event in events if event["type"] == f"response.{ending}"]) == len(begun)
        summed = [event["type"] for event in events if event["type"].startswith("response.reasoning_summary_part")]
        assert summed == ["response.reasoning_summary_part.added", "response.reasoning_summary_part.done"] * (
            len(summed) // 2
        )
        noted = [event["annotation"] for event in events if event["type"].endswith("annotation.added")]
        assert [note for item in done for part in item.get("content", ()) for note in part["annotations"]] == noted
        again = dialect.decoder()
        heard = [event for frame in SseReader().feed(b"".join(frames[:count]) + end) for event in again.frame(frame)]
        told = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
        assert "".join(getattr(event, "text", "") for event in heard if type(event).__name__ == "TextDelta") == told
