"""A whole response out of a stream of events, for callers who did not ask for a stream where nothing else is given."""

from typing import Any

import msgspec

from tollway.core.errors import Fault
from tollway.gateway.dialects.openai_responses.error import read_failure
from tollway.gateway.remedy import remedy_of
from tollway.kit.sse import Frame, SseReader

_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed", "response.cancelled"})
_DONE = "response.output_item.done"


class _Event(msgspec.Struct, gc=False):
    type: str = ""
    output_index: int | None = None
    item: msgspec.Raw = msgspec.Raw()
    response: msgspec.Raw = msgspec.Raw()


class _Payload(msgspec.Struct):
    output: list[Any] | None = None


_decode = msgspec.json.Decoder(_Event).decode
_payload = msgspec.json.Decoder(_Payload).decode


class Gatherer:
    """Feed it the stream until it says that this was all; then the body is that of a whole answer."""

    def __init__(self) -> None:
        self._frames = SseReader()
        self._items: dict[int, msgspec.Raw] = {}
        """What was said, as it was finished: some servers leave it out of the last event."""
        self._plain: list[bytes] = []
        """An answer that is no stream at all."""
        self._response: bytes | None = None
        self._begun = False

    def feed(self, data: bytes) -> bool:
        """Whether all is there. Raises Fault for an error that the stream tells, ValueError for what is no stream."""
        if not self._begun and (start := data.lstrip()):
            self._begun = True
            if start.startswith(b"{"):
                self._plain.append(b"")
        if self._plain:
            self._plain.append(data)
            return False
        for frame in self._frames.feed(data):
            self._take(frame)
        return self._response is not None

    def body(self) -> bytes:
        """The whole answer. Raises ValueError when the stream ended without one."""
        if self._plain:
            return b"".join(self._plain)
        if self._response is None:
            for frame in self._frames.close():
                self._take(frame)
        if self._response is None:
            raise ValueError("the stream ended without its answer")
        return self._response

    def _take(self, frame: Frame) -> None:
        if not frame.data or frame.data.startswith(b"[DONE]") or self._response is not None:
            return
        try:
            event = _decode(frame.data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ValueError(f"not an event: {error}") from error
        if event.type == "error":
            failed = read_failure(frame.data)
            remedy = remedy_of(failed.status, failed.message, failed.code)
            raise Fault(failed.message, status=failed.status, remedy=remedy, code=failed.code)
        if event.type == _DONE and event.item:
            self._items[len(self._items) if event.output_index is None else event.output_index] = event.item
        elif event.type in _ENDS and event.response:
            self._response = self._whole(event.response)

    def _whole(self, response: msgspec.Raw) -> bytes:
        """The last event's payload; with the items that came before it, where it has none."""
        if not self._items or _payload(response).output:
            return bytes(response)
        fields = msgspec.json.decode(response, type=dict[str, msgspec.Raw])
        items = [self._items[place] for place in sorted(self._items)]
        return msgspec.json.encode(fields | {"output": items})
