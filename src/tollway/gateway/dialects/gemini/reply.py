"""generateContent's whole answer: weigh, understand, say."""

import msgspec

from tollway.core.chat import Citation, Part, Reasoning, Text, ToolCall
from tollway.core.errors import Fault, Remedy
from tollway.core.stream import Answer, Choice, Finish
from tollway.core.usage import Usage
from tollway.gateway.dialect import Glance, Voice
from tollway.gateway.dialects.gemini.answer import AnswerPart, Candidate, GeminiAnswer, blocked, decode, searches_of
from tollway.gateway.dialects.gemini.consumption import read_usage, write_usage
from tollway.gateway.dialects.gemini.finish import read_finish, write_finish
from tollway.gateway.dialects.gemini.grounding import read_grounding, write_grounding
from tollway.gateway.dialects.gemini.parts import answer_parts, code_text, compact_args, new_call_id, read_media
from tollway.gateway.dialects.gemini.seals import FAMILY
from tollway.gateway.gemini_family.error import fault_of

_encode = msgspec.json.Encoder().encode
_NOTHING = GeminiAnswer()


def glance(body: bytes) -> Glance:
    """Usage, emptiness and Google's finish word of a whole answer. Raises ValueError on what is not one."""
    answer = _open(body)
    candidates = answer.candidates or []
    parts = [part for candidate in candidates for part in _parts(candidate)]
    return Glance(
        usage=_usage(answer, candidates, parts),
        empty=not any(_says(part) for part in parts),
        finish=candidates[0].finish_reason or "" if candidates else "",
    )


def _open(body: bytes) -> GeminiAnswer:
    try:
        answer = decode(body)
    except msgspec.DecodeError as error:
        raise ValueError(f"not a Gemini answer: {error}") from error
    if answer == _NOTHING:
        raise ValueError("not a Gemini answer: it has none of its fields")
    return answer


def _parts(candidate: Candidate) -> list[AnswerPart]:
    return (candidate.content.parts if candidate.content else None) or []


def _says(part: AnswerPart) -> bool:
    return (
        bool(part.text)
        or part.function_call is not None
        or part.inline_data is not None
        or (part.file_data is not None or part.executable_code is not None or part.code_execution_result is not None)
    )


def is_picture(part: AnswerPart) -> bool:
    """Whether the part delivers a picture."""
    return part.inline_data is not None and part.inline_data.mime_type.startswith("image/")


def _usage(answer: GeminiAnswer, candidates: list[Candidate], parts: list[AnswerPart]) -> Usage | None:
    if answer.usage_metadata is None:
        return None
    return read_usage(answer.usage_metadata, sum(map(is_picture, parts)), searches_of(candidates))


def read_reply(body: bytes) -> Answer:
    """The canonical answer. Raises ValueError on what is not one; Fault when it says error, blocked or nothing."""
    answer = _open(body)
    if answer.error is not None:
        raise fault_of(500, {}, {"error": answer.error})
    message = blocked(answer.prompt_feedback)
    if not answer.candidates and message is not None:
        raise Fault(message, status=400, remedy=Remedy.NONE, code="prompt_blocked")
    if not answer.candidates:
        raise Fault("the model gave no answer", status=500, remedy=Remedy.NEXT_CHANNEL, code="empty_response")
    choices = [_choice(candidate) for candidate in answer.candidates]
    if all(choice.finish is Finish.MALFORMED_TOOL and not choice.parts for choice in choices):
        told = answer.candidates[0].finish_message or "the model wrote a function call that makes no sense"
        raise Fault(told, status=502, remedy=Remedy.ONCE_MORE, code="malformed_tool_call")
    order = [candidate.index or 0 for candidate in answer.candidates]
    ordered = [choice for _, choice in sorted(zip(order, choices, strict=True), key=lambda pair: pair[0])]
    parts = [part for candidate in answer.candidates for part in _parts(candidate)]
    return Answer(
        id=answer.response_id or "",
        model=answer.model_version or "",
        choices=tuple(ordered),
        usage=_usage(answer, answer.candidates, parts),
    )


def _choice(candidate: Candidate) -> Choice:
    given = _parts(candidate)
    citations: dict[int, list[Citation]] = {}
    if candidate.grounding_metadata is not None:
        texts = [part.text or "" for part in given]
        first = next((at for at, part in enumerate(given) if part.text and not part.thought), 0)
        for at, citation in read_grounding(candidate.grounding_metadata, texts):
            spoken = at < len(given) and given[at].text and not given[at].thought
            citations.setdefault(at if spoken else first, []).append(citation)
    parts = [read for at, part in enumerate(given) for read in _part(part, tuple(citations.get(at, ())))]
    called = any(isinstance(part, ToolCall) for part in parts)
    return Choice(tuple(parts), read_finish(candidate.finish_reason or "", called))


def _part(part: AnswerPart, citations: tuple[Citation, ...]) -> list[Part]:
    signature = part.thought_signature
    family = FAMILY if signature else None
    if part.function_call is not None:
        call = part.function_call
        args = compact_args(call)
        return [ToolCall(call.id or new_call_id(), call.name, args, signature=signature, family=family)]
    if part.text is not None and (part.thought or (not part.text and signature)):
        return [Reasoning(part.text, signature, family=family)]
    if part.text:
        return [Text(part.text, citations=citations, signature=signature, family=family)]
    found: Part | None = read_media(part)
    if found is None:
        told = code_text(part)
        found = Text(told) if told is not None else None
    read = [found] if found is not None else []
    return [*read, Reasoning("", signature, family=family)] if signature else read


def write_reply(answer: Answer, voice: Voice) -> bytes:
    """The answer as a GenerateContentResponse."""
    candidates = []
    for index, choice in enumerate(answer.choices):
        written = answer_parts(choice, voice.opaque)
        content = {"parts": [part for part, _ in written] or [{"text": ""}], "role": "model"}
        candidate = {"content": content, "finishReason": write_finish(choice.finish), "index": index}
        cited = [
            (at, text.text, citation) for at, (_, text) in enumerate(written) if text for citation in text.citations
        ]
        grounding = write_grounding(cited)
        if grounding is not None:
            candidate["groundingMetadata"] = grounding
        candidates.append(candidate)
    body: dict[str, object] = {"candidates": candidates}
    if answer.usage is not None:
        body["usageMetadata"] = write_usage(answer.usage)
    return _encode(body | {"modelVersion": voice.model, "responseId": answer.id or voice.request_id})


def write_count(tokens: int) -> bytes:
    """countTokens' answer."""
    return _encode({"totalTokens": tokens, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}]})
