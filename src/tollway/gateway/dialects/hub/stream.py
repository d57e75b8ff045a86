"""Streams in the hub's format: one JSON object a frame, ended by `done` or `error`, no `[DONE]`."""

from typing import Any

import msgspec

from tollway.core.chat import ToolKind
from tollway.core.media import MediaKind
from tollway.core.stream import (
    Completed,
    Cut,
    Failed,
    Finish,
    Finished,
    MediaPiece,
    ReasoningDelta,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ToolArgs,
    ToolEnd,
    ToolStart,
    UsageSeen,
)
from tollway.core.usage import Usage
from tollway.gateway.dialect import Voice
from tollway.gateway.dialects.hub.error import told_in_stream
from tollway.gateway.dialects.hub.reply import closing, image, tool_use
from tollway.kit.sse import comment, frame

_encode = msgspec.json.Encoder().encode
_PING = comment(b"ping")


class HubEncoder:
    """Tells the first alternative answer; tool uses come whole, each as its call ends."""

    def __init__(self, voice: Voice) -> None:
        self._voice = voice
        word = _encode(voice.options.get("text_event", "chunk"))
        self._text_head = b'data: {"type":' + word + b',"content":'
        self._thinking = False
        self._calls: dict[int, tuple[ToolStart, list[str]]] = {}
        self._usage: Usage | None = None
        self._finish: Finish | None = None
        self._ended = False

    def write(self, event: StreamEvent) -> bytes:
        """The frames this event makes."""
        choice: int = getattr(event, "choice", 0)
        if self._ended or choice:
            return b""
        if type(event) is TextDelta or type(event) is RefusalDelta:
            return self._end_thought() + self._text_head + _encode(event.text) + b"}\n\n" if event.text else b""
        if type(event) is ReasoningDelta:
            self._thinking = self._thinking or bool(event.text)
            return _told("thinking", {"content": event.text}) if event.text else b""
        if isinstance(event, ToolStart | ToolArgs | ToolEnd):
            return self._tool(event)
        if isinstance(event, MediaPiece):
            picture = event.media.kind is MediaKind.IMAGE and not event.partial
            return self._end_thought() + _told("image", image(event.media)) if picture else b""
        return self._last(event)

    def heartbeat(self) -> bytes:
        """A comment."""
        return _PING

    def _last(self, event: StreamEvent) -> bytes:
        if isinstance(event, UsageSeen):
            self._usage = event.usage
        elif isinstance(event, Finished):
            self._finish = event.reason
        elif isinstance(event, Completed):
            self._ended = True
            return self._end_thought() + _told("done", closing(self._voice, self._usage, self._finish))
        elif isinstance(event, Failed | Cut):
            self._ended = True
            return self._end_thought() + self._error(event)
        return b""

    def _error(self, event: Failed | Cut) -> bytes:
        if isinstance(event, Cut):
            message, code = told_in_stream(502, event.reason), "PROVIDER_ERROR"
        else:
            message, code = told_in_stream(event.status, event.message), event.code.upper()
        message += f" (request id: {self._voice.request_id})"
        return _told("error", {"message": message, "detail": message, "code": code})

    def _tool(self, event: ToolStart | ToolArgs | ToolEnd) -> bytes:
        if isinstance(event, ToolStart):
            self._calls[event.slot] = (event, [])
        elif isinstance(event, ToolArgs):
            self._calls[event.slot][1].append(event.fragment)
        else:
            start, fragments = self._calls.pop(event.slot)
            if start.kind is not ToolKind.SERVER:
                use = tool_use(start.id, start.name, "".join(fragments), start.kind)
                return self._end_thought() + _told("tool_use", use)
        return b""

    def _end_thought(self) -> bytes:
        if not self._thinking:
            return b""
        self._thinking = False
        return _told("thinking_done", {})


def _told(kind: str, fields: dict[str, Any]) -> bytes:
    return frame(_encode({"type": kind} | fields))
