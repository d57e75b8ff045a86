"""The frames of a stream: each event numbered, each item told from its first word to its last (relay.md 6.15)."""

from typing import Any

import msgspec

from tollway.core.chat import Citation, ToolKind
from tollway.gateway.dialects.openai_responses.parts import output_text, write_annotation

Fields = dict[str, Any]
_encode = msgspec.json.Encoder().encode
_TAIL = b',"logprobs":[]}\n\n'


class Line:
    """Where events are written; it counts them."""

    __slots__ = ("number",)

    def __init__(self, number: int = 0) -> None:
        self.number = number
        """Of the next event."""

    def say(self, kind: str, fields: Fields) -> bytes:
        """One event. `fields` may not be empty."""
        number, self.number = self.number, self.number + 1
        name = kind.encode()
        return b'event: %b\ndata: {"type":"%b","sequence_number":%d,%b\n\n' % (name, name, number, _encode(fields)[1:])


class Open:
    """An item that has begun: its place in the output, and what all of its events repeat."""

    __slots__ = ("_line", "_place", "id", "index", "item")

    def __init__(self, line: Line, index: int, item_id: str) -> None:
        self._line, self.index, self.id = line, index, item_id
        self._place: Fields = {"item_id": item_id, "output_index": index}
        self.item: Fields = {}
        """The item as it will stand in the response; set when it closes."""

    def _say(self, kind: str, fields: Fields) -> bytes:
        return self._line.say(kind, self._place | fields)

    def _added(self, item: Fields) -> bytes:
        return self._line.say("response.output_item.added", {"output_index": self.index, "item": item})

    def _done(self, item: Fields) -> bytes:
        self.item = item
        return self._line.say("response.output_item.done", {"output_index": self.index, "item": item})


class MessageOut(Open):
    """Words and refusals, part by part."""

    __slots__ = ("_annotations", "_content", "_head", "_refused", "_words")

    def __init__(self, line: Line, index: int, item_id: str) -> None:
        super().__init__(line, index, item_id)
        self._content: list[Fields] = []
        self._words: list[str] | None = None
        """Of the open part; None when there is none."""
        self._refused = False
        self._annotations: list[Fields] = []
        self._head = b""

    def begin(self) -> bytes:
        """The item, still empty."""
        return self._added(message(self.id, [], "in_progress"))

    def text(self, words: str) -> bytes:
        """Words of the answer."""
        begun = b"" if self._words is not None and not self._refused else self._part(refused=False)
        if self._words is not None:
            self._words.append(words)
        number, self._line.number = self._line.number, self._line.number + 1
        return begun + (self._head % number) + _encode(words) + _TAIL

    def refusal(self, words: str) -> bytes:
        """Words of a refusal."""
        begun = b"" if self._words is not None and self._refused else self._part(refused=True)
        if self._words is not None:
            self._words.append(words)
        return begun + self._say("response.refusal.delta", {"content_index": len(self._content), "delta": words})

    def cite(self, citation: Citation) -> bytes:
        """A source of the words so far."""
        entry = write_annotation(citation)
        if entry is None:
            return b""
        begun = b"" if self._words is not None and not self._refused else self._part(refused=False)
        place = {"content_index": len(self._content), "annotation_index": len(self._annotations)}
        self._annotations.append(entry)
        return begun + self._say("response.output_text.annotation.added", place | {"annotation": entry})

    def _part(self, *, refused: bool) -> bytes:
        closed = self._close_part()
        self._words, self._refused, self._annotations = [], refused, []
        at = len(self._content)
        if not refused:
            self._head = (
                b"event: response.output_text.delta\n"
                b'data: {"type":"response.output_text.delta","sequence_number":%%d,%b,"content_index":%d,"delta":'
                % (_encode(self._place)[1:-1].replace(b"%", b"%%"), at)
            )
        part = {"type": "refusal", "refusal": ""} if refused else output_text("", [])
        return closed + self._say("response.content_part.added", {"content_index": at, "part": part})

    def _close_part(self) -> bytes:
        if self._words is None:
            return b""
        words, at = "".join(self._words), {"content_index": len(self._content)}
        if self._refused:
            part: Fields = {"type": "refusal", "refusal": words}
            told = self._say("response.refusal.done", at | {"refusal": words})
        else:
            part = output_text(words, self._annotations)
            told = self._say("response.output_text.done", at | {"text": words, "logprobs": []})
        self._content.append(part)
        self._words = None
        return told + self._say("response.content_part.done", at | {"part": part})

    def close(self, status: str) -> bytes:
        """The end of the message."""
        return self._close_part() + self._done(message(self.id, self._content, status))


