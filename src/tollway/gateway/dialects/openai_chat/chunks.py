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


class PlainDelta(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """Words and nothing else."""

    content: str
    role: str | None = None
    refusal: None = None


class PlainChoice(msgspec.Struct, gc=False):
    """One answer's share of a chunk that says words and goes on."""

    delta: PlainDelta
    index: int = 0
    finish_reason: None = None


class PlainChunk(msgspec.Struct, gc=False):
    """A chunk with words of one answer: nearly all of them."""

    choices: tuple[PlainChoice]
    usage: None = None
    error: None = None


read_plain = msgspec.json.Decoder(PlainChunk).decode
"""Raises msgspec.DecodeError on a chunk of any other kind."""
read_chunk = msgspec.json.Decoder(Chunk).decode
"""Raises msgspec.DecodeError on what is not a chunk."""
