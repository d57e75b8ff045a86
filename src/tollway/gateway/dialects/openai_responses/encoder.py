"""Canonical events as the vendor's stream, in its order (relay.md 6.15)."""

from collections.abc import Callable
from typing import Any

from tollway.core.chat import Reasoning, ToolCall, ToolKind
from tollway.core.errors import kind_of_status
from tollway.core.stream import (
    Cited,
    Completed,
    Cut,
    Failed,
    Finish,
    Finished,
    Heartbeat,
    MediaPiece,
    RawPiece,
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
from tollway.gateway.dialects.openai_responses.answer import is_picture, said_as_text
from tollway.gateway.dialects.openai_responses.events import CallOut, Fields, Line, MessageOut, ThoughtOut, picture
from tollway.gateway.dialects.openai_responses.parts import RAW
from tollway.gateway.dialects.openai_responses.seals import seal_of, wrapped
from tollway.gateway.dialects.openai_responses.shell import Shell, status_of
from tollway.gateway.openai_family.error import envelope

_PING = b": ping\n\n"


class ResponsesEncoder:
    """Writes one stream. One message or thought is open at a time; tool calls may be open beside each other."""

    def __init__(self, voice: Voice) -> None:
        self._voice = voice
        self._line = Line()
        self._shell: Shell | None = None
        self._output: list[Fields | None] = []
        """Items by their index, None while they are open."""
        self._message: MessageOut | None = None
        self._thought: ThoughtOut | None = None
        self._calls: dict[int, CallOut] = {}
        self._finish = Finish.STOP
        self._usage: Usage | None = None
        self._ended = False
        self._writers: dict[type, Callable[[Any], bytes]] = {
            TextDelta: lambda event: self._text(event.text),
            RefusalDelta: lambda event: self._refusal(event.text),
            ReasoningDelta: lambda event: self._think(event.text),
            Started: self._start,
            ReasoningSeal: self._seal,
            ToolStart: self._tool_start,
            ToolArgs: self._tool_args,
            ToolEnd: self._tool_end,
            MediaPiece: self._media,
            Cited: self._cited,
            RawPiece: self._raw,
            Finished: self._finished,
            UsageSeen: self._count,
            Heartbeat: lambda event: _PING,
            Completed: self._complete,
            Failed: lambda event: self._broken(event.status, event.code, event.message),
            Cut: lambda event: self._broken(502, "upstream_cut", event.reason),
        }

    def write(self, event: StreamEvent) -> bytes:
        """The events this event makes; nothing after a terminal one, nothing of other alternatives than the first."""
        if self._ended or getattr(event, "choice", 0) != 0:
            return b""
        writer = self._writers.get(event.__class__)
        return writer(event) if writer is not None else b""

    def heartbeat(self) -> bytes:
        """A comment that every reader of events skips."""
        return _PING

    # -- the response ------------------------------------------------------------------------------------------

    def _start(self, event: Started) -> bytes:
        if event.usage is not None:
            self._usage = event.usage
        return self._begun(event.id)

    def _begun(self, answer_id: str = "") -> bytes:
        """The first two events, unless they were told."""
        if self._shell is not None:
            return b""
        self._shell = Shell(self._voice, answer_id)
        said = {"response": self._shell.said("in_progress", [])}
        return self._line.say("response.created", said) + self._line.say("response.in_progress", said)

    def _finished(self, event: Finished) -> bytes:
        self._finish = event.reason
        return self._begun() + self._close(status_of(event.reason))

    def _count(self, event: UsageSeen) -> bytes:
        self._usage = event.usage
        return b""

    def _complete(self, event: Completed) -> bytes:
        told = self._begun() + self._close(status_of(self._finish)) + self._close_calls()
        if not self._output:
            told += self._text("") + self._close(status_of(self._finish))
        self._ended = True
        said = self._response.ended(self._finish, self._items(), self._usage)
        return told + self._line.say(f"response.{said['status']}", {"response": said})

    def _broken(self, status: int, code: str, message: str) -> bytes:
        """The vendor's two last events of a stream that fails: its SDKs raise at the first, others read the second."""
        self._ended = True
        shell = self._shell or Shell(self._voice, "")
        error = envelope(kind_of_status(status), code, message, None, self._voice.request_id)
        flat = {"code": error["code"], "message": error["message"], "param": None, "error": error}
        failure = {"code": error["code"], "message": error["message"]}
        said = {"response": shell.said("failed", self._items(), error=failure)}
        return self._line.say("error", flat) + self._line.say("response.failed", said)

    @property
    def _response(self) -> Shell:
        if self._shell is None:
            self._shell = Shell(self._voice, "")
        return self._shell

    def _items(self) -> list[Fields]:
        return [item for item in self._output if item is not None]

    # -- words and thoughts ------------------------------------------------------------------------------------

    def _place(self, kind: str) -> tuple[int, str]:
        """The index and name of a new item."""
        self._output.append(None)
        index = len(self._output) - 1
        return index, self._response.item_id(kind, index)

    def _text(self, words: str) -> bytes:
        if self._message is not None:
            return self._message.text(words)
        return self._speak() + self._speaking().text(words)

    def _refusal(self, words: str) -> bytes:
        return self._speak() + self._speaking().refusal(words)

    def _speaking(self) -> MessageOut:
        if self._message is None:
            index, name = self._place("msg")
            self._message = MessageOut(self._line, index, name)
        return self._message

    def _speak(self) -> bytes:
        """Make sure that a message is open."""
        if self._message is not None:
            return b""
        begun = self._begun() + self._close("completed")
        return begun + self._speaking().begin()

    def _think(self, words: str) -> bytes:
        if not words:
            return b""
        begun = b""
        if self._thought is None:
            begun = self._begun() + self._close("completed")
            index, name = self._place("rs")
            self._thought = ThoughtOut(self._line, index, name)
            begun += self._thought.begin()
        return begun + self._thought.text(words)

    def _seal(self, event: ReasoningSeal) -> bytes:
        sealed = wrapped(Reasoning("", event.signature, event.redacted, event.family), self._voice.opaque)
        if sealed is None:
            return b""
        if event.signature and self._thought is not None:
            return self._close_thought(sealed[0])
        return self._begun() + self._close("completed") + self._sealed(*sealed)

    def _sealed(self, encrypted: str, name: str | None = None) -> bytes:
        """An item that holds a seal and nothing else."""
        index, own = self._place("rs")
        alone = ThoughtOut(self._line, index, name or own)
        told = alone.begin() + alone.close(encrypted)
        self._output[index] = alone.item
        return told

    def _close(self, status: str) -> bytes:
        """End the message or thought that is open."""
        if self._thought is not None:
            return self._close_thought(None)
        if self._message is None:
            return b""
        told = self._message.close(status)
        self._output[self._message.index] = self._message.item
        self._message = None
        return told

    def _close_thought(self, encrypted: str | None) -> bytes:
        if self._thought is None:
            return b""
        told = self._thought.close(encrypted)
        self._output[self._thought.index] = self._thought.item
        self._thought = None
        return told

    def _cited(self, event: Cited) -> bytes:
        return self._speak() + self._speaking().cite(event.citation)

    # -- tools and the rest ------------------------------------------------------------------------------------

    def _tool_start(self, event: ToolStart) -> bytes:
        told = self._begun() + self._close("completed")
        asked = ToolCall(event.id, event.name, "", event.kind, event.signature, event.family)
        seal = seal_of(asked, self._voice.opaque)
        told += self._sealed(seal) if seal else b""
        index, name = self._place("ctc" if event.kind is ToolKind.CUSTOM else "fc")
        call = self._calls[event.slot] = CallOut(self._line, index, name)
        tool = self._response.named(event.name)
        return told + call.begin(event.id or self._response.item_id("call", index), tool, event.kind)

    def _tool_args(self, event: ToolArgs) -> bytes:
        call = self._calls.get(event.slot)
        return call.args(event.fragment) if call is not None and event.fragment and not call.ended else b""

    def _tool_end(self, event: ToolEnd) -> bytes:
        call = self._calls.get(event.slot)
        if call is None or call.ended:
            return b""
        told = call.close()
        self._output[call.index] = call.item
        return told

    def _close_calls(self) -> bytes:
        return b"".join([self._tool_end(ToolEnd(slot)) for slot in self._calls])

    def _media(self, event: MediaPiece) -> bytes:
        media = event.media
        if not is_picture(media):
            words = said_as_text(media)
            return self._text(words) if words else b""
        begun = self._begun() + self._close("completed")
        index, name = self._place("ig")
        return begun + self._whole(index, picture(name, media.mime, media.data or ""))

    def _raw(self, event: RawPiece) -> bytes:
        if event.family != RAW or not isinstance(event.value, dict):
            return b""
        begun = self._begun() + self._close("completed")
        index, _ = self._place("")
        return begun + self._whole(index, event.value)

    def _whole(self, index: int, item: Fields) -> bytes:
        """An item that comes in one piece."""
        self._output[index] = item
        said = {"output_index": index, "item": item}
        return self._line.say("response.output_item.added", said) + self._line.say("response.output_item.done", said)
