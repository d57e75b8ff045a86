"""Usage as Responses count it, both ways (relay.md 6.16b)."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec

from tollway.core.usage import Usage

Count = int | float | None
_TOOL_OF_ITEM = {
    "web_search_call": "web_search",
    "file_search_call": "file_search",
    "code_interpreter_call": "code_interpreter",
}
"""Items that say that the provider ran a tool of its own, by the name it is billed under."""


class InputDetails(msgspec.Struct):
    """Parts of the prompt."""

    cached_tokens: Count = None
    cache_write_tokens: Count = None
    audio_tokens: Count = None
    image_tokens: Count = None


class OutputDetails(msgspec.Struct):
    """Parts of the answer."""

    reasoning_tokens: Count = None
    audio_tokens: Count = None
    image_tokens: Count = None


class WireUsage(msgspec.Struct):
    """`usage` of a response."""

    input_tokens: Count = None
    output_tokens: Count = None
    input_tokens_details: InputDetails | None = None
    output_tokens_details: OutputDetails | None = None


_NO_INPUT = InputDetails()
_NO_OUTPUT = OutputDetails()


def read_usage(told: Any, items: Iterable[str] = ()) -> Usage | None:
    """The canonical count from a parsed `usage` and the types of the output's items; None when there is none."""
    if not told:
        return None
    try:
        wire = msgspec.convert(told, WireUsage)
    except msgspec.ValidationError:
        return None
    return counted(wire, items)


def counted(wire: WireUsage, items: Iterable[str] = ()) -> Usage | None:
    """The canonical count; None when neither the prompt nor the answer was counted."""
    if wire.input_tokens is None and wire.output_tokens is None:
        return None
    asked, said = wire.input_tokens_details or _NO_INPUT, wire.output_tokens_details or _NO_OUTPUT
    thought, output = _count(said.reasoning_tokens), _count(wire.output_tokens)
    return Usage(
        input_total=_count(wire.input_tokens),
        cache_read=_count(asked.cached_tokens),
        cache_write_5m=_count(asked.cache_write_tokens),
        image_in=_count(asked.image_tokens),
        audio_in=_count(asked.audio_tokens),
        output_total=max(output, thought),
        reasoning=thought,
        image_out=_count(said.image_tokens),
        audio_out=_count(said.audio_tokens),
        tool_calls=tools_run(items),
    )


def tools_run(items: Iterable[str]) -> tuple[tuple[str, int], ...]:
    """(tool, count) of what the provider ran, from the types of the output's items."""
    names = (_TOOL_OF_ITEM.get(kind) for kind in items)
    return tuple(sorted(Counter(name for name in names if name is not None).items()))


def _count(value: Count) -> int:
    return max(0, int(value)) if value else 0


def write_usage(usage: Usage) -> dict[str, Any]:
    """`usage` as the vendor writes it."""
    asked = {
        "cached_tokens": usage.cache_read,
        "cache_write_tokens": usage.cache_write_5m + usage.cache_write_1h,
    }
    said = {"reasoning_tokens": usage.reasoning}
    for details, name, value in (
        (asked, "image_tokens", usage.image_in),
        (asked, "audio_tokens", usage.audio_in),
        (said, "image_tokens", usage.image_out),
        (said, "audio_tokens", usage.audio_out),
    ):
        if value:
            details[name] = value
    return {
        "input_tokens": usage.input_total,
        "input_tokens_details": asked,
        "output_tokens": usage.output_total,
        "output_tokens_details": said,
        "total_tokens": usage.input_total + usage.output_total,
    }
