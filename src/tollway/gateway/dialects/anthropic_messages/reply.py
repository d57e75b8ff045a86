"""Whole answers of the Messages dialect, both ways (relay.md 6.3, 6.6)."""

from typing import Any

import msgspec

from tollway.core.chat import Part, Raw, Reasoning, Refusal, Text, ToolCall, ToolKind
from tollway.core.media import Media
from tollway.core.stream import Answer, Choice, Finish
from tollway.core.usage import Usage
from tollway.gateway.dialect import Glance, Opaque, Voice
from tollway.gateway.dialects.anthropic_messages.citations import FAMILY, read_citations, write_citations
from tollway.gateway.dialects.anthropic_messages.counts import (
    WireUsage,
    finish_of,
    stop_reason_of,
    usage_of,
    write_usage,
)
from tollway.gateway.dialects.anthropic_messages.error import error_in_answer
from tollway.gateway.dialects.anthropic_messages.seals import placeholder, wrap, wrap_tool
from tollway.gateway.dialects.anthropic_messages.tools import input_of

Block = dict[str, Any]


class _Peek(msgspec.Struct):
    type: str = ""
    text: str | None = None


class _Glanced(msgspec.Struct):
    type: str
    content: list[_Peek] = []
    stop_reason: str | None = None
    usage: WireUsage | None = None


class _Message(msgspec.Struct):
    type: str
    id: str = ""
    model: str = ""
    content: list[Block] = []
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: WireUsage | None = None


_glance = msgspec.json.Decoder(_Glanced).decode
_message = msgspec.json.Decoder(_Message).decode
_encode = msgspec.json.Encoder().encode


def glance(data: bytes) -> Glance:
    """Usage of an answer that passes through. Raises ValueError on what is not an answer."""
    seen = _glance(data)
    if seen.type != "message":
        raise ValueError(f"not an answer but {seen.type!r}")
    empty = all(block.type == "text" and not block.text for block in seen.content)
    return Glance(usage_of(seen.usage) if seen.usage else None, empty, seen.stop_reason or "")


def read_reply(data: bytes) -> Answer:
    """Understand an answer. Raises ValueError on what is not one, Fault on an error in a 200."""
    wire = _message(data)
    if wire.type != "message":
        fault = error_in_answer(data)
        raise fault if fault else ValueError(f"not an answer but {wire.type!r}")
    try:
        parts = tuple(part for block in wire.content if (part := _read_block(block)) is not None)
    except KeyError as error:
        raise ValueError(f"a content block lacks {error}") from error
    choice = Choice(parts, finish_of(wire.stop_reason), wire.stop_sequence)
    return Answer(wire.id, wire.model, (choice,), usage_of(wire.usage) if wire.usage else None)


def _read_block(block: Block) -> Part | None:
    kind = block.get("type")
    if kind == "text":
        text, citations = str(block["text"]), read_citations(block.get("citations"))
        return Text(text, citations=citations) if text or citations else None
    if kind == "thinking":
        signature = block.get("signature") or None
        return Reasoning(str(block["thinking"]), signature=signature, family=FAMILY if signature else None)
    if kind == "redacted_thinking":
        return Reasoning(redacted=str(block["data"]), family=FAMILY)
    if kind == "tool_use":
        return ToolCall(str(block["id"]), str(block["name"]), _encode(block.get("input") or {}).decode())
    return Raw(FAMILY, block)


def write_reply(answer: Answer, voice: Voice) -> bytes:
    """Say an answer: thoughts first, one empty text when nothing was said."""
    choice = answer.choices[0] if answer.choices else Choice((), Finish.STOP)
    parts = sorted(choice.parts, key=lambda part: not isinstance(part, Reasoning))
    content = [block for slot, part in enumerate(parts) for block in _write_part(_named(part, answer.id, slot), voice)]
    tools = any(block["type"] == "tool_use" for block in content)
    refused = any(isinstance(part, Refusal) for part in parts)
    finish = Finish.CONTENT_FILTER if refused else choice.finish
    usage = answer.usage or Usage(input_total=voice.input_estimate)
    return _encode(
        {
            "id": message_id(answer.id or voice.request_id),
            "type": "message",
            "role": "assistant",
            "model": voice.model,
            "content": content or [{"type": "text", "text": ""}],
            "stop_reason": stop_reason_of(finish, tools),
            "stop_sequence": choice.stop_sequence,
            "usage": write_usage(usage),
        }
    )


def message_id(name: str) -> str:
    """An answer's id as the vendor forms them."""
    return name if name.startswith("msg_") else "msg_" + name


def tool_id(name: str, message: str, slot: int) -> str:
    """A call's id; made from the answer's own when the upstream gave none."""
    return name or f"toolu_{message.removeprefix('msg_')}_{slot}"


def _named(part: Part, message: str, slot: int) -> Part:
    """The part, a call without an id given one."""
    if not isinstance(part, ToolCall) or part.id:
        return part
    return msgspec.structs.replace(part, id=tool_id("", message, slot))


def _write_part(part: Part, voice: Voice) -> list[Block]:
    """The blocks of one part of an answer; none for what a Claude client could not read."""
    if isinstance(part, Reasoning):
        return _write_thought(part, voice.opaque)
    if isinstance(part, ToolCall):
        return _write_call(part, voice.opaque)
    if isinstance(part, Raw):
        return [part.value] if part.family == FAMILY and isinstance(part.value, dict) else []
    text = _text_of(part)
    return [] if text is None else [text]


def _text_of(part: Part) -> Block | None:
    if isinstance(part, Text):
        citations = write_citations(part.citations)
        block: Block = {"type": "text", "text": part.text}
        return block | {"citations": citations} if citations else block
    if isinstance(part, Refusal):
        return {"type": "text", "text": part.text}
    return {"type": "text", "text": said_as_text(part)} if isinstance(part, Media) else None


def said_as_text(media: Media) -> str:
    """A picture or sound of an answer as a Markdown link: Messages has no block for it."""
    place = media.url or f"data:{media.mime or 'application/octet-stream'};base64,{media.data or ''}"
    link = f"[{media.kind.value}]({place})"
    return f"!{link}" if media.kind.value == "image" else (media.transcript or link)


def _write_thought(part: Reasoning, opaque: Opaque | None) -> list[Block]:
    blocks: list[Block] = []
    if part.text or part.signature:
        seal = wrap(part.family or "", part.signature, opaque) if part.signature else placeholder(opaque)
        blocks.append({"type": "thinking", "thinking": part.text, "signature": seal})
    data = wrap(part.family or "", part.redacted, opaque) if part.redacted else ""
    if data:
        blocks.append({"type": "redacted_thinking", "data": data})
    return blocks


def _write_call(part: ToolCall, opaque: Opaque | None) -> list[Block]:
    if part.kind is ToolKind.SERVER:
        return []
    seal = wrap_tool(part.id, part.family, part.signature, opaque)
    block = {"type": "tool_use", "id": part.id, "name": part.name, "input": input_of(part.args_json, part.kind)}
    return [{"type": "redacted_thinking", "data": seal}, block] if seal else [block]


def write_count(tokens: int) -> bytes:
    """The answer of count_tokens."""
    return _encode({"input_tokens": tokens})