class ThoughtOut(Open):
    """A thought, told as a summary."""

    __slots__ = ("_words",)

    def __init__(self, line: Line, index: int, item_id: str) -> None:
        super().__init__(line, index, item_id)
        self._words: list[str] = []

    def begin(self) -> bytes:
        """The item, still empty."""
        return self._added(thought(self.id, "", None))

    def text(self, words: str) -> bytes:
        """Words of the thought."""
        begun = b""
        if not self._words:
            part = {"type": "summary_text", "text": ""}
            begun = self._say("response.reasoning_summary_part.added", {"summary_index": 0, "part": part})
        self._words.append(words)
        return begun + self._say("response.reasoning_summary_text.delta", {"summary_index": 0, "delta": words})

    def close(self, encrypted: str | None) -> bytes:
        """The end of the thought, with its seal if it has one."""
        words, told = "".join(self._words), b""
        if self._words:
            part = {"type": "summary_text", "text": words}
            told = self._say("response.reasoning_summary_text.done", {"summary_index": 0, "text": words})
            told += self._say("response.reasoning_summary_part.done", {"summary_index": 0, "part": part})
        return told + self._done(thought(self.id, words, encrypted))


class CallOut(Open):
    """A tool call with its arguments."""

    __slots__ = ("_call_id", "_custom", "_tool", "_words", "ended")

    def __init__(self, line: Line, index: int, item_id: str) -> None:
        super().__init__(line, index, item_id)
        self._call_id, self._tool = "", dict[str, Any]()
        self._custom = False
        self._words: list[str] = []
        self.ended = False

    def begin(self, call_id: str, tool: Fields, kind: ToolKind) -> bytes:
        """The call of a tool (`Shell.named`), its arguments still to come."""
        self._call_id, self._tool, self._custom = call_id, tool, kind is ToolKind.CUSTOM
        return self._added(self._as_item("", "in_progress"))

    def _as_item(self, words: str, status: str) -> Fields:
        return call(self.id, (self._call_id, self._tool, words), status, custom=self._custom)

    def args(self, fragment: str) -> bytes:
        """A fragment of the arguments."""
        self._words.append(fragment)
        kind = "response.custom_tool_call_input.delta" if self._custom else "response.function_call_arguments.delta"
        return self._say(kind, {"delta": fragment})

    def close(self) -> bytes:
        """The end of the call; a function without arguments gets the empty object, which is what it means."""
        self.ended = True
        told = self.args("{}") if not self._words and not self._custom else b""
        words = "".join(self._words)
        if self._custom:
            told += self._say("response.custom_tool_call_input.done", {"input": words})
        else:
            told += self._say("response.function_call_arguments.done", {"arguments": words})
        return told + self._done(self._as_item(words, "completed"))


def message(item_id: str, content: list[Fields], status: str) -> Fields:
    """A message of the assistant's."""
    return {"id": item_id, "type": "message", "status": status, "content": content, "role": "assistant"}


def thought(item_id: str, words: str, encrypted: str | None) -> Fields:
    """A reasoning item."""
    summary = [{"type": "summary_text", "text": words}] if words else []
    item: Fields = {"id": item_id, "type": "reasoning", "summary": summary}
    return item | ({"encrypted_content": encrypted} if encrypted else {})


def call(item_id: str, said: tuple[str, Fields, str], status: str, *, custom: bool) -> Fields:
    """A tool call: its call id, its tool (`Shell.named`) and its arguments or input."""
    call_id, tool, words = said
    if custom:
        return {"id": item_id, "type": "custom_tool_call", "call_id": call_id, **tool, "input": words}
    item: Fields = {"id": item_id, "type": "function_call", "status": status}
    return item | {"arguments": words, "call_id": call_id, **tool}


def picture(item_id: str, mime: str | None, data: str) -> Fields:
    """A picture, as the vendor's own tool gives it."""
    form = (mime or "image/png").rpartition("/")[2]
    item: Fields = {"id": item_id, "type": "image_generation_call", "status": "completed"}
    return item | {"output_format": form, "result": data}
