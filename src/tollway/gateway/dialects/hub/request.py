"""Questions in the hub's format: the role form and the block form, on `/chat` and `/code` alike."""

from typing import Any, TypeVar

import msgspec

from tollway.core.chat import ChatRequest, Effort, Message, Role, Sampling, Text, Thinking, Tool
from tollway.core.errors import BadRequest
from tollway.core.places import Noted, Places, numbered
from tollway.gateway.dialect import Body, Envelope, Opaque, PathArgs, Words, plain
from tollway.gateway.dialects.hub.blocks import Turn, read_turn

T = TypeVar("T")

TEMPERATURE = 0.7
"""What the hub's contract promises when the caller names none."""
WORDS: Words = {
    "max_output": "max_tokens",
    "output_format": "output_format",
    "thinking": "enable_thinking",
    "reasoning": "messages.content.thinking",
    "schema": "input_schema",
}
_TEXT_EVENTS = ("text", "chunk")


class _Tool(msgspec.Struct):
    name: str
    description: str | None = None
    input_schema: dict[str, Any] | None = None


def envelope(body: Body, path: PathArgs) -> Envelope:
    """Peek. `model` may be missing: the hub chooses; `stream` is true unless said otherwise."""
    limit = _field(body, "max_tokens", int)
    if limit is not None and limit < 1:
        raise BadRequest("max_tokens: must be at least 1", field="max_tokens")
    event = _field(body, "sse_text_event", str)
    if event is not None and event not in _TEXT_EVENTS:
        raise BadRequest("sse_text_event: must be `text` or `chunk`", field="sse_text_event")
    stream = _field(body, "stream", bool)
    return Envelope(
        model=_field(body, "model", str) or None,
        stream=True if stream is None else stream,
        max_output=limit,
        media=_may_hold_media(body.get("messages")),
        options={"text_event": event} if event else {},
    )


def read_request(body: Body, envelope: Envelope, opaque: Opaque) -> ChatRequest:
    """Understand. Unknown fields are ignored, as the hub's contract says."""
    system = _field(body, "system", str)
    noted: list[Noted] = []
    messages, outvoted = _messages(body, system, noted)
    tools = _tools(body)
    noted += numbered(tools, "tools")
    thinking = _field(body, "enable_thinking", bool)
    return ChatRequest(
        model=envelope.model or "",
        messages=messages,
        tools=tools,
        sampling=Sampling(temperature=_temperature(body, bool(thinking))),
        max_output=envelope.max_output,
        stream=envelope.stream,
        thinking=Thinking(effort=Effort.MEDIUM, visible=True) if thinking else None,
        leftover=outvoted + (("session_id",) if _field(body, "session_id", str) else ()),
        places=Places(noted),
    )


def _may_hold_media(messages: object) -> bool:
    text = bytes(messages) if isinstance(messages, msgspec.Raw) else b""
    return b'"image"' in text or b"\\u" in text  # an escape may spell anything


def _field(body: Body, name: str, kind: type[T]) -> T | None:
    value: T | None = plain(body, name, kind)
    return value


def _temperature(body: Body, thinking: bool) -> float | None:
    value = _field(body, "temperature", float)
    if value is None:
        return None if thinking else TEMPERATURE
    if not 0 <= value <= 2:
        raise BadRequest("temperature: must be between 0 and 2", field="temperature")
    return value


def _tools(body: Body) -> tuple[Tool, ...]:
    tools = _field(body, "tools", list[_Tool]) or []
    return tuple(Tool(name=tool.name, description=tool.description, schema=tool.input_schema) for tool in tools)


def _messages(body: Body, system: str | None, noted: list[Noted]) -> tuple[tuple[Message, ...], tuple[str, ...]]:
    turns = _field(body, "messages", list[Turn])
    if not turns:
        raise BadRequest("messages: at least one message is required", field="messages")
    said: list[Message] = [Message(Role.SYSTEM, (Text(system),))] if system else []
    noted += [(message, "system") for message in said]
    outvoted: list[str] = []
    for index, turn in enumerate(turns):
        if system and turn.role == "system":
            outvoted.append(f"messages[{index}]")  # the field wins over a system turn
        else:
            said += read_turn(turn, f"messages[{index}]", noted)
    if all(message.role is Role.SYSTEM for message in said):
        raise BadRequest("messages: someone has to say something to the model", field="messages")
    return tuple(said), tuple(outvoted)
