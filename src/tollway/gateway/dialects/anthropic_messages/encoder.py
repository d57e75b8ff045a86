"""Canonical events as the vendor's stream: a state machine with one open block at a time (relay.md 6.7)."""

from typing import Any

import msgspec

from tollway.core.chat import Citation, ToolKind
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
from tollway.gateway.dialects.anthropic_messages.citations import FAMILY, write_citation
from tollway.gateway.dialects.anthropic_messages.counts import stop_reason_of
from tollway.gateway.dialects.anthropic_messages.error import stream_error
from tollway.gateway.dialects.anthropic_messages.frames import PING, TAIL, message_end, message_start, say, text_prefix
from tollway.gateway.dialects.anthropic_messages.reply import message_id, said_as_text, tool_id
from tollway.gateway.dialects.anthropic_messages.seals import placeholder, wrap, wrap_tool

_NONE, _TEXT, _THINKING, _TOOL = 0, 1, 2, 3
_encode = msgspec.json.Encoder().encode


class Encoder:
    """One answer's stream. Events that belong inside a later block wait until the open tool call is complete."""

    __slots__ = (
        "_block", "_done", "_finish", "_free_text", "_held", "_id", "_index", "_open", "_prefix", "_sealed",
        "_slot", "_started", "_stop_sequence", "_tellers", "_tools", "_usage", "_voice",
    )  # fmt: skip

    def __init__(self, voice: Voice) -> None:
        self._voice = voice
        self._id = voice.request_id
        self._started = self._done = self._sealed = self._free_text = False
        self._open, self._index, self._slot, self._tools = _NONE, -1, -1, 0
        self._prefix = b""
        self._held: list[StreamEvent] = []
        self._finish = Finish.STOP
        self._stop_sequence: str | None = None
        self._usage: Usage | None = None
        self._tellers: dict[type[Any], Any] = {
            Started: self._start,
            TextDelta: lambda event: self._text(event.text),
            RefusalDelta: self._refusal,
            ReasoningDelta: self._reasoning,
            ReasoningSeal: self._seal,
            ToolStart: self._tool_start,
            ToolArgs: self._tool_args,
            ToolEnd: self._tool_end,
            MediaPiece: lambda event: self._text(said_as_text(event.media)),
            Cited: lambda event: self._cited(event.citation),
            RawPiece: self._raw,
            Finished: self._finished,
            UsageSeen: self._usage_seen,
            Heartbeat: lambda event: PING,
            Completed: self._completed,
            Failed: lambda event: self._broken(event.status, event.message),
            Cut: lambda event: self._broken(502, event.reason),
        }

    def write(self, event: StreamEvent) -> bytes:
        """The bytes this event makes; none after a terminal event."""
        kind = type(event)
        if kind is TextDelta and self._open == _TEXT:
            text = event.text  # type: ignore[union-attr]
            return self._prefix + _encode(text) + TAIL if text else b""
        if self._done:
            return b""
        if self._waits(event):
            self._held.append(event)
            return b""
        return self._tellers[kind](event)  # type: ignore[no-any-return]

    def heartbeat(self) -> bytes:
        """The vendor's own way to show life."""
        return PING

    def _waits(self, event: StreamEvent) -> bool:
        """Whether an event has to wait because another block is open that is not complete."""
        if self._open != _TOOL or isinstance(event, _AT_ONCE):
            return False
        return not (isinstance(event, ToolArgs | ToolEnd) and event.slot == self._slot)

    def _ensure_started(self) -> bytes:
        return b"" if self._started else self._start(Started("", ""))

    def _start(self, event: Started) -> bytes:
        if self._started:
            return b""
        self._started = True
        self._id = event.id or self._id
        usage = event.usage or Usage(input_total=self._voice.input_estimate)
        self._usage = event.usage
        return message_start(message_id(self._id), self._voice.model, usage)

    def _open_block(self, kind: int, block: dict[str, Any]) -> bytes:
        begun = self._ensure_started() + self._close_block()
        self._index += 1
        self._open, self._sealed = kind, False
        if kind == _TEXT:
            self._prefix = text_prefix(self._index)
        return begun + say("content_block_start", {"index": self._index, "content_block": block})

    def _close_block(self) -> bytes:
        if self._open == _NONE:
            return b""
        seal = placeholder(self._voice.opaque) if self._open == _THINKING and not self._sealed else ""
        told = self._delta({"type": "signature_delta", "signature": seal}) if seal else b""
        self._open = _NONE
        return told + say("content_block_stop", {"index": self._index})

    def _whole_block(self, block: dict[str, Any]) -> bytes:
        return self._open_block(_NONE, block) + say("content_block_stop", {"index": self._index})

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return say("content_block_delta", {"index": self._index, "delta": delta})

    def _text(self, text: str) -> bytes:
        if not text:
            return b""
        begun = b"" if self._open == _TEXT else self._open_block(_TEXT, {"type": "text", "text": ""})
        return begun + self._prefix + _encode(text) + TAIL

    def _refusal(self, event: RefusalDelta) -> bytes:
        self._finish = Finish.CONTENT_FILTER
        return self._text(event.text)

    def _think(self) -> bytes:
        """Make sure a thinking block is open that has no seal yet."""
        if self._open == _THINKING and not self._sealed:
            return b""
        return self._open_block(_THINKING, {"type": "thinking", "thinking": "", "signature": ""})

    def _reasoning(self, event: ReasoningDelta) -> bytes:
        if not event.text:
            return b""
        return self._think() + self._delta({"type": "thinking_delta", "thinking": event.text})

    def _seal(self, event: ReasoningSeal) -> bytes:
        told = b""
        if event.signature:
            told += self._think()
            seal = wrap(event.family, event.signature, self._voice.opaque)
            told += self._delta({"type": "signature_delta", "signature": seal}) if seal else b""
            self._sealed = True
            told += self._close_block()
        data = wrap(event.family, event.redacted, self._voice.opaque) if event.redacted else ""
        return told + self._whole_block({"type": "redacted_thinking", "data": data}) if data else told

    def _tool_start(self, event: ToolStart) -> bytes:
        if event.kind is ToolKind.SERVER:
            return b""
        call_id = tool_id(event.id, self._id, event.slot)
        seal = wrap_tool(call_id, event.family, event.signature, self._voice.opaque)
        told = self._whole_block({"type": "redacted_thinking", "data": seal}) if seal else b""
        told += self._open_block(_TOOL, {"type": "tool_use", "id": call_id, "name": event.name, "input": {}})
        self._slot, self._free_text = event.slot, event.kind is ToolKind.CUSTOM
        self._tools += 1
        return told + (self._args('{"input":"') if self._free_text else b"")

    def _tool_args(self, event: ToolArgs) -> bytes:
        if self._open != _TOOL or not event.fragment:
            return b""
        return self._args(_encode(event.fragment)[1:-1].decode() if self._free_text else event.fragment)

    def _args(self, fragment: str) -> bytes:
        return self._delta({"type": "input_json_delta", "partial_json": fragment})

    def _tool_end(self, event: ToolEnd) -> bytes:
        if self._open != _TOOL:
            return b""
        told = (self._args('"}') if self._free_text else b"") + self._close_block()
        held, self._held = self._held, []
        return told + b"".join([self.write(later) for later in held])

    def _end_all(self) -> bytes:
        """Complete every tool call, also those whose end was never told, and close the open block."""
        told = b""
        while self._open == _TOOL:
            told += self._tool_end(ToolEnd(self._slot))
        return told + self._close_block()

    def _cited(self, citation: Citation) -> bytes:
        wire = write_citation(citation)
        if wire is None:
            return b""
        begun = b"" if self._open == _TEXT else self._open_block(_TEXT, {"type": "text", "text": "", "citations": []})
        return begun + self._delta({"type": "citations_delta", "citation": wire})

    def _raw(self, event: RawPiece) -> bytes:
        if event.family != FAMILY or not isinstance(event.value, dict):
            return b""
        block = event.value
        if not isinstance(block.get("input"), dict) or not block["input"]:
            return self._whole_block(block)
        told = self._open_block(_NONE, block | {"input": {}}) + self._args(_encode(block["input"]).decode())
        return told + say("content_block_stop", {"index": self._index})

    def _finished(self, event: Finished) -> bytes:
        if self._finish is not Finish.CONTENT_FILTER:
            self._finish, self._stop_sequence = event.reason, event.stop_sequence
        return self._end_all()

    def _usage_seen(self, event: UsageSeen) -> bytes:
        self._usage = event.usage
        return b""

    def _completed(self, event: Completed) -> bytes:
        told = self._ensure_started() + self._end_all()
        if self._index < 0:
            told += self._whole_block({"type": "text", "text": ""})
        usage = self._usage or Usage(input_total=self._voice.input_estimate)
        reason = stop_reason_of(self._finish, self._tools > 0)
        self._done = True
        return told + message_end(reason, self._stop_sequence, usage)

    def _broken(self, status: int, message: str) -> bytes:
        self._done, self._open = True, _NONE
        return stream_error(status, message, self._voice.request_id)


_AT_ONCE = (Started, UsageSeen, Heartbeat, Finished, Completed, Failed, Cut)
