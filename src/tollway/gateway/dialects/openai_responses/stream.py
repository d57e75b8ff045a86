"""The vendor's events understood, as they come (relay.md 6.13)."""

from collections.abc import Callable
from typing import Any

import msgspec

from tollway.core.stream import (
    Completed,
    Cut,
    Finished,
    Heartbeat,
    Started,
    StreamEvent,
    UsageSeen,
)
from tollway.gateway.dialects.openai_responses.error import read_failed, read_failure
from tollway.gateway.dialects.openai_responses.finish import read_finish
from tollway.gateway.dialects.openai_responses.heard import Heard, Item
from tollway.gateway.dialects.openai_responses.reply import Response, read_response
from tollway.kit.sse import Frame


class Event(msgspec.Struct, gc=False):
    """One event as far as it is read; msgspec skips the rest without building it."""

    type: str = ""
    sequence_number: int | None = None
    output_index: int | None = None
    item_id: str | None = None
    content_index: int | None = None
    summary_index: int | None = None
    delta: Any = None
    text: str | None = None
    refusal: str | None = None
    arguments: str | None = None
    input: str | None = None
    item: dict[str, Any] | None = None
    annotation: Any = None
    part: Any = None
    response: msgspec.Raw = msgspec.Raw()


class _Named(msgspec.Struct):
    type: str = ""


_decode = msgspec.json.Decoder(Event).decode
_decode_name = msgspec.json.Decoder(_Named).decode
_TEXT = "response.output_text.delta"


class ResponsesDecoder:
    """One answer's stream. Exactly one terminal event; nothing after it."""

    __slots__ = ("_ended", "_started", "_tellers", "heard", "opening", "sequence")

    def __init__(self) -> None:
        self.heard = Heard()
        self.sequence = -1
        """Number of the last event."""
        self.opening: msgspec.Raw | None = None
        """The response as it stood when it began."""
        self._ended = self._started = False
        heard = self.heard
        self._tellers: dict[str, Callable[[Event], list[StreamEvent]]] = {
            _TEXT: lambda event: heard.words(self._item(event), event.content_index or 0, event.delta),
            "response.output_text.done": lambda event: heard.rest_of_words(
                self._item(event), event.content_index or 0, event.text
            ),
            "response.refusal.delta": lambda event: heard.refusal(
                self._item(event), event.content_index or 0, event.delta
            ),
            "response.refusal.done": lambda event: heard.rest_of_refusal(
                self._item(event), event.content_index or 0, event.refusal
            ),
            "response.reasoning_summary_text.delta": lambda event: heard.summary(
                self._item(event), event.summary_index or 0, event.delta
            ),
            "response.reasoning_summary_text.done": lambda event: heard.rest_of_summary(
                self._item(event), event.summary_index or 0, event.text
            ),
            "response.reasoning_text.delta": lambda event: heard.thought(
                self._item(event), event.content_index or 0, event.delta
            ),
            "response.function_call_arguments.delta": lambda event: heard.args(self._item(event), event.delta),
            "response.custom_tool_call_input.delta": lambda event: heard.args(self._item(event), event.delta),
            "response.function_call_arguments.done": lambda event: heard.rest_of_args(
                self._item(event), event.arguments
            ),
            "response.custom_tool_call_input.done": lambda event: heard.rest_of_args(self._item(event), event.input),
            "response.output_text.annotation.added": lambda event: heard.source(
                self._item(event), event.content_index or 0, event.annotation
            ),
            "response.content_part.added": lambda event: heard.opened(
                self._item(event), event.content_index, event.part
            ),
            "response.reasoning_summary_part.added": lambda event: heard.opened(
                self._item(event), event.summary_index, event.part
            ),
            "response.content_part.done": lambda event: heard.shut(self._item(event), event.content_index, event.part),
            "response.reasoning_summary_part.done": lambda event: heard.shut(
                self._item(event), event.summary_index, event.part
            ),
            "response.output_item.added": self._added,
            "response.output_item.done": self._done,
            "response.created": self._begin,
            "response.in_progress": self._begin,
            "response.queued": self._begin,
            "response.completed": self._finish,
            "response.incomplete": self._finish,
            "response.failed": self._finish,
            "response.cancelled": self._finish,
        }

    def frame(self, frame: Frame) -> list[StreamEvent]:
        """The events of one frame; garbage is `Failed`, an event we do not know is only a sign of life."""
        if self._ended:
            return []
        data = frame.data
        if not data:
            return [Heartbeat()]
        try:
            event = _decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._unreadable(frame)
        if event.sequence_number is not None:
            self.sequence = event.sequence_number
        tell = self._tellers.get(event.type)
        if tell is not None:
            return tell(event)
        if event.type == "error" or (not event.type and not event.response):
            return self._end(read_failure(data))
        return [Heartbeat()]

    def close(self) -> list[StreamEvent]:
        """At the end of the bytes: `Cut`, unless the end was told."""
        return [] if self._ended else self._end(Cut())

    def _unreadable(self, frame: Frame) -> list[StreamEvent]:
        if frame.data[:6] == b"[DONE]":
            return self.close()
        try:
            known = _decode_name(frame.data).type
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            known = ""
        if known and known not in self._tellers:
            return self._end(read_failure(frame.data)) if known == "error" else [Heartbeat()]
        whole = frame.raw.endswith((b"\n\n", b"\r\r", b"\r\n\r\n"))
        return self._end(read_failure(frame.data)) if whole else []  # half a frame at the end of the bytes is a cut

    def _item(self, event: Event) -> Item:
        return self.heard.item(event.output_index, event.item_id, None)

    def _begin(self, event: Event) -> list[StreamEvent]:
        if self._started or not event.response:
            return [Heartbeat()]
        said = self._response(event)
        if said is None:
            return [Heartbeat()]
        self._started, self.opening = True, event.response
        return [Started(said.id, said.model)]

    def _response(self, event: Event) -> Response | None:
        try:
            return read_response(event.response) if event.response else None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None

    def _added(self, event: Event) -> list[StreamEvent]:
        if event.item is None:
            return []
        return self.heard.added(event.output_index, event.item)

    def _done(self, event: Event) -> list[StreamEvent]:
        if event.item is None:
            return []
        return self.heard.done(event.output_index, event.item)

    def _finish(self, event: Event) -> list[StreamEvent]:
        said = self._response(event)
        if said is None:
            return self._end(read_failed(None))
        events: list[StreamEvent] = [] if self._started else [Started(said.id, said.model)]
        self._started = True
        usage = said.counted() if said.output else self.heard.counted(said.usage)
        if event.type in ("response.failed", "response.cancelled"):
            events += [UsageSeen(usage)] if usage is not None else []
            return events + self._end(read_failed(said.error))
        for index, item in enumerate(said.output or ()):
            events += self.heard.told_again(index, item)
        events += self.heard.close()
        status = "incomplete" if event.type == "response.incomplete" else said.status
        reason = msgspec.structs.replace(said, status=status).reason()
        events.append(Finished(read_finish(reason, self.heard.calls > 0)))
        events += [UsageSeen(usage)] if usage is not None else []
        return events + self._end(Completed())

    def _end(self, terminal: StreamEvent) -> list[StreamEvent]:
        self._ended = True
        return [*self.heard.close(), terminal]
