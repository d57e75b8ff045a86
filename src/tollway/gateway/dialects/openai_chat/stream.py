"""Chunks of an answer understood, as they come."""

from typing import Any

import msgspec

from tollway.core.stream import (
    Cited,
    Completed,
    Cut,
    Finish,
    Finished,
    Heartbeat,
    MediaPiece,
    ReasoningDelta,
    ReasoningSeal,
    RefusalDelta,
    Started,
    StreamEvent,
    TextDelta,
    UsageSeen,
)
from tollway.gateway.dialects.openai_chat.chunks import (
    Chunk,
    ChunkChoice,
    Delta,
    ToolDelta,
    read_chunk,
    read_plain,
)
from tollway.gateway.dialects.openai_chat.error import read_failure
from tollway.gateway.dialects.openai_chat.finish import read_finish
from tollway.gateway.dialects.openai_chat.pieces import markdown, read_citations, read_pictures, read_sound
from tollway.gateway.dialects.openai_chat.said import Said
from tollway.gateway.dialects.openai_chat.seals import FAMILY, seals
from tollway.gateway.dialects.openai_chat.usage import read_usage
from tollway.kit.sse import Frame

_LEGACY = -1
"""The place of a legacy `function_call` among the indices of tool calls."""


class ChatDecoder:
    """A provider's chunks as canonical events."""

    __slots__ = ("_ended", "_said", "_started")

    def __init__(self) -> None:
        self._said: dict[int, Said] = {}
        self._started = False
        self._ended = False

    def frame(self, frame: Frame) -> list[StreamEvent]:
        """The events of one frame; garbage is `Failed`."""
        if self._ended:
            return []
        data = frame.data
        if not data or data[:6] == b"[DONE]":
            return self._end(Completed()) if data else [Heartbeat()]
        words = self._words(data) if self._started and not frame.event else None
        if words is not None:
            return [words]
        try:
            chunk = read_chunk(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            whole = frame.raw.endswith((b"\n\n", b"\r\r", b"\r\n\r\n"))
            return self._end(read_failure(data)) if whole else []  # half a frame at the end of the bytes is a cut
        if chunk.error is not None or chunk.object == "error" or frame.event == b"error":
            return self._end(read_failure(data))
        return self._chunk(chunk)

    def _words(self, data: bytes) -> TextDelta | None:
        """The words of the most common chunk; None when it is of another kind."""
        try:
            choice = read_plain(data).choices[0]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        said = self._said.get(choice.index)
        if said is None or said.finished or not choice.delta.content:
            return None
        return TextDelta(choice.delta.content, choice.index)

    def close(self) -> list[StreamEvent]:
        """`Completed` when every answer told its end (some servers leave off `[DONE]`), else `Cut`."""
        if self._ended:
            return []
        whole = bool(self._said) and all(said.finished for said in self._said.values())
        return self._end(Completed() if whole else Cut())

    def _end(self, terminal: StreamEvent) -> list[StreamEvent]:
        self._ended = True
        events: list[StreamEvent] = []
        for said in self._said.values():
            said.close(events)
        events.append(terminal)
        return events

    def _chunk(self, chunk: Chunk) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        if not self._started:
            self._started = True
            events.append(Started(chunk.id or "", chunk.model or ""))
        for choice in chunk.choices or ():
            index = choice.index or 0
            said = self._said.get(index)
            if said is None:
                said = self._said[index] = Said(index)
            if choice.delta is not None and not said.finished:
                _delta(choice.delta, said, events)
            if choice.finish_reason is not None or choice.usage is not None:
                _finish(choice, said, events)
        if chunk.usage is not None:
            _usage(chunk.usage, events)
        return events


def _finish(choice: ChunkChoice, said: Said, events: list[StreamEvent]) -> None:
    if choice.usage is not None:
        _usage(choice.usage, events)
    if not choice.finish_reason or said.finished:
        return
    said.close(events)
    said.finished = True
    stop = choice.stop_reason if isinstance(choice.stop_reason, str) else None
    reason = read_finish(choice.finish_reason, said.started > 0)
    if stop is not None and reason is Finish.STOP:
        reason = Finish.STOP_SEQUENCE
    events.append(Finished(reason, stop, said.choice))


def _usage(told: Any, events: list[StreamEvent]) -> None:
    usage = read_usage(told)
    if usage is not None:
        events.append(UsageSeen(usage))


def _delta(delta: Delta, said: Said, events: list[StreamEvent]) -> None:
    """What one chunk says, thoughts before words and words before tools."""
    if delta.reasoning_content or delta.reasoning or delta.reasoning_details is not None:
        _thoughts(delta, said.choice, events)
    content = delta.content
    if content:
        if delta.images is None and content.__class__ is str:
            events.append(TextDelta(content, said.choice))
        else:
            _content(content, delta.images, said.choice, events)
    if delta.tool_calls is not None:
        for piece in delta.tool_calls:
            said.tool(piece, events)
    if delta.refusal:
        events.append(RefusalDelta(delta.refusal, said.choice))
    if delta.function_call is not None:
        said.tool(ToolDelta(_LEGACY, function=delta.function_call), events)
    if delta.images is not None or delta.audio is not None or delta.annotations is not None:
        _extras(delta, said.choice, events)


def _thoughts(delta: Delta, choice: int, events: list[StreamEvent]) -> None:
    details = seals(delta.reasoning_details)
    told = delta.reasoning_content or delta.reasoning or "".join(seal.text for seal in details)
    if told:
        events.append(ReasoningDelta(told, choice))
    for seal in details:
        if seal.signature or seal.redacted:
            events.append(ReasoningSeal(seal.family or FAMILY, seal.signature, seal.redacted, choice))


def _content(content: Any, images: Any, choice: int, events: list[StreamEvent]) -> None:
    """Content as Mistral's array of parts, or as text that repeats the chunk's pictures for older clients."""
    if isinstance(content, str):
        for picture in read_pictures(images):
            content = content.replace(markdown(picture), "")
        if content:
            events.append(TextDelta(content, choice))
        return
    for part in content:
        text, thought = words_of(part)
        if thought:
            events.append(ReasoningDelta(thought, choice))
        if text:
            events.append(TextDelta(text, choice))


def words_of(part: Any) -> tuple[str, str]:
    """(text, thought) of one part of an answer's content, as Mistral writes them."""
    if not isinstance(part, dict):
        return "", ""
    thought = part.get("thinking")
    if isinstance(thought, list):
        thought = "".join(words_of(piece)[0] for piece in thought)
    text = part.get("text")
    return text if isinstance(text, str) else "", thought if isinstance(thought, str) else ""


def _extras(delta: Delta, choice: int, events: list[StreamEvent]) -> None:
    events += [MediaPiece(picture, choice=choice) for picture in read_pictures(delta.images)]
    sound = read_sound(delta.audio)
    if sound is not None:
        events.append(MediaPiece(sound, partial=True, choice=choice))
    events += [Cited(citation, choice) for citation in read_citations(delta.annotations)]
