"""What Google's two answers with vectors have in common."""

from collections.abc import Sequence
from typing import Any

import msgspec

from tollway.core.embedding import Vector
from tollway.core.errors import Fault
from tollway.core.stream import Answer
from tollway.core.usage import Usage
from tollway.gateway.gemini_family.error import fault_of

WRONG = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What reading something that is no JSON, or other JSON, raises."""


class _Metadata(msgspec.Struct, gc=False):
    prompt: int | None = msgspec.field(name="promptTokenCount", default=None)


def answer_of(spans: Sequence[msgspec.Raw], usage: Any) -> Answer:
    """The vectors of these values. Raises ValueError for one that is no list."""
    if any(bytes(memoryview(span)[:1]) != b"[" for span in spans):
        raise ValueError("not a vector")
    return Answer("", "", (), usage_of(usage), tuple([Vector(listed=bytes(span)) for span in spans]))


def refusal(body: bytes, error: Exception) -> Fault | ValueError:
    """What an answer that cannot be read really is: an error that came with a friendly status, or nothing."""
    try:
        told = msgspec.json.decode(body)
    except WRONG:
        told = None
    if isinstance(told, dict) and "error" in told:
        return fault_of(502, {}, told)
    return ValueError(f"no vectors: {error}")


def usage_of(told: Any) -> Usage | None:
    """The count; None where there is none, which is usual."""
    try:
        prompt = msgspec.convert(told, _Metadata).prompt
    except msgspec.ValidationError:
        return None
    return Usage(input_total=prompt) if prompt else None


def usage_told(answer: Answer) -> dict[str, Any]:
    """The count as Google's newer models tell it."""
    return {} if answer.usage is None else {"usageMetadata": {"promptTokenCount": answer.usage.input_total}}
