"""A Messages request as a canonical question."""

from typing import Any

import msgspec

from tollway.core.chat import ChatRequest, Message, OutputFormat, Role, Sampling, ToolResult
from tollway.core.places import Noted, Places, numbered
from tollway.gateway.dialect import Body, Envelope, Opaque, Words, plain
from tollway.gateway.dialects.anthropic_messages.blocks import read_content, read_texts
from tollway.gateway.dialects.anthropic_messages.seals import settle
from tollway.gateway.dialects.anthropic_messages.shape import maybe, need, record, strings, wrong
from tollway.gateway.dialects.anthropic_messages.thinking import read_thinking_config
from tollway.gateway.dialects.anthropic_messages.tools import read_choice, read_tools

WORDS: Words = {
    "max_output": "max_tokens",
    "stop": "stop_sequences",
    "output_format": ("output_config.format", "output_format"),
    "output_format.schema": ("output_config.format.schema", "output_format.schema"),
    "thinking": ("thinking", "output_config.effort"),
    "reasoning": "messages.content.thinking",
    "parallel_tools": "tool_choice.disable_parallel_tool_use",
    "schema": "input_schema",
    "user": "metadata.user_id",
    **{f"web_search.{name}": f"tools.{name}" for name in ("max_uses", "user_location")},
}
_KNOWN = frozenset(
    [
        "model",
        "messages",
        "system",
        "max_tokens",
        "stream",
        "temperature",
        "top_p",
        "top_k",
        "stop_sequences",
        "metadata",
        "service_tier",
        "tools",
        "tool_choice",
        "thinking",
        "output_config",
        "output_format",
    ]
)


def read_request(body: Body, envelope: Envelope, opaque: Opaque) -> ChatRequest:
    """Understand a body. Raises BadRequest naming the exact place."""
    small = {name: plain(body, name) for name in body if name in _KNOWN and name != "messages"}
    output = maybe(small, "output_config", dict, "") or {}
    choice, parallel = read_choice(maybe(small, "tool_choice", dict, ""))
    metadata = maybe(small, "metadata", dict, "") or {}
    tools = read_tools(small.get("tools"))
    noted = numbered(tools, "tools")
    return ChatRequest(
        model=envelope.model or "",
        messages=_system(small.get("system"), noted) + _messages(plain(body, "messages"), opaque, noted),
        tools=tools,
        tool_choice=choice,
        parallel_tools=parallel,
        sampling=_sampling(small),
        max_output=envelope.max_output,
        stream=envelope.stream,
        output_format=_output_format(output, maybe(small, "output_format", dict, "")),
        thinking=read_thinking_config(maybe(small, "thinking", dict, ""), output),
        user=maybe(metadata, "user_id", str, "metadata"),
        service_tier=maybe(small, "service_tier", str, ""),
        leftover=tuple(name for name in body if name not in _KNOWN and bytes_of(body[name]) != b"null"),
        places=Places(noted),
    )


def bytes_of(value: Any) -> bytes:
    """A body value as it stands on the wire."""
    return bytes(value) if isinstance(value, msgspec.Raw) else msgspec.json.encode(value)


def _system(wire: Any, noted: list[Noted]) -> tuple[Message, ...]:
    if wire is None:
        return ()
    parts = read_texts(wire, "system")
    noted += numbered(parts, "system")
    return (Message(Role.SYSTEM, parts),) if parts else ()


def _messages(wire: Any, opaque: Opaque, noted: list[Noted]) -> tuple[Message, ...]:
    if not isinstance(wire, list):
        raise wrong("messages", "Field required" if wire is None else "must be an array")
    turns: list[Message] = []
    for number, one in enumerate(wire):
        at = f"messages[{number}]"
        said = _turn(record(one, at), at, opaque, noted)
        noted += [(message, at) for message in said]
        turns += said
    return tuple(turns)


def _turn(wire: dict[str, Any], at: str, opaque: Opaque, noted: list[Noted]) -> list[Message]:
    role = need(wire, "role", str, at)
    content = wire.get("content")
    if role == "system":
        return [Message(Role.SYSTEM, read_texts(content, f"{at}.content"))]
    if role not in {"user", "assistant"}:
        raise wrong(f"{at}.role", "must be `user` or `assistant`")
    read = read_content(content, f"{at}.content", opaque)
    noted += numbered(read, f"{at}.content")
    for number, part in enumerate(read):
        noted += numbered(part.parts, f"{at}.content[{number}].content") if isinstance(part, ToolResult) else ()
    parts = settle(read)
    if role == "assistant":
        return [Message(Role.ASSISTANT, parts)]
    results = [Message(Role.TOOL, (part,)) for part in parts if isinstance(part, ToolResult)]
    rest = tuple(part for part in parts if not isinstance(part, ToolResult))
    return [*results, Message(Role.USER, rest)] if rest or not results else results


def _sampling(wire: dict[str, Any]) -> Sampling:
    return Sampling(
        temperature=maybe(wire, "temperature", float, ""),
        top_p=maybe(wire, "top_p", float, ""),
        top_k=maybe(wire, "top_k", int, ""),
        stop=strings(wire, "stop_sequences"),
    )


def _output_format(output: dict[str, Any], older: dict[str, Any] | None) -> OutputFormat | None:
    wire, at = maybe(output, "format", dict, "output_config"), "output_config.format"
    if wire is None:
        wire, at = older, "output_format"
    if wire is None:
        return None
    if need(wire, "type", str, at) != "json_schema":
        raise wrong(f"{at}.type", "must be `json_schema`")
    return OutputFormat(schema=need(wire, "schema", dict, at))
