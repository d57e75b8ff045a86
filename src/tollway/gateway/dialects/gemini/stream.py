"""Google's stream as canonical events: each SSE frame is a whole GenerateContentResponse."""

import msgspec

from tollway.core.chat import Citation
from tollway.core.stream import (
    Cited,
    Completed,
    Cut,
    Failed,
    Finish,
    Finished,
    Heartbeat,
    MediaPiece,
    ReasoningDelta,
    ReasoningSeal,
    Started,
    StreamEvent,
    TextDelta,
    ToolArgs,
    ToolEnd,
    ToolStart,
    UsageSeen,
)
from tollway.gateway.dialects.gemini.answer import AnswerPart, Candidate, Grounding, blocked, decode
from tollway.gateway.dialects.gemini.consumption import UsageMetadata, read_usage
from tollway.gateway.dialects.gemini.finish import read_finish
from tollway.gateway.dialects.gemini.grounding import read_grounding
from tollway.gateway.dialects.gemini.parts import code_text, compact_args, new_call_id, read_media
from tollway.gateway.dialects.gemini.seals import FAMILY
from tollway.gateway.gemini_family.error import fault_of
from tollway.kit.sse import Frame


class _Told:
    """What one candidate has told so far."""

    __slots__ = ("calls", "characters", "cited", "finish", "message", "searches", "wide")

    def __init__(self) -> None:
        self.calls = 0
        self.finish: str | None = None
        self.message: str | None = None
        self.searches = 0
        self.cited: set[Citation] = set()
        self.characters = 0
        self.wide = False  # beyond ASCII, where Google's byte offsets say nothing to us


class GeminiDecoder:
    """Frames in, events out. Google sends no last frame: a stream is whole when each candidate gave its reason."""

    __slots__ = ("_candidates", "_ended", "_images", "_said", "_searches", "_started", "_usage")

    def __init__(self) -> None:
        self._started = self._ended = self._said = False
        self._candidates: dict[int, _Told] = {}
        self._usage: UsageMetadata | None = None
        self._images = self._searches = 0

    def frame(self, frame: Frame) -> list[StreamEvent]:
        """The events one frame tells."""
        if self._ended:
            return []
        if not frame.data:
            return [Heartbeat()]
        try:
            answer = decode(frame.data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._fail(502, "bad_response_body", "the provider sent something that is no answer")
        if answer.error is not None:
            fault = fault_of(500, {}, {"error": answer.error})
            return self._fail(fault.status, fault.code, fault.message)
        events: list[StreamEvent] = []
        if not self._started:
            self._started = True
            events.append(Started(answer.response_id or "", answer.model_version or ""))
        if answer.candidates:
            for candidate in answer.candidates:
                self._candidate(candidate, events)
        elif (message := blocked(answer.prompt_feedback)) is not None:
            return [*events, *self._fail(400, "prompt_blocked", message)]
        usage = answer.usage_metadata
        if usage is not None and usage != self._usage:
            self._usage = usage
            events.append(UsageSeen(read_usage(usage, self._images, self._searches)))
        return events

    def _fail(self, status: int, code: str, message: str) -> list[StreamEvent]:
        self._ended = True
        return [Failed(status, code, message)]

    def _candidate(self, candidate: Candidate, events: list[StreamEvent]) -> None:
        index = candidate.index or 0
        told = self._candidates.get(index)
        if told is None:
            told = self._candidates[index] = _Told()
        content = candidate.content
        if content is not None and content.parts:
            for part in content.parts:
                if part.text is not None and not part.thought and part.thought_signature is None:
                    if part.text:
                        self._text(part.text, index, told, events)
                else:
                    self._part(part, index, told, events)
        if candidate.grounding_metadata is not None:
            self._ground(candidate.grounding_metadata, index, told, events)
        if candidate.finish_reason is not None:
            told.finish = candidate.finish_reason
            told.message = candidate.finish_message

    def _text(self, text: str, index: int, told: _Told, events: list[StreamEvent]) -> None:
        self._said = True
        told.characters += len(text)
        if not told.wide and not text.isascii():
            told.wide = True
        events.append(TextDelta(text, index))

    def _part(self, part: AnswerPart, index: int, told: _Told, events: list[StreamEvent]) -> None:
        signature = part.thought_signature
        if part.function_call is not None:
            self._call(part, index, told, events)
            return
        text = part.text if part.text is not None else code_text(part)
        media = read_media(part)
        if text and part.thought:
            self._said = True
            events.append(ReasoningDelta(text, index))
        elif text:
            self._text(text, index, told, events)
        elif media is not None:
            self._said = True
            self._images += (media.mime or "").startswith("image/")
            events.append(MediaPiece(media, choice=index))
        if signature:
            events.append(ReasoningSeal(FAMILY, signature, choice=index))

    def _call(self, part: AnswerPart, index: int, told: _Told, events: list[StreamEvent]) -> None:
        call, signature = part.function_call, part.thought_signature or None
        if call is None:
            return
        self._said = True
        slot, told.calls = told.calls, told.calls + 1
        start = ToolStart(
            slot,
            call.id or new_call_id(),
            call.name,
            signature=signature,
            family=FAMILY if signature else None,
            choice=index,
        )
        events += (start, ToolArgs(slot, compact_args(call), index), ToolEnd(slot, index))

    def _ground(self, grounding: Grounding, index: int, told: _Told, events: list[StreamEvent]) -> None:
        """Sources; Google may repeat them chunk after chunk. Offsets are known while the text is plain ASCII."""
        searches = max(told.searches, len(grounding.web_search_queries or ()))
        self._searches += searches - told.searches
        told.searches = searches
        texts = [] if told.wide else ["." * told.characters]
        for _, citation in read_grounding(grounding, texts):
            if citation not in told.cited:
                told.cited.add(citation)
                events.append(Cited(citation, index))

    def close(self) -> list[StreamEvent]:
        """The end of the bytes: whole if each candidate gave its reason, else cut."""
        if self._ended:
            return []
        self._ended = True
        if not self._started:
            return [Cut("the upstream closed the stream before its first word")]
        finishes = [
            Finished(read_finish(told.finish, told.calls > 0), choice=index)
            for index, told in self._candidates.items()
            if told.finish is not None
        ]
        if not self._candidates or len(finishes) < len(self._candidates):
            return [*finishes, Cut()]
        if not self._said and all(end.reason is Finish.MALFORMED_TOOL for end in finishes):
            told = next(iter(self._candidates.values()))
            return [Failed(502, "malformed_tool_call", told.message or "the model wrote a call that makes no sense")]
        return [*finishes, Completed()]
