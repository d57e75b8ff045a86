"""Usage as OpenAI counts it, in both directions, with the habits of its imitators (relay.md 6.16b)."""

from typing import Any

import msgspec

from tollway.core.usage import Usage

Count = int | float | None


class PromptDetails(msgspec.Struct):
    """Parts of the prompt."""

    cached_tokens: Count = None
    cache_write_tokens: Count = None
    cached_creation_tokens: Count = None
    audio_tokens: Count = None
    image_tokens: Count = None


class CompletionDetails(msgspec.Struct):
    """Parts of the answer."""

    reasoning_tokens: Count = None
    audio_tokens: Count = None
    image_tokens: Count = None


class ServerTools(msgspec.Struct):
    """What OpenRouter ran for the model."""

    web_search_requests: Count = None


class WireUsage(msgspec.Struct):
    """`usage` of an answer or a chunk, whoever wrote it."""

    prompt_tokens: Count = None
    completion_tokens: Count = None
    total_tokens: Count = None
    prompt_tokens_details: PromptDetails | None = None
    completion_tokens_details: CompletionDetails | None = None
    prompt_cache_hit_tokens: Count = None
    """DeepSeek."""
    cached_tokens: Count = None
    """Moonshot."""
    reasoning_tokens: Count = None
    """Some put it beside the totals."""
    server_tool_use: ServerTools | None = None


_NO_PROMPT = PromptDetails()
_NO_COMPLETION = CompletionDetails()


def read_usage(told: Any) -> Usage | None:
    """The canonical count from a parsed `usage`; None when there is none or it cannot be understood."""
    if not told:
        return None
    try:
        wire = msgspec.convert(told, WireUsage)
    except msgspec.ValidationError:
        return None
    return counted(wire)


def counted(wire: WireUsage) -> Usage | None:
    """The canonical count; None when neither the prompt nor the answer was counted."""
    if wire.prompt_tokens is None and wire.completion_tokens is None:
        return None
    return _meaning(wire)


def _meaning(wire: WireUsage) -> Usage:
    prompt = wire.prompt_tokens_details or _NO_PROMPT
    completion = wire.completion_tokens_details or _NO_COMPLETION
    asked, said = _count(wire.prompt_tokens), _count(wire.completion_tokens)
    cached = prompt.cached_tokens or wire.prompt_cache_hit_tokens or wire.cached_tokens
    written = prompt.cache_write_tokens or prompt.cached_creation_tokens
    thoughts = completion.reasoning_tokens or wire.reasoning_tokens
    thought = _count(thoughts) if thoughts else 0
    if thought and _count(wire.total_tokens) == asked + said + thought:
        said += thought  # xAI counts thoughts beside the completion; the total tells
    usage = Usage(
        input_total=asked,
        cache_read=_count(cached) if cached else 0,
        cache_write_5m=_count(written) if written else 0,
        output_total=said if said > thought else thought,
        reasoning=thought,
    )
    pictured = prompt.image_tokens or prompt.audio_tokens or completion.image_tokens or completion.audio_tokens
    return _rich(wire, usage) if pictured or wire.server_tool_use else usage


def _rich(wire: WireUsage, usage: Usage) -> Usage:
    """The count of more than words."""
    prompt = wire.prompt_tokens_details or _NO_PROMPT
    completion = wire.completion_tokens_details or _NO_COMPLETION
    searches = _count(wire.server_tool_use.web_search_requests) if wire.server_tool_use else 0
    return msgspec.structs.replace(
        usage,
        image_in=_count(prompt.image_tokens),
        audio_in=_count(prompt.audio_tokens),
        image_out=_count(completion.image_tokens),
        audio_out=_count(completion.audio_tokens),
        tool_calls=(("web_search", searches),) if searches else (),
    )


def _count(value: Count) -> int:
    return max(0, int(value)) if value else 0


def write_usage(usage: Usage) -> dict[str, Any]:
    """`usage` as OpenAI writes it."""
    prompt = {"cached_tokens": usage.cache_read, "audio_tokens": usage.audio_in}
    completion = {
        "reasoning_tokens": usage.reasoning,
        "audio_tokens": usage.audio_out,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    }
    writes = usage.cache_write_5m + usage.cache_write_1h
    if writes:
        prompt["cache_write_tokens"] = writes
    if usage.image_in:
        prompt["image_tokens"] = usage.image_in
    if usage.image_out:
        completion["image_tokens"] = usage.image_out
    told: dict[str, Any] = {
        "prompt_tokens": usage.input_total,
        "completion_tokens": usage.output_total,
        "total_tokens": usage.input_total + usage.output_total,
        "prompt_tokens_details": prompt,
        "completion_tokens_details": completion,
    }
    searches = dict(usage.tool_calls).get("web_search", 0)
    if searches:
        told["server_tool_use"] = {"web_search_requests": searches}
    return told
