"""The items of one answer in a stream: what of each was told, so that nothing is told twice and nothing left out."""

from typing import Any

from tollway.core.chat import ToolKind
from tollway.core.stream import (
    Cited,
    Heartbeat,
    MediaPiece,
    RawPiece,
    ReasoningDelta,
    ReasoningSeal,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ToolArgs,
    ToolEnd,
    ToolStart,
)
from tollway.core.usage import Usage
from tollway.gateway.dialects.openai_responses.parts import RAW, read_annotation
from tollway.gateway.dialects.openai_responses.reply import read_call, read_picture, thought_of, word
from tollway.gateway.dialects.openai_responses.usage import read_usage

Wire = dict[str, Any]
_CALLS = ("function_call", "custom_tool_call")
_WORDS, _REFUSAL, _SUMMARY, _THOUGHT, _ARGS = "text", "refusal", "summary", "content", "args"
_PARTS = {"output_text": _WORDS, "refusal": _REFUSAL, "summary_text": _SUMMARY, "reasoning_text": _THOUGHT}
Place = tuple[str, int]
"""What of an item: its words, refusal, summary, thought or arguments, and the number of the part."""


class Item:
    """One item of the output."""

    __slots__ = ("done", "id", "index", "kind", "shut", "slot", "sources", "told", "whole", "wire")

    def __init__(self) -> None:
        self.kind = ""
        """Empty while only pieces of it have come."""
        self.id = ""
        self.index: int | None = None
        """Its place in the output, if the server has named it."""
        self.slot = -1
        """Ordinal among the tool calls; -1 before it began, and for anything else."""
        self.told: dict[Place, list[str]] = {}
        self.whole: set[Place] = set()
        """Parts whose words were told to the end."""
        self.shut: set[Place] = set()
        """Parts that have ended."""
        self.sources: dict[int, list[Any]] = {}
        """Annotations of each part, as they came."""
        self.done = False
        self.wire: Wire = {}
        """The item as it came last."""

    def said(self, place: Place) -> str:
        """All that was told of one of its parts."""
        return "".join(self.told.get(place, ()))


