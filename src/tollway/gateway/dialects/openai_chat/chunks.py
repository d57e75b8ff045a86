"""The shape of a chunk, as far as we read it; msgspec skips the rest without building it."""

from typing import Any

import msgspec


class CallDelta(msgspec.Struct, gc=False):
    """A piece of a tool call's `function` or `custom`."""

    name: str | None = None
    arguments: str | dict[str, Any] | None = None
    input: str | None = None


class ToolDelta(msgspec.Struct, gc=False):
    """A piece of a tool call."""

    index: int | None = None
    id: str | None = None
    function: CallDelta | None = None
    custom: CallDelta | None = None
    extra_content: Any = None


class Delta(msgspec.Struct, gc=False):
    """What a chunk adds to one answer."""

    content: str | list[Any] | None = None
    tool_calls: list[ToolDelta] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_details: Any = None
    refusal: str | None = None
    annotations: Any = None
    audio: Any = None
    images: Any = None
    function_call: CallDelta | None = None


class ChunkChoice(msgspec.Struct, gc=False):
    """One answer's share of a chunk."""

    index: int | None = 0
    delta: Delta | None = None
    finish_reason: str | None = None
    usage: Any = None
    """Moonshot counts here."""
    stop_reason: Any = None
    """vLLM names the stop sequence that was met."""


class Chunk(msgspec.Struct, gc=False):
    """One chunk."""

    id: str | None = None
    model: str | None = None
    choices: list[ChunkChoice] | None = None
    usage: Any = None
    error: Any = None
    object: str | None = None


read_chunk = msgspec.json.Decoder(Chunk).decode
"""Raises msgspec.DecodeError on what is not a chunk."""
