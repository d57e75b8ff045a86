"""Canonical turns as the alternating turns that Messages demands (relay.md 6.2)."""

import hashlib
import re
from typing import Any

import msgspec

from tollway.core.chat import Message, Part, Raw, Reasoning, Refusal, Role, Text, ToolCall, ToolResult
from tollway.core.errors import Unsupported
from tollway.core.media import Media
from tollway.gateway.dialects.anthropic_messages.attach import write_media
from tollway.gateway.dialects.anthropic_messages.breakpoints import cache_control
from tollway.gateway.dialects.anthropic_messages.citations import FAMILY, own_citations
from tollway.gateway.dialects.anthropic_messages.tools import good_name, input_of

Block = dict[str, Any]
_INSTRUCTIONS = frozenset({Role.SYSTEM, Role.DEVELOPER})
_GOOD_ID = re.compile(r"[a-zA-Z0-9_-]+")


class Turns(msgspec.Struct):
    """A conversation on its way into the vendor's shape."""

    system: list[Block] = []
    messages: list[Block] = []
    renamed: dict[str, str] = {}
    dropped: set[str] = set()


def write_turns(messages: tuple[Message, ...]) -> Turns:
    """System blocks and alternating turns, beginning with the user. Raises Unsupported naming the part."""
    turns = Turns()
    leading = True
    for number, message in enumerate(messages):
        if message.name:
            turns.dropped.add("messages.name")
        leading = leading and message.role in _INSTRUCTIONS
        at = f"messages[{number}].content"
        if leading:
            turns.system += [
                block for n, part in enumerate(message.parts) if (block := _instruction(part, f"{at}[{n}]"))
            ]
        else:
            _append(turns, message, at)
    if not turns.messages or turns.messages[0]["role"] != "user":
        turns.messages.insert(0, {"role": "user", "content": [{"type": "text", "text": "..."}]})
    return turns


def finish_turns(turns: Turns, prefill: bool) -> None:
    """Make the last turn one the vendor accepts: a prefill without trailing space where allowed, else the user's."""
    last = turns.messages[-1]
    if last["role"] != "assistant":
        return
    if not prefill:
        turns.messages.append({"role": "user", "content": [{"type": "text", "text": "Continue."}]})
        return
    end = last["content"][-1]
    if end["type"] == "text":
        end["text"] = end["text"].rstrip()


def good_id(call_id: str) -> str:
    """The call's id as the vendor accepts it; the same id always becomes the same."""
    if _GOOD_ID.fullmatch(call_id):
        return call_id
    return re.sub(r"[^a-zA-Z0-9_-]", "_", call_id) + "_" + hashlib.sha256(call_id.encode()).hexdigest()[:8]


def _append(turns: Turns, message: Message, at: str) -> None:
    role = "assistant" if message.role is Role.ASSISTANT else "user"
    wrap = message.role in _INSTRUCTIONS
    blocks = [
        block
        for number, part in enumerate(message.parts)
        if (
            block := _instruction(part, f"{at}[{number}]", wrap)
            if wrap
            else _block(part, f"{at}[{number}]", role, turns)
        )
    ]
    if not blocks:
        return
    if not turns.messages or turns.messages[-1]["role"] != role:
        turns.messages.append({"role": role, "content": []})
    content = turns.messages[-1]["content"]
    results = [block for block in content + blocks if block["type"] == "tool_result"]
    content[:] = results + [block for block in content + blocks if block["type"] != "tool_result"]


def _instruction(part: Part, at: str, wrap: bool = False) -> Block | None:
    if not isinstance(part, Text):
        raise Unsupported(f"{at}: instructions to Claude models are text only", field=at)
    if not part.text.strip():
        return None
    text = f"<system>\n{part.text}\n</system>" if wrap else part.text
    return {"type": "text", "text": text} | cache_control(part.cache)


def _block(part: Part, at: str, role: str, turns: Turns) -> Block | None:
    if isinstance(part, Text | Refusal):
        return _text(part)
    if isinstance(part, Reasoning):
        return _thought(part, turns)
    if isinstance(part, Media):
        return _media(part, at, role)
    if isinstance(part, ToolCall):
        return _call(part, turns)
    return _result(part, at) if isinstance(part, ToolResult) else _raw(part, at)


def _media(part: Media, at: str, role: str) -> Block:
    if role == "assistant":
        raise Unsupported(f"{at}: Claude models take media from the user only", field=at)
    return write_media(part, at)


def _call(part: ToolCall, turns: Turns) -> Block:
    name, args = good_name(part.name, turns.renamed), input_of(part.args_json, part.kind)
    return {"type": "tool_use", "id": good_id(part.id), "name": name, "input": args} | cache_control(part.cache)


def _text(part: Text | Refusal) -> Block | None:
    if not part.text.strip():
        return None
    block: Block = {"type": "text", "text": part.text}
    if isinstance(part, Refusal):
        return block
    citations = own_citations(part.citations)
    if citations:
        block["citations"] = citations
    return block | cache_control(part.cache)


def _result(part: ToolResult, at: str) -> Block:
    block: Block = {"type": "tool_result", "tool_use_id": good_id(part.call_id)}
    content = [
        one
        for number, piece in enumerate(part.parts)
        if (one := _text(piece) if isinstance(piece, Text) else write_media(piece, f"{at}.parts[{number}]"))
    ]
    if content:
        block["content"] = content
    if part.is_error:
        block["is_error"] = True
    return block | cache_control(part.cache)


def _thought(part: Reasoning, turns: Turns) -> Block | None:
    """A thought under the vendor's own seal; it answers 400 to any other, so others are left out."""
    if part.family == FAMILY and part.redacted is not None:
        return {"type": "redacted_thinking", "data": part.redacted}
    if part.family == FAMILY and part.signature:
        return {"type": "thinking", "thinking": part.text, "signature": part.signature}
    turns.dropped.add("reasoning")
    return None


def _raw(part: Raw, at: str) -> Block:
    if part.family != FAMILY or not isinstance(part.value, dict):
        raise Unsupported(f"{at}: only {part.family} models understand this part", field=at)
    return part.value
