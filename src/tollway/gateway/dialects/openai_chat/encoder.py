"""Canonical events as chunks for a caller of chat completions."""

from collections.abc import Callable
from typing import Any

import msgspec

from tollway.core.chat import ToolKind
from tollway.core.media import MediaKind
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
from tollway.gateway.dialects.openai_chat.error import failure_body
from tollway.gateway.dialects.openai_chat.finish import write_finish
from tollway.gateway.dialects.openai_chat.pieces import markdown, write_citation, write_picture
from tollway.gateway.dialects.openai_chat.seals import Seal, detail
from tollway.gateway.dialects.openai_chat.usage import write_usage

_dump = msgspec.json.Encoder().encode
_PING = b": ping\n\n"
_DONE = b"data: [DONE]\n\n"


class ChatEncoder:
    """Writes one stream; id, model and time are turned into bytes once."""

    def __init__(self, voice: Voice) -> None:
        self._voice = voice
        self._usage: Usage | None = None
        self._met: set[int] = set()
        self._finished: set[int] = set()
        self._silent: set[tuple[int, int]] = set()
        """Tool calls (choice, slot) without arguments so far."""
        self._customs: set[tuple[int, int]] = set()
        self._frame(f"chatcmpl-{voice.request_id}")
        self._writers: dict[type, Callable[[Any], bytes]] = {
            TextDelta: self._text,
            ReasoningDelta: lambda event: self._plain(event, "reasoning_content"),
            RefusalDelta: lambda event: self._plain(event, "refusal"),
            Started: self._start,
            ReasoningSeal: self._seal,
            ToolStart: self._tool_start,
            ToolArgs: self._tool_args,
            ToolEnd: self._tool_end,
            MediaPiece: self._media,
            Cited: self._cited,
            Finished: self._finish,
            UsageSeen: self._count,
            Heartbeat: lambda event: _PING,
            Completed: self._complete,
            Failed: lambda event: failure_body(event.status, event.code, event.message, self._voice.request_id),
            Cut: lambda event: failure_body(502, "upstream_cut", event.reason, self._voice.request_id),
        }

    def write(self, event: StreamEvent) -> bytes:
        """The chunks this event makes."""
        writer = self._writers.get(event.__class__)
        return writer(event) if writer is not None else b""

    def heartbeat(self) -> bytes:
        """A comment that every reader of events skips."""
        return _PING

    def _frame(self, answer_id: str) -> None:
        """Prepare the bytes around every delta."""
        voice = self._voice
        head = {"id": answer_id, "object": "chat.completion.chunk", "created": voice.created_s, "model": voice.model}
        self._head = b"data: " + _dump(head)[:-1]
        usage = b',"usage":null' if voice.include_usage else b""
        self._close = b'},"logprobs":null,"finish_reason":null}]' + usage + b"}\n\n"
        self._finish_close = b"}]" + usage + b"}\n\n"
        self._open_0 = self._head + b',"choices":[{"index":0,"delta":{'
        self._text_0 = self._open_0 + b'"content":'

    def _delta(self, choice: int, fields: bytes) -> bytes:
        """One chunk, after the role chunk if it is the first of this answer."""
        if choice == 0:
            chunk = self._open_0 + fields + self._close
        else:
            chunk = b'%b,"choices":[{"index":%d,"delta":{%b%b' % (self._head, choice, fields, self._close)
        if choice in self._met:
            return chunk
        self._met.add(choice)
        return self._delta(choice, b'"role":"assistant","content":"","refusal":null') + chunk

    def _text(self, event: TextDelta) -> bytes:
        if event.choice == 0 and 0 in self._met:
            return b"".join((self._text_0, _dump(event.text), self._close))
        return self._delta(event.choice, b'"content":' + _dump(event.text))

    def _plain(self, event: ReasoningDelta | RefusalDelta, name: str) -> bytes:
        return self._delta(event.choice, b'"%b":%b' % (name.encode(), _dump(event.text)))

    def _start(self, event: Started) -> bytes:
        if event.id:
            self._frame(event.id)
        if event.usage is not None:
            self._usage = event.usage
        if 0 in self._met:
            return b""
        self._met.add(0)
        return self._delta(0, b'"role":"assistant","content":"","refusal":null')

    def _seal(self, event: ReasoningSeal) -> bytes:
        seal = Seal(family=event.family, signature=event.signature, redacted=event.redacted)
        return self._details(event.choice, seal)

    def _details(self, choice: int, seal: Seal) -> bytes:
        entry = detail(seal, self._voice.opaque)
        return self._delta(choice, b'"reasoning_details":' + _dump([entry])) if entry else b""

    def _tool_start(self, event: ToolStart) -> bytes:
        place = (event.choice, event.slot)
        self._silent.add(place)
        call: dict[str, Any] = {"index": event.slot, "id": event.id}
        if event.kind is ToolKind.CUSTOM:
            self._customs.add(place)
            call |= {"type": "custom", "custom": {"name": event.name, "input": ""}}
        else:
            call |= {"type": "function", "function": {"name": event.name, "arguments": ""}}
        chunk = self._delta(event.choice, b'"tool_calls":' + _dump([call]))
        if event.signature is None:
            return chunk
        seal = Seal(family=event.family, signature=event.signature, call_id=event.id)
        return chunk + self._details(event.choice, seal)

    def _tool_args(self, event: ToolArgs) -> bytes:
        if not event.fragment:
            return b""
        place = (event.choice, event.slot)
        self._silent.discard(place)
        said = b'"custom":{"input":%b}' if place in self._customs else b'"function":{"arguments":%b}'
        return self._delta(event.choice, b'"tool_calls":[{"index":%d,%b}]' % (event.slot, said % _dump(event.fragment)))

    def _tool_end(self, event: ToolEnd) -> bytes:
        place = (event.choice, event.slot)
        if place not in self._silent or place in self._customs:
            return b""
        return self._tool_args(ToolArgs(event.slot, "{}", event.choice))

    def _media(self, event: MediaPiece) -> bytes:
        media = event.media
        if media.kind is MediaKind.IMAGE:
            fields = {"content": markdown(media), "images": [write_picture(media)]}
            return self._delta(event.choice, _dump(fields)[1:-1])
        if media.kind is not MediaKind.AUDIO:
            return b""
        sound: dict[str, Any] = {"id": f"audio_{self._voice.request_id}"}
        if media.data:
            sound["data"] = media.data
        if media.transcript:
            sound["transcript"] = media.transcript
        return self._delta(event.choice, b'"audio":' + _dump(sound))

    def _cited(self, event: Cited) -> bytes:
        entry = write_citation(event.citation)
        return self._delta(event.choice, b'"annotations":' + _dump([entry])) if entry else b""

    def _finish(self, event: Finished) -> bytes:
        first = b"" if event.choice in self._met else self._delta(event.choice, b'"content":""')
        self._finished.add(event.choice)
        reason = write_finish(event.reason).encode()
        return first + b'%b,"choices":[{"index":%d,"delta":{},"logprobs":null,"finish_reason":"%b"%b' % (
            self._head,
            event.choice,
            reason,
            self._finish_close,
        )

    def _count(self, event: UsageSeen) -> bytes:
        self._usage = event.usage
        return b""

    def _complete(self, event: Completed) -> bytes:
        last = b"" if 0 in self._finished else self._finish(Finished(Finish.STOP))
        if self._voice.include_usage and self._usage is not None:
            last += b'%b,"choices":[],"usage":%b}\n\n' % (self._head, _dump(write_usage(self._usage)))
        return last + _DONE
