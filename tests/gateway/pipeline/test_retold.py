"""Channels whose answers are told otherwise: in our own words, thoughts aloud, or thoughts found in words."""

import json
import re
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.pipeline.stage import (
    CLAUDE_END,
    CLAUDE_START,
    DONE,
    SSE,
    USAGE,
    Played,
    Stage,
    chunk,
    claude_text,
    frames,
    open_stage,
    told,
    whole,
)

ALOUD = "<think>\nhm, well\n</think>\nHello"


def staged(folder: Path, settings: str, provider: str = "openai") -> AbstractAsyncContextManager[Stage]:
    """A stage with one channel that states this."""
    return open_stage(folder, f'[[channels]]\nid = "a"\nprovider = "{provider}"\nkey = "k"\n{settings}', {})


def thinking() -> Played:
    """An OpenAI stream that thinks first."""
    thoughts = chunk({"role": "assistant", "reasoning_content": "hm,"}) + chunk({"reasoning_content": " well"})
    words = chunk({"content": "Hel"}) + chunk({"content": "lo"}) + chunk({}, "stop")
    return Played([thoughts, words + chunk(usage=USAGE) + DONE], headers=SSE)


def thinking_claude() -> Played:
    """An Anthropic stream that thinks first."""
    thought = (
        told("content_block_start", index=0, content_block={"type": "thinking", "thinking": "", "signature": ""})
        + told("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "hm, well"})
        + told("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "c2ln"})
        + told("content_block_stop", index=0)
    )
    return Played([CLAUDE_START, thought, claude_text("Hello", 1), CLAUDE_END], headers=SSE)


ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", {"messages": [{"role": "user", "content": "hi"}]}),
    "messages": ("/v1/messages", {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 50}),
    "responses": ("/v1/responses", {"input": "hi"}),
    "gemini": ("/v1beta/models/{model}:{action}", {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}),
}


def question(dialect: str, model: str, stream: bool) -> tuple[str, dict[str, Any]]:
    path, body = ASKED[dialect]
    if dialect == "gemini":
        action = "streamGenerateContent" if stream else "generateContent"
        return path.format(model=model, action=action) + ("?alt=sse" if stream else ""), body
    return path, {**body, "model": model, "stream": stream}


def words_in(dialect: str, stream: bool, data: bytes) -> str:
    """The words of an answer, thoughts that are told as such not among them."""
    if not stream:
        said = json.loads(data)
        if dialect == "chat":
            return str(said["choices"][0]["message"]["content"])
        if dialect == "messages":
            return "".join(block.get("text", "") for block in said["content"])
        if dialect == "responses":
            parts = [part for item in said["output"] if item["type"] == "message" for part in item["content"]]
            return "".join(part["text"] for part in parts)
        parts = said["candidates"][0]["content"]["parts"]
        return "".join(part.get("text", "") for part in parts if not part.get("thought"))
    found = ""
    for frame in frames(data):
        if not isinstance(frame, dict):
            continue
        if dialect == "chat" and frame["choices"]:
            found += frame["choices"][0]["delta"].get("content") or ""
        elif dialect == "messages" and frame.get("type") == "content_block_delta":
            found += frame["delta"].get("text", "")
        elif dialect == "responses" and frame.get("type") == "response.output_text.delta":
            found += frame["delta"]
        elif dialect == "gemini":
            parts = frame["candidates"][0].get("content", {}).get("parts", []) if frame.get("candidates") else []
            found += "".join(part.get("text", "") for part in parts if not part.get("thought"))
    return found


@pytest.mark.parametrize("dialect", list(ASKED))
@pytest.mark.parametrize("stream", [False, True])
async def test_thoughts_are_said_aloud_in_every_dialect(tmp_path: Path, dialect: str, stream: bool) -> None:
    async with staged(tmp_path, "thinking_to_content = true") as stage:
        path, body = question(dialect, "gpt-5-mini", stream)
        answer = thinking() if stream else whole("Hello", reasoning_content="hm, well")
        ear = await stage.ask(path, body, answer)
        assert ear.status == 200, ear.data
        assert words_in(dialect, stream, ear.data) == ALOUD
        assert b"reasoning_content" not in ear.data and b'"thought":true' not in ear.data
        receipt = await stage.receipt(ear.call)
        assert receipt.usage is not None and receipt.usage.output_total == 5  # the marks are nobody's words
        await stage.quiet()


@pytest.mark.parametrize("dialect", ["messages", "chat"])
async def test_claudes_thoughts_are_said_aloud_and_its_seal_is_not_told(tmp_path: Path, dialect: str) -> None:
    async with staged(tmp_path, "thinking_to_content = true", "anthropic") as stage:
        path, body = question(dialect, "claude-haiku", True)
        ear = await stage.ask(path, body, thinking_claude())
        assert words_in(dialect, True, ear.data) == ALOUD
        assert b"c2ln" not in ear.data and b"thinking_delta" not in ear.data
        await stage.quiet()


async def test_without_the_settings_what_passes_passes_to_the_byte(tmp_path: Path) -> None:
    async with staged(tmp_path, "") as stage:
        path, body = question("chat", "gpt-5-mini", True)
        spoken = thinking()
        said = b"".join(spoken._pieces)
        ear = await stage.ask(path, body | {"stream_options": {"include_usage": True}}, spoken)
        assert ear.data == said
        message = whole("Hello", mystery=1)
        said = message._pieces[0]
        assert (await stage.chat(message)).data == said


async def test_a_forced_format_tells_answers_in_our_words_and_leaves_out_what_the_format_does_not_know(
    tmp_path: Path,
) -> None:
    async with staged(tmp_path, "force_format = true") as stage:
        ear = await stage.chat(whole("Hello", mystery=1, reasoning_content="hm"))
        message = ear.json["choices"][0]["message"]
        assert "mystery" not in message and (message["content"], message["reasoning_content"]) == ("Hello", "hm")
        assert ear.json["model"] == "gpt-5-mini" and ear.json["usage"]["prompt_tokens"] == 10
        odd = chunk({"content": "Hello"}, mystery=1) + chunk({}, "stop") + chunk(usage=USAGE) + DONE
        ear = await stage.chat(Played([odd], headers=SSE), stream=True)
        assert b"mystery" not in ear.data and ear.data.endswith(DONE)
        assert words_in("chat", True, ear.data) == "Hello"
        assert all(frame["choices"] for frame in frames(ear.data) if isinstance(frame, dict))  # no usage asked
        await stage.quiet()


@pytest.mark.parametrize("stream", [False, True])
async def test_words_between_the_marks_become_thoughts(tmp_path: Path, stream: bool) -> None:
    async with staged(tmp_path, "content_to_thinking = true") as stage:
        pieces = [chunk({"content": part}) for part in re.findall(r"(?s).{1,3}", ALOUD)]
        answer = Played([*pieces, chunk({}, "stop"), chunk(usage=USAGE) + DONE]) if stream else whole(ALOUD)
        ear = await stage.chat(answer, stream=stream)
        if stream:
            deltas = [f["choices"][0]["delta"] for f in frames(ear.data) if isinstance(f, dict) and f["choices"]]
        else:
            deltas = [ear.json["choices"][0]["message"]]
        assert "".join(delta.get("reasoning_content") or "" for delta in deltas) == "hm, well"
        assert "".join(delta.get("content") or "" for delta in deltas) == "Hello"
        await stage.quiet()
