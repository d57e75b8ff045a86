"""The shape of a GenerateContentResponse, as far as it is understood."""

from typing import Any

import msgspec

from tollway.gateway.dialects.gemini.consumption import UsageMetadata


class FunctionCall(msgspec.Struct, frozen=True, gc=False):
    """A call; `args` keeps its bytes."""

    name: str = ""
    id: str | None = None
    args: msgspec.Raw = msgspec.Raw(b"{}")


class Blob(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """Media in the answer."""

    mime_type: str = ""
    data: str = ""


class FilePointer(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """Media kept elsewhere."""

    file_uri: str = ""
    mime_type: str | None = None


class Code(msgspec.Struct, frozen=True, gc=False):
    """Code the model ran at Google."""

    code: str = ""
    language: str = ""


class CodeResult(msgspec.Struct, frozen=True, gc=False):
    """What that code printed."""

    output: str = ""
    outcome: str = ""


class AnswerPart(msgspec.Struct, frozen=True, rename="camel"):
    """One part; at most one of its data fields is set."""

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: FunctionCall | None = None
    inline_data: Blob | None = None
    file_data: FilePointer | None = None
    executable_code: Code | None = None
    code_execution_result: CodeResult | None = None


class Content(msgspec.Struct, frozen=True):
    """One candidate's words."""

    parts: list[AnswerPart] | None = None


class Web(msgspec.Struct, frozen=True, gc=False):
    """A page found."""

    uri: str | None = None
    title: str | None = None


class GroundingChunk(msgspec.Struct, frozen=True, rename="camel"):
    """A source found, on the web or in the caller's own documents."""

    web: Web | None = None
    retrieved_context: Web | None = None
    maps: Web | None = None


class Segment(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """A stretch of the answer, in bytes of UTF-8."""

    part_index: int = 0
    start_index: int = 0
    end_index: int | None = None
    text: str | None = None


class GroundingSupport(msgspec.Struct, frozen=True, rename="camel"):
    """Which sources a stretch leans on."""

    segment: Segment | None = None
    grounding_chunk_indices: list[int] | None = None


class Grounding(msgspec.Struct, frozen=True, rename="camel"):
    """Web searches and what they found."""

    web_search_queries: list[str] | None = None
    grounding_chunks: list[GroundingChunk] | None = None
    grounding_supports: list[GroundingSupport] | None = None


class Candidate(msgspec.Struct, frozen=True, rename="camel"):
    """One alternative answer, or the next piece of it."""

    content: Content | None = None
    finish_reason: str | None = None
    finish_message: str | None = None
    index: int | None = None
    grounding_metadata: Grounding | None = None


class PromptFeedback(msgspec.Struct, frozen=True, rename="camel"):
    """Why there is no answer."""

    block_reason: str | None = None
    block_reason_message: str | None = None


class GeminiAnswer(msgspec.Struct, frozen=True, rename="camel"):
    """A whole answer, or one chunk of a stream."""

    candidates: list[Candidate] | None = None
    prompt_feedback: PromptFeedback | None = None
    usage_metadata: UsageMetadata | None = None
    response_id: str | None = None
    model_version: str | None = None
    error: Any = None


decode = msgspec.json.Decoder(GeminiAnswer).decode
"""Raises msgspec.DecodeError on what is no such object."""


def blocked(feedback: PromptFeedback | None) -> str | None:
    """The message to tell when the prompt itself was refused; None when it was not."""
    if feedback is None or feedback.block_reason is None:
        return None
    told = feedback.block_reason_message
    return f"the prompt was blocked: {feedback.block_reason}" + (f" ({told})" if told else "")


def searches_of(candidates: list[Candidate]) -> int:
    """How many web searches were run."""
    found = 0
    for candidate in candidates:
        if candidate.grounding_metadata is not None:
            found += len(candidate.grounding_metadata.web_search_queries or ())
    return found
