"""Usage and stop reasons, both ways (relay.md 6.16a, 6.16b)."""

from typing import Any

import msgspec

from tollway.core.stream import Finish
from tollway.core.usage import Usage

_FINISH = {
    "end_turn": Finish.STOP,
    "stop_sequence": Finish.STOP_SEQUENCE,
    "max_tokens": Finish.LENGTH,
    "model_context_window_exceeded": Finish.CONTEXT_WINDOW,
    "tool_use": Finish.TOOL_CALLS,
    "refusal": Finish.CONTENT_FILTER,
    "pause_turn": Finish.PAUSE,
}
_STOP_REASON = {finish: word for word, finish in _FINISH.items()}


class CacheCreation(msgspec.Struct, gc=False):
    """Cache writes by lifetime."""

    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None


class OutputDetails(msgspec.Struct, gc=False):
    """What output was made of."""

    thinking_tokens: int | None = None


class WireUsage(msgspec.Struct):
    """`usage` as the vendor sends it, whole or in part."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_creation: CacheCreation | None = None
    output_tokens_details: OutputDetails | None = None
    server_tool_use: dict[str, Any] | None = None


def finish_of(stop_reason: str | None) -> Finish:
    """The canonical reason; what we do not know is OTHER."""
    return _FINISH.get(stop_reason or "", Finish.OTHER)


def stop_reason_of(finish: Finish, tools: bool) -> str:
    """The vendor's word. An answer with tool calls stops for them, whatever the upstream said."""
    return "tool_use" if tools else _STOP_REASON.get(finish, "end_turn")


def usage_of(wire: WireUsage) -> Usage:
    """Usage in our arithmetic: cache reads and writes are part of the input, not beside it."""
    read, written = max(0, wire.cache_read_input_tokens or 0), max(0, wire.cache_creation_input_tokens or 0)
    split = wire.cache_creation or CacheCreation()
    hour, minutes = split.ephemeral_1h_input_tokens or 0, split.ephemeral_5m_input_tokens or 0
    written = max(written, hour + minutes)
    details = wire.output_tokens_details
    return Usage(
        input_total=max(0, wire.input_tokens or 0) + read + written,
        cache_read=read,
        cache_write_5m=written - hour,
        cache_write_1h=hour,
        output_total=max(0, wire.output_tokens or 0),
        reasoning=(details.thinking_tokens or 0) if details else 0,
        tool_calls=_tool_counts(wire.server_tool_use),
    )


def merged(first: WireUsage | None, later: WireUsage) -> WireUsage:
    """A later count over an earlier one: output replaces, the others only when they say more than zero."""
    if first is None:
        return later
    return WireUsage(
        input_tokens=later.input_tokens or first.input_tokens,
        output_tokens=first.output_tokens if later.output_tokens is None else later.output_tokens,
        cache_read_input_tokens=later.cache_read_input_tokens or first.cache_read_input_tokens,
        cache_creation_input_tokens=later.cache_creation_input_tokens or first.cache_creation_input_tokens,
        cache_creation=later.cache_creation or first.cache_creation,
        output_tokens_details=later.output_tokens_details or first.output_tokens_details,
        server_tool_use=later.server_tool_use or first.server_tool_use,
    )


def write_usage(usage: Usage) -> dict[str, Any]:
    """Usage in the vendor's arithmetic: `input_tokens` is only what no cache knew."""
    said: dict[str, Any] = {
        "input_tokens": usage.input_uncached,
        "cache_creation_input_tokens": usage.cache_write_5m + usage.cache_write_1h,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_5m,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        },
        "output_tokens": usage.output_total,
    }
    if usage.reasoning:
        said["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    if usage.tool_calls:
        counts = {"web_search_requests": 0, "web_fetch_requests": 0}
        said["server_tool_use"] = counts | {f"{name}_requests": count for name, count in usage.tool_calls}
    return said


def _tool_counts(wire: dict[str, Any] | None) -> tuple[tuple[str, int], ...]:
    counts = (wire or {}).items()
    return tuple((name.removesuffix("_requests"), count) for name, count in counts if type(count) is int and count > 0)