class Heard:
    """The output so far. Items are known by index, id and call id together: not every server tells all three."""

    __slots__ = ("_by_id", "_by_index", "_nameless", "_thinking", "calls", "items")

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.calls = 0
        self._by_index: dict[int, Item] = {}
        self._by_id: dict[str, Item] = {}
        self._nameless: Item | None = None
        """An item whose pieces came without any name, so that the next name is its own."""
        self._thinking: tuple[Item, Place] | None = None
        """Whose thought was told last."""

    def item(self, index: int | None, item_id: str | None, call_id: str | None) -> Item:
        """The item meant; a new one when nothing of it has come yet. Without any name it is the last one."""
        found = self._by_index.get(index) if index is not None else None
        for name in (item_id, call_id):
            found = found or (self._by_id.get(name) if name else None)
        nameless = index is None and not item_id and not call_id
        if found is None and self.items and (nameless or self._nameless is self.items[-1]):
            found = self.items[-1]
        if found is None:
            found = Item()
            self.items.append(found)
            self._nameless = found if nameless else None
        elif not nameless and self._nameless is found:
            self._nameless = None
        if index is not None and self._by_index.setdefault(index, found) is found:
            found.index = index
        for name in (item_id, call_id):
            if name:
                self._by_id.setdefault(name, found)
        return found

    # -- pieces ------------------------------------------------------------------------------------------------

    def opened(self, item: Item, part: int | None, of: Any) -> list[StreamEvent]:
        """A part has begun, though nothing of it was said yet."""
        place = _place(part, of)
        if place is not None:
            item.told.setdefault(place, [])
        return [Heartbeat()]

    def shut(self, item: Item, part: int | None, of: Any) -> list[StreamEvent]:
        """A part has ended."""
        place = _place(part, of)
        if place is not None:
            item.shut.add(place)
        return [Heartbeat()]

    def words(self, item: Item, part: int, delta: Any) -> list[StreamEvent]:
        """Words of the answer."""
        return [TextDelta(delta)] if _add(item, (_WORDS, part), delta) else []

    def refusal(self, item: Item, part: int, delta: Any) -> list[StreamEvent]:
        """Words of a refusal."""
        return [RefusalDelta(delta)] if _add(item, (_REFUSAL, part), delta) else []

    def summary(self, item: Item, part: int, delta: Any) -> list[StreamEvent]:
        """Words of a thought's summary."""
        return self._think(item, (_SUMMARY, part), delta)

    def thought(self, item: Item, part: int, delta: Any) -> list[StreamEvent]:
        """Words of the thought itself."""
        return self._think(item, (_THOUGHT, part), delta)

    def _think(self, item: Item, place: Place, delta: Any) -> list[StreamEvent]:
        if not _add(item, place, delta):
            return []
        before, self._thinking = self._thinking, (item, place)
        apart = before is not None and before != (item, place)
        return [ReasoningDelta(f"\n\n{delta}" if apart else delta)]

    def args(self, item: Item, delta: Any) -> list[StreamEvent]:
        """A fragment of a call's arguments; it waits until the call itself is known."""
        told = _add(item, (_ARGS, 0), delta)
        return [ToolArgs(item.slot, delta)] if told and item.slot >= 0 else []

    def source(self, item: Item, part: int, annotation: Any) -> list[StreamEvent]:
        """A source of the words so far."""
        item.sources.setdefault(part, []).append(annotation)
        citation = read_annotation(annotation) if isinstance(annotation, dict) else None
        return [Cited(citation)] if citation is not None else []

    # -- what a closing event repeats: only the remainder is news ----------------------------------------------

    def rest_of_words(self, item: Item, part: int, whole: Any) -> list[StreamEvent]:
        """What of the words was not told yet."""
        return self.words(item, part, _rest(item, (_WORDS, part), whole))

    def rest_of_refusal(self, item: Item, part: int, whole: Any) -> list[StreamEvent]:
        """What of the refusal was not told yet."""
        return self.refusal(item, part, _rest(item, (_REFUSAL, part), whole))

    def rest_of_summary(self, item: Item, part: int, whole: Any) -> list[StreamEvent]:
        """What of the summary was not told yet."""
        return self.summary(item, part, _rest(item, (_SUMMARY, part), whole))

    def rest_of_args(self, item: Item, whole: Any) -> list[StreamEvent]:
        """What of the arguments was not told yet."""
        return self.args(item, _rest(item, (_ARGS, 0), whole))

    # -- items -------------------------------------------------------------------------------------------------

    def added(self, index: int | None, wire: Wire) -> list[StreamEvent]:
        """An item begins; most are told by the pieces that follow."""
        item = self._known(index, wire)
        return self._begin(item, wire)

    def _known(self, index: int | None, wire: Wire) -> Item:
        return self.item(index, word(wire.get("id")) or None, word(wire.get("call_id")) or None)

    def _begin(self, item: Item, wire: Wire) -> list[StreamEvent]:
        if item.kind:
            return []
        item.kind, item.id, item.wire = word(wire.get("type")) or "unknown", word(wire.get("id")), wire
        if item.kind not in _CALLS:
            return []
        call = read_call(wire)
        if call is None:
            return []
        item.slot = self.calls
        self.calls += 1
        begun: list[StreamEvent] = [ToolStart(item.slot, call.id or f"call_{item.slot}", call.name, call.kind)]
        waiting = item.said((_ARGS, 0))
        return [*begun, ToolArgs(item.slot, waiting)] if waiting else begun

    def done(self, index: int | None, wire: Wire) -> list[StreamEvent]:
        """An item is complete: whatever of it was not told yet, once."""
        return self._complete(self._known(index, wire), wire)

    def _complete(self, item: Item, wire: Wire) -> list[StreamEvent]:
        if item.done:
            return []
        events = self._begin(item, wire)
        item.done, item.wire = True, wire
        if item.kind == "message":
            return events + self._end_message(item, wire)
        if item.kind == "reasoning":
            return events + self._end_thought(item, wire)
        if item.kind in _CALLS:
            return events + self._end_call(item, wire)
        picture = read_picture(wire)
        return [*events, MediaPiece(picture) if picture is not None else RawPiece(RAW, wire)]

    def _end_message(self, item: Item, wire: Wire) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        for part, said in enumerate(_objects(wire.get("content"))):
            events += self.rest_of_words(item, part, said.get("text"))
            events += self.rest_of_refusal(item, part, said.get("refusal"))
            annotations = said.get("annotations")
            news = annotations[len(item.sources.get(part, ())) :] if isinstance(annotations, list) else []
            for annotation in news:
                events += self.source(item, part, annotation)
        return events

    def _end_thought(self, item: Item, wire: Wire) -> list[StreamEvent]:
        events: list[StreamEvent] = []
        for name in (_SUMMARY, _THOUGHT):
            for part, said in enumerate(_objects(wire.get(name))):
                events += self._think(item, (name, part), _rest(item, (name, part), said.get("text")))
        thought = thought_of(wire)
        if thought is not None and thought.redacted and thought.family:
            events.append(ReasoningSeal(thought.family, redacted=thought.redacted))
            self._thinking = None
        return events

    def _end_call(self, item: Item, wire: Wire) -> list[StreamEvent]:
        call = read_call(wire)
        whole = call.args_json if call is not None else ""
        if call is not None and call.kind is ToolKind.FUNCTION and not item.said((_ARGS, 0)):
            return [*self.args(item, whole or "{}"), ToolEnd(item.slot)]
        return [*self.rest_of_args(item, whole), ToolEnd(item.slot)]

    def told_again(self, index: int, wire: Wire) -> list[StreamEvent]:
        """An item as the whole response repeats it: told only if the stream has left it out.

        The repetition has no index of its own, and not every server keeps to its ids; but a call has its call id, and
        of anything else a second one of the kind would have been streamed, too.
        """
        kind = word(wire.get("type"))
        names = (word(wire.get("call_id")), word(wire.get("id")))
        known = next((self._by_id[name] for name in names if name in self._by_id), self._by_index.get(index))
        if known is not None and known.kind in ("", kind):
            return self._complete(known, wire)
        if kind not in _CALLS and any(item.kind == kind for item in self.items):
            return []
        return self.done(None, wire)

    def close(self) -> list[StreamEvent]:
        """End every call that is still open."""
        still = [item for item in self.items if item.slot >= 0 and not item.done]
        for item in still:
            item.done = True
        return [ToolEnd(item.slot) for item in still]

    def counted(self, usage: Any) -> Usage | None:
        """What the answer consumed, where the whole response does not repeat its output."""
        return read_usage(usage, [item.kind for item in self.items])


def _place(part: int | None, of: Any) -> Place | None:
    kind = of.get("type") if isinstance(of, dict) else None
    name = _PARTS.get(kind) if isinstance(kind, str) else None
    return (name, part or 0) if name is not None else None


def _add(item: Item, place: Place, delta: Any) -> bool:
    if not isinstance(delta, str) or not delta:
        return False
    told = item.told.get(place)
    if told is None:
        item.told[place] = [delta]
    else:
        told.append(delta)
    return True


def _rest(item: Item, place: Place, whole: Any) -> str:
    """What of `whole` was not told; nothing when it contradicts what was."""
    if not isinstance(whole, str):
        return ""
    item.whole.add(place)
    told = item.said(place)
    return whole[len(told) :] if whole.startswith(told) else ""


def _objects(value: Any) -> list[Wire]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
