"""Canonical events as Google's stream: SSE frames, or elements of one JSON array."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from tollway.core.chat import ToolCall, ToolKind
from tollway.core.errors import Fault, Remedy
from tollway.core.stream import (
    Cited,
    Completed,
    Cut,
    Failed,
    Finish,
    Finished,
    MediaPiece,
    ReasoningDelta,
    ReasoningSeal,
    RefusalDelta,
    Started,
    StreamEvent,
    TextDelta,
    ToolArgs,
    ToolEnd,
    ToolStart,
    UsageSeen,
)
from tollway.core.usage import Usage
from tollway.gateway.dialect import Voice
from tollway.gateway.dialects.gemini.consumption import write_usage
from tollway.gateway.dialects.gemini.finish import write_finish
from tollway.gateway.dialects.gemini.grounding import write_grounding
from tollway.gateway.dialects.gemini.parts import WirePart, call_part, media_part, seal_part
from tollway.gateway.dialects.gemini.seals import Seal
from tollway.gateway.gemini_family.error import error_object
from tollway.kit.sse import Frame

_encode = msgspec.json.Encoder().encode
_NO_WORDS: WirePart = {"text": ""}


class _Open:
    """A call whose arguments are still coming."""

    __slots__ = ("fragments", "start")

    def __init__(self, start: ToolStart) -> None:
        self.start = start
        self.fragments: list[str] = []


class GeminiEncoder:
    """Events in, bytes out. Reasons to stop and usage are held back for the last chunk, as Google tells them once."""

    __slots__ = ("_array", "_begun", "_finishes", "_id", "_open", "_tail", "_usage", "_voice", "_wrote")

    def __init__(self, voice: Voice) -> None:
        self._voice = voice
        self._array = voice.framing == "array"
        self._id = voice.request_id
        self._open: dict[tuple[int, int], _Open] = {}
        self._finishes: dict[int, Finish] = {}
        self._usage: Usage | None = None
        self._begun = False
        self._set_tail()

    def _set_tail(self) -> None:
        """All that follows the candidates is the same in each chunk."""
        names = {"modelVersion": self._voice.model, "responseId": self._id}
        self._tail = b"," + _encode(names)[1:] + (b"" if self._array else b"\r\n\r\n")

    def write(self, event: StreamEvent) -> bytes:
        """The bytes this event makes."""
        writer = _WRITERS.get(type(event))
        return writer(self, event) if writer is not None else b""

    def text(self, event: TextDelta | RefusalDelta) -> bytes:
        """Words; Google has no other kind for a refusal."""
        return self._words(event, b"")

    def thought(self, event: ReasoningDelta) -> bytes:
        """Words of a thought."""
        return self._words(event, b',"thought":true')

    def _words(self, event: TextDelta | ReasoningDelta | RefusalDelta, mark: bytes) -> bytes:
        return b'%b{"candidates":[{"content":{"parts":[{"text":%b%b}],"role":"model"},"index":%d}]%b' % (
            self._lead(),
            _encode(event.text),
            mark,
            event.choice,
            self._tail,
        )

    def _lead(self) -> bytes:
        if not self._array:
            return b"data: "
        if self._begun:
            return b",\r\n"
        self._begun = True
        return b"["

    def begin(self, event: Started) -> bytes:
        """The provider's own id names each chunk from here on."""
        if event.id:
            self._id = event.id
            self._set_tail()
        self._usage = event.usage or self._usage
        return b""

    def seal(self, event: ReasoningSeal) -> bytes:
        """A seal, wrapped when it is not Google's."""
        part = seal_part(Seal(event.family, event.signature, event.redacted), self._voice.opaque)
        return self._parts([part], event.choice) if part is not None else b""

    def open_call(self, event: ToolStart) -> bytes:
        """A call begins; nothing is said until it is whole."""
        self._open[event.choice, event.slot] = _Open(event)
        return b""

    def call_args(self, event: ToolArgs) -> bytes:
        """A fragment of its arguments."""
        if (call := self._open.get((event.choice, event.slot))) is not None:
            call.fragments.append(event.fragment)
        return b""

    def media(self, event: MediaPiece) -> bytes:
        """A picture or sound."""
        return self._parts([media_part(event.media)], event.choice)

    def finish(self, event: Finished) -> bytes:
        """Why one answer ended; told at the end."""
        self._finishes[event.choice] = event.reason
        return b""

    def count(self, event: UsageSeen) -> bytes:
        """Usage so far; told at the end."""
        self._usage = event.usage
        return b""

    def _parts(self, parts: list[WirePart], choice: int) -> bytes:
        candidate = {"content": {"parts": parts, "role": "model"}, "index": choice}
        return self._chunk([candidate])

    def _chunk(self, candidates: list[dict[str, object]], usage: dict[str, object] | None = None) -> bytes:
        told = b"" if usage is None else b',"usageMetadata":' + _encode(usage)
        return b'%b{"candidates":%b%b%b' % (self._lead(), _encode(candidates), told, self._tail)

    def close_call(self, event: ToolEnd) -> bytes:
        """A call goes out in one piece: Google's clients know no fragments."""
        call = self._open.pop((event.choice, event.slot), None)
        if call is None:
            return b""
        start = call.start
        kind = ToolKind.CUSTOM if start.kind is ToolKind.CUSTOM else ToolKind.FUNCTION
        args = "".join(call.fragments)
        whole = ToolCall(start.id, start.name, args, kind, signature=start.signature, family=start.family)
        return self._parts([call_part(whole, self._voice.opaque)], event.choice)

    def cite(self, event: Cited) -> bytes:
        """A source."""
        citation = event.citation
        told = citation.quote or ""
        grounding = write_grounding([(0, told, citation)])
        if grounding is None:
            return b""
        content = {"parts": [_NO_WORDS], "role": "model"}
        return self._chunk([{"content": content, "groundingMetadata": grounding, "index": event.choice}])

    def end(self, event: Completed) -> bytes:
        """The last chunk: each candidate's reason, and the usage."""
        finishes = self._finishes or {0: Finish.OTHER}
        candidates: list[dict[str, object]] = [
            {
                "content": {"parts": [_NO_WORDS], "role": "model"},
                "finishReason": write_finish(reason),
                "index": choice,
            }
            for choice, reason in sorted(finishes.items())
        ]
        usage = write_usage(self._usage) if self._usage is not None else None
        return self._chunk(candidates, usage) + (b"]" if self._array else b"")

    def fail(self, event: Failed | Cut) -> bytes:
        """An error, and in an array nothing that closes it: it must not pass for a whole answer."""
        if isinstance(event, Failed):
            fault = Fault(event.message, status=event.status, remedy=Remedy.NONE, code=event.code)
        else:
            fault = Fault(event.reason, status=502, remedy=Remedy.NONE, code="stream_cut")
        told = _encode({"error": error_object(fault, self._voice.request_id)})
        return self._lead() + told + (b"" if self._array else b"\r\n\r\n")

    def pass_on(self, frame: Frame) -> bytes:
        """A frame of Google's own stream in the caller's framing, its JSON untouched."""
        if not self._array:
            return frame.raw
        return self._lead() + frame.data if frame.data else b""

    def pass_end(self) -> bytes:
        """The end of a stream that was passed on whole."""
        if not self._array:
            return b""
        return b"]" if self._begun else b"[]"

    def heartbeat(self) -> bytes:
        """A blank line: Google's own clients choke on SSE comments, but skip empty events; JSON skips blanks."""
        return b"\n" if self._array else b"\r\n\r\n"


_WRITERS: Mapping[type, Callable[[GeminiEncoder, Any], bytes]] = MappingProxyType(
    {
        TextDelta: GeminiEncoder.text,
        RefusalDelta: GeminiEncoder.text,
        ReasoningDelta: GeminiEncoder.thought,
        ReasoningSeal: GeminiEncoder.seal,
        Started: GeminiEncoder.begin,
        ToolStart: GeminiEncoder.open_call,
        ToolArgs: GeminiEncoder.call_args,
        ToolEnd: GeminiEncoder.close_call,
        MediaPiece: GeminiEncoder.media,
        Cited: GeminiEncoder.cite,
        Finished: GeminiEncoder.finish,
        UsageSeen: GeminiEncoder.count,
        Completed: GeminiEncoder.end,
        Failed: GeminiEncoder.fail,
        Cut: GeminiEncoder.fail,
    }
)
