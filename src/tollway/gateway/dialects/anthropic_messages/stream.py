"""The vendor's stream as canonical events (relay.md 6.4)."""

from collections.abc import Callable
from typing import Any

import msgspec

from tollway.core.stream import (
    Cited,
    Completed,
    Cut,
    Failed,
    Finished,
    Heartbeat,
    RawPiece,
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
from tollway.gateway.dialects.anthropic_messages.citations import FAMILY, read_citation
from tollway.gateway.dialects.anthropic_messages.counts import WireUsage, finish_of, merged, usage_of
from tollway.gateway.dialects.anthropic_messages.error import status_of_type
from tollway.gateway.remedy import masked
from tollway.kit.sse import Frame


class _Delta(msgspec.Struct, gc=False):
    type: str = ""
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    signature: str | None = None
    citation: dict[str, Any] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None


class _Message(msgspec.Struct, gc=False):
    id: str = ""
    model: str = ""
    usage: WireUsage | None = None


class _Error(msgspec.Struct, gc=False):
    type: str = "api_error"
    message: str = ""


class _Event(msgspec.Struct):
    type: str
    index: int = 0
    delta: _Delta | None = None
    content_block: dict[str, Any] | None = None
    message: _Message | None = None
    usage: WireUsage | None = None
    error: _Error | None = None


class _Named(msgspec.Struct):
    type: str = ""


class _Block(msgspec.Struct):
    """A content block under way."""

    slot: int = -1
    """Ordinal among the tool calls; -1 for anything else."""
    whole: dict[str, Any] | None = None
    """A block only the vendor understands, told when it is complete."""
    given: str = ""
    """Input that came with the block's start."""
    args: list[str] = []


_decode = msgspec.json.Decoder(_Event).decode
_decode_name = msgspec.json.Decoder(_Named).decode
_encode = msgspec.json.Encoder().encode


class Decoder:
    """One answer's stream. Exactly one terminal event; nothing after it."""

    __slots__ = ("_blocks", "_done", "_finished", "_slots", "_tellers", "_usage", "open_block")

    def __init__(self) -> None:
        self._blocks: dict[int, _Block] = {}
        self._slots = 0
        self._usage: WireUsage | None = None
        self._finished = False
        self._done = False
        self.open_block: int | None = None
        """The content block that has begun and not ended."""
        self._tellers: dict[str, Callable[[_Event], list[StreamEvent]]] = {
            "message_start": self._start,
            "content_block_start": self._block_start,
            "content_block_delta": self._block_delta,
            "content_block_stop": self._block_stop,
            "message_delta": self._message_delta,
            "message_stop": self._stop,
            "ping": lambda event: [Heartbeat()],
            "error": self._error,
        }

    def frame(self, frame: Frame) -> list[StreamEvent]:
        """The events of one frame; garbage ends the stream as Failed, an event we do not know tells nothing."""
        if self._done:
            return []
        data = frame.data
        if not data:
            return [Heartbeat()]
        try:
            event = _decode(data)
        except (ValueError, RecursionError):
            return self._unreadable(data)
        delta = event.delta
        if delta is not None and delta.type == "text_delta" and event.type == "content_block_delta":
            return [TextDelta(delta.text)] if delta.text else []
        tell = self._tellers.get(event.type)
        return tell(event) if tell else []

    def close(self) -> list[StreamEvent]:
        """At the end of the bytes: Cut, unless the end was told."""
        if self._done:
            return []
        self._done = True
        return [*self._end_tools(), Cut()]

    def _unreadable(self, data: bytes) -> list[StreamEvent]:
        try:
            unknown = _decode_name(data).type not in {"", *self._tellers}
        except (ValueError, RecursionError):
            unknown = data == b"[DONE]"
        return [] if unknown else self._fail(502, "bad_stream", "the upstream sent an event that cannot be read")

    def _fail(self, status: int, code: str, message: str) -> list[StreamEvent]:
        self._done = True
        return [*self._end_tools(), Failed(status, code, message)]

    def _start(self, event: _Event) -> list[StreamEvent]:
        message = event.message or _Message()
        self._usage = message.usage
        return [Started(message.id, message.model, usage_of(message.usage) if message.usage else None)]

    def _block_start(self, event: _Event) -> list[StreamEvent]:
        wire = event.content_block or {}
        kind = wire.get("type")
        self.open_block = event.index
        if kind == "text":
            text = wire.get("text")
            return [TextDelta(text)] if text and isinstance(text, str) else []
        if kind == "thinking":
            thought = wire.get("thinking")
            return [ReasoningDelta(thought)] if thought and isinstance(thought, str) else []
        if kind == "redacted_thinking":
            return [ReasoningSeal(FAMILY, redacted=str(wire.get("data", "")))]
        given = _encode(wire["input"]).decode() if wire.get("input") else ""
        if kind == "tool_use":
            slot, self._slots = self._slots, self._slots + 1
            self._blocks[event.index] = _Block(slot=slot, given=given)
            return [ToolStart(slot, str(wire.get("id") or ""), str(wire.get("name") or ""))]
        self._blocks[event.index] = _Block(whole=wire)
        return []

    def _block_delta(self, event: _Event) -> list[StreamEvent]:
        delta = event.delta
        if delta is None:
            return []
        if delta.type == "input_json_delta":
            return self._args(event.index, delta.partial_json)
        if delta.type == "thinking_delta":
            return [ReasoningDelta(delta.thinking)] if delta.thinking else []
        if delta.type == "signature_delta":
            return [ReasoningSeal(FAMILY, signature=delta.signature)] if delta.signature else []
        if delta.type == "citations_delta":
            citation = read_citation(delta.citation)
            return [Cited(citation)] if citation else []
        return []

    def _args(self, index: int, fragment: str | None) -> list[StreamEvent]:
        block = self._blocks.get(index)
        if block is None or not fragment:
            return []
        if block.slot < 0:
            block.args.append(fragment)
            return []
        block.given, told = "", block.args
        if not told:
            told.append("")
        return [ToolArgs(block.slot, fragment)]

    def _block_stop(self, event: _Event) -> list[StreamEvent]:
        self.open_block = None
        block = self._blocks.pop(event.index, None)
        if block is None:
            return []
        if block.whole is not None:
            return [RawPiece(FAMILY, _completed(block.whole, "".join(block.args)))]
        return _tool_end(block)

    def _message_delta(self, event: _Event) -> list[StreamEvent]:
        told: list[StreamEvent] = []
        if event.delta is not None and event.delta.stop_reason is not None and not self._finished:
            self._finished = True
            told += self._end_tools()
            told.append(Finished(finish_of(event.delta.stop_reason), event.delta.stop_sequence))
        if event.usage is not None:
            self._usage = merged(self._usage, event.usage)
            told.append(UsageSeen(usage_of(self._usage)))
        return told

    def _stop(self, event: _Event) -> list[StreamEvent]:
        self._done = True
        last: list[StreamEvent] = [] if self._finished else [Finished(finish_of(None))]
        return [*self._end_tools(), *last, Completed()]

    def _error(self, event: _Event) -> list[StreamEvent]:
        error = event.error or _Error()
        return self._fail(status_of_type(error.type), error.type, masked(error.message or error.type))

    def _end_tools(self) -> list[StreamEvent]:
        told: list[StreamEvent] = []
        for index in [index for index, block in self._blocks.items() if block.slot >= 0]:
            told += _tool_end(self._blocks.pop(index))
        return told


def _tool_end(block: _Block) -> list[StreamEvent]:
    """The end of a call; one without arguments gets the empty object, which is what it means."""
    if block.args:
        return [ToolEnd(block.slot)]
    return [ToolArgs(block.slot, block.given or "{}"), ToolEnd(block.slot)]


def _completed(block: dict[str, Any], args: str) -> dict[str, Any]:
    if not args:
        return block
    try:
        return block | {"input": msgspec.json.decode(args)}
    except (ValueError, RecursionError):
        return block | {"input": {"_raw": args}}
