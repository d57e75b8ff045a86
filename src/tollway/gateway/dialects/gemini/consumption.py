"""usageMetadata and our Usage, both directions (relay.md 6.16b)."""

from typing import Any

import msgspec

from tollway.core.usage import Usage


class Detail(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """Tokens of one modality."""

    modality: str | None = None
    token_count: int | None = None


class UsageMetadata(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """Google's count; every field may be missing."""

    prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    candidates_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    thoughts_token_count: int | None = None
    prompt_tokens_details: list[Detail] | None = None
    candidates_tokens_details: list[Detail] | None = None


_NONE = (0, 0)


def read_usage(seen: UsageMetadata, images: int = 0, searches: int = 0) -> Usage:
    """Our count. `images` are the pictures delivered, `searches` the web searches run for the answer."""
    thoughts = seen.thoughts_token_count or 0
    image_in, audio_in = _modalities(seen.prompt_tokens_details) if seen.prompt_tokens_details else _NONE
    image_out, audio_out = _modalities(seen.candidates_tokens_details) if seen.candidates_tokens_details else _NONE
    return Usage(
        max(0, (seen.prompt_token_count or 0) + (seen.tool_use_prompt_token_count or 0)),
        max(0, seen.cached_content_token_count or 0),
        0,
        0,
        image_in,
        audio_in,
        max(0, (seen.candidates_token_count or 0) + thoughts),
        max(0, thoughts),
        image_out,
        audio_out,
        images,
        (("web_search", searches),) if searches else (),
    )


def _modalities(details: list[Detail]) -> tuple[int, int]:
    """(image, audio) tokens."""
    image = audio = 0
    for detail in details:
        if detail.modality == "IMAGE":
            image += detail.token_count or 0
        elif detail.modality == "AUDIO":
            audio += detail.token_count or 0
    return image, audio


def write_usage(usage: Usage) -> dict[str, Any]:
    """Google's count, with details per modality where there is more than text."""
    said = usage.output_total - usage.reasoning
    written: dict[str, Any] = {"promptTokenCount": usage.input_total, "candidatesTokenCount": said}
    written["totalTokenCount"] = usage.input_total + usage.output_total
    if usage.cache_read:
        written["cachedContentTokenCount"] = usage.cache_read
    if usage.reasoning:
        written["thoughtsTokenCount"] = usage.reasoning
    written["promptTokensDetails"] = _details(usage.input_total, usage.image_in, usage.audio_in)
    if usage.image_out or usage.audio_out:
        written["candidatesTokensDetails"] = _details(said, usage.image_out, usage.audio_out)
    return written


def _details(total: int, image: int, audio: int) -> list[dict[str, Any]]:
    counts = {"TEXT": max(0, total - image - audio), "IMAGE": image, "AUDIO": audio}
    return [{"modality": kind, "tokenCount": count} for kind, count in counts.items() if count]
