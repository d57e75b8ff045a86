"""One turn of the hub's conversation, words or blocks, as canonical messages."""

import json
from typing import Any

import msgspec

from tollway.core.chat import Message, Part, Reasoning, Role, Text, ToolCall, ToolResult
from tollway.core.errors import BadRequest
from tollway.core.media import Media, MediaKind
from tollway.core.places import Noted, numbered

_ROLES = {role.value: role for role in (Role.SYSTEM, Role.USER, Role.ASSISTANT, Role.TOOL)}


class Source(msgspec.Struct):
    """Where a picture is."""

    type: str = ""
    media_type: str | None = None
    data: str | None = None
    url: str | None = None


class Block(msgspec.Struct):
    """One content block, whichever its type."""

    type: str
    text: str | None = None
    thinking: str | None = None
    id: str | None = None
    name: str | None = None
    input: Any = None
    tool_use_id: str | None = None
    content: "str | list[Block] | None" = None
    is_error: bool | None = None
    source: Source | None = None


class Turn(msgspec.Struct):
    """One message; `tool_use_id` belongs to the role `tool`."""

    role: str
    content: str | list[Block] | None = None
    tool_use_id: str | None = None
    is_error: bool | None = None


def read_turn(turn: Turn, at: str, noted: list[Noted]) -> list[Message]:
    """The turn as canonical messages: tool results of a user's turn become a turn of their own, before it."""
    said = _read_turn(turn, at, noted)
    noted += [(message, at) for message in said]
    return said


def _read_turn(turn: Turn, at: str, noted: list[Noted]) -> list[Message]:
    role = _ROLES.get(turn.role)
    if role is None:
        raise BadRequest(f"{at}.role: must be system, user, assistant or tool", field=f"{at}.role")
    if role is Role.TOOL:
        if not turn.tool_use_id:
            raise BadRequest(f"{at}.tool_use_id: required for the role `tool`", field=f"{at}.tool_use_id")
        parts = _result_parts(turn.content, f"{at}.content")
        noted += numbered(parts, f"{at}.content")
        return [Message(role, (ToolResult(turn.tool_use_id, parts, is_error=bool(turn.is_error)),))]
    if turn.content is None:
        raise BadRequest(f"{at}.content: required", field=f"{at}.content")
    if isinstance(turn.content, str):
        return [Message(role, (Text(turn.content),))]
    parts_ = [_part(block, role, f"{at}.content[{index}]") for index, block in enumerate(turn.content)]
    noted += numbered(parts_, f"{at}.content")
    for number, part in enumerate(parts_):
        noted += numbered(part.parts, f"{at}.content[{number}].content") if isinstance(part, ToolResult) else ()
    results = tuple(part for part in parts_ if isinstance(part, ToolResult))
    rest = tuple(part for part in parts_ if not isinstance(part, ToolResult))
    said = [Message(Role.TOOL, results)] if results else []
    return [*said, Message(role, rest)] if rest or not results else said


def _part(block: Block, role: Role, at: str) -> Part:
    if block.type == "text":
        return Text(_need(block.text, f"{at}.text"))
    if block.type == "image" and role is Role.USER:
        return _image(block, at)
    if block.type == "tool_result" and role is Role.USER:
        parts = _result_parts(block.content, f"{at}.content")
        return ToolResult(_need(block.tool_use_id, f"{at}.tool_use_id"), parts, is_error=bool(block.is_error))
    if block.type == "tool_use" and role is Role.ASSISTANT:
        return _call(block, at)
    if block.type == "thinking" and role is Role.ASSISTANT:
        return Reasoning(block.thinking or block.text or "")
    raise BadRequest(f"{at}.type: `{block.type}` cannot stand in a turn of `{role.value}`", field=f"{at}.type")


def _call(block: Block, at: str) -> ToolCall:
    args = {} if block.input is None else block.input
    if not isinstance(args, dict):
        raise BadRequest(f"{at}.input: must be an object", field=f"{at}.input")
    text = json.dumps(args, ensure_ascii=False, separators=(",", ":"))
    return ToolCall(_need(block.id, f"{at}.id"), _need(block.name, f"{at}.name"), text)


def _result_parts(content: str | list[Block] | None, at: str) -> tuple[Text | Media, ...]:
    if content is None or isinstance(content, str):
        return (Text(content or ""),)
    return tuple(_result_part(block, f"{at}[{index}]") for index, block in enumerate(content))


def _result_part(block: Block, at: str) -> Text | Media:
    if block.type == "image":
        return _image(block, at)
    if block.type == "text":
        return Text(_need(block.text, f"{at}.text"))
    raise BadRequest(f"{at}.type: a tool result holds text and images only", field=f"{at}.type")


def _image(block: Block, at: str) -> Media:
    source = block.source or Source()
    if source.type == "base64" and source.data is not None:
        return Media(kind=MediaKind.IMAGE, mime=source.media_type or "image/png", data=source.data)
    if source.type == "url" and source.url:
        return Media(kind=MediaKind.IMAGE, mime=source.media_type, url=source.url)
    raise BadRequest(f"{at}.source: must be base64 data or a url", field=f"{at}.source")


def _need(value: str | None, at: str) -> str:
    if value is None:
        raise BadRequest(f"{at}: required", field=at)
    return value
