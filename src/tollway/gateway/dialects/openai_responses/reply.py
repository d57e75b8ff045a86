"""A whole response, understood and written."""

from typing import Any

import msgspec

from tollway.core.chat import Part, Raw, Reasoning, Refusal, Text, ToolCall, ToolKind
from tollway.core.media import Media, MediaKind
from tollway.core.stream import Answer, Choice
from tollway.core.usage import Usage
from tollway.gateway.dialect import Glance
from tollway.gateway.dialects.openai_responses.error import fault_of_failed, read_fault
from tollway.gateway.dialects.openai_responses.finish import read_finish
from tollway.gateway.dialects.openai_responses.parts import RAW, read_annotations
from tollway.gateway.dialects.openai_responses.seals import Owned, read_item, settle
from tollway.gateway.dialects.openai_responses.usage import WireUsage, counted, read_usage

Item = dict[str, Any]
_UNFINISHED = frozenset({"queued", "in_progress"})


class Details(msgspec.Struct):
    """Why a response is incomplete."""

    reason: str | None = None


class Response(msgspec.Struct):
    """A response as far as it is read."""

    id: str = ""
    model: str = ""
    status: str | None = None
    output: list[Item] | None = None
    usage: Any = None
    error: Any = None
    incomplete_details: Details | None = None

    def reason(self) -> str | None:
        """Why it is incomplete; None when it is not."""
        if self.status != "incomplete":
            return None
        return (self.incomplete_details.reason if self.incomplete_details else None) or "unstated"

    def counted(self) -> Usage | None:
        """What it consumed."""
        return read_usage(self.usage, [str(item.get("type")) for item in self.output or ()])


class _GlancedItem(msgspec.Struct, gc=False):
    type: str = ""
    content: Any = None
    summary: Any = None
    encrypted_content: str | None = None


class _Glanced(msgspec.Struct, gc=False):
    object: str
    status: str
    output: list[_GlancedItem]
    usage: WireUsage | None = None
    incomplete_details: Details | None = None


read_response = msgspec.json.Decoder(Response).decode
_glance = msgspec.json.Decoder(_Glanced).decode


def glance(body: bytes) -> Glance:
    """Usage and silence of a response that passes through. Raises ValueError on what is not one that ended well."""
    try:
        seen = _glance(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not a response: {error}") from error
    if seen.object != "response" or seen.status not in ("completed", "incomplete"):
        raise ValueError(f"not a response but {seen.object[:40]!r} {seen.status[:40]!r}")
    usage = counted(seen.usage, [item.type for item in seen.output]) if seen.usage is not None else None
    reason = seen.incomplete_details.reason if seen.incomplete_details else None
    return Glance(usage, not any(_says(item) for item in seen.output), "length" if reason == _LENGTH else "")


_LENGTH = "max_output_tokens"


def _says(item: _GlancedItem) -> bool:
    if item.type == "message":
        parts = item.content if isinstance(item.content, list) else []
        return any(isinstance(part, dict) and (part.get("text") or part.get("refusal")) for part in parts)
    if item.type == "reasoning":
        return bool(item.summary or item.content or item.encrypted_content)
    return True


def read_reply(body: bytes) -> Answer:
    """The whole answer. Raises ValueError on what is not one, Fault when a 200 carries an error."""
    try:
        said = read_response(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not a response: {error}") from error
    if said.status in ("failed", "cancelled"):
        raise fault_of_failed(said.error)
    if said.output is None or said.status in _UNFINISHED:
        fault = read_fault(body)
        if fault is not None:
            raise fault
        raise ValueError(f"not a response that has ended: {said.status!r}")
    found = [part for item in said.output for part in read_output(item)]
    parts = settle([part for part in found if part is not None])
    called = any(isinstance(part, ToolCall) for part in parts)
    choice = Choice(parts, read_finish(said.reason(), called))
    return Answer(said.id, said.model, (choice,), said.counted())


def read_output(item: Item) -> list[Part | Owned | None]:
    """The parts of one item of an answer."""
    kind = item.get("type")
    if kind == "message":
        return [_read_words(part) for part in _objects(item.get("content"))]
    if kind == "reasoning":
        return [read_item(item, None)]
    call = read_call(item)
    if call is not None:
        return [call]
    picture = read_picture(item)
    return [picture if picture is not None else Raw(RAW, item)]


def _read_words(part: Item) -> Part | None:
    refusal = word(part.get("refusal"))
    if refusal:
        return Refusal(refusal)
    words, citations = word(part.get("text")), tuple(read_annotations(part.get("annotations")))
    return Text(words, citations=citations) if words or citations else None


def read_call(item: Item) -> ToolCall | None:
    """The call an item is; None when it is none."""
    kind = item.get("type")
    call_id = word(item.get("call_id")) or word(item.get("id"))
    if kind == "function_call":
        return ToolCall(call_id, word(item.get("name")), word(item.get("arguments")) or "{}")
    if kind == "custom_tool_call":
        return ToolCall(call_id, word(item.get("name")), word(item.get("input")), ToolKind.CUSTOM)
    return None


def read_picture(item: Item) -> Media | None:
    """The picture that the provider's own tool has drawn; None when the item is none."""
    data = word(item.get("result"))
    if item.get("type") != "image_generation_call" or not data:
        return None
    return Media(kind=MediaKind.IMAGE, mime=f"image/{word(item.get('output_format')) or 'png'}", data=data)


def thought_of(item: Item) -> Reasoning | None:
    """The thought of a reasoning item as the vendor wrote it."""
    thought = read_item(item, None)
    return thought if isinstance(thought, Reasoning) else None


def word(value: Any) -> str:
    """A string; empty when it is none."""
    return value if isinstance(value, str) else ""


def _objects(value: Any) -> list[Item]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
