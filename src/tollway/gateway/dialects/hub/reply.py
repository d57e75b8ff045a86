"""Whole answers in the hub's format, with the closing facts that streams tell in `done`."""

from collections.abc import Iterable
from typing import Any

import msgspec

from tollway.core.chat import Part, Reasoning, Refusal, Text, ToolCall, ToolKind
from tollway.core.media import Media, MediaKind
from tollway.core.stream import Answer, Finish
from tollway.core.usage import Usage
from tollway.gateway.dialect import Voice

_encode = msgspec.json.Encoder().encode


def write_reply(answer: Answer, voice: Voice) -> bytes:
    """One JSON object: the words joined, tool uses, thoughts and pictures beside them."""
    parts = answer.choices[0].parts if answer.choices else ()
    finish = answer.choices[0].finish if answer.choices else None
    told: dict[str, Any] = {"content": "".join(part.text for part in parts if isinstance(part, Text | Refusal))}
    told |= closing(voice, answer.usage, finish)
    thoughts = "".join(part.text for part in parts if isinstance(part, Reasoning))
    tools = [tool_use(part.id, part.name, part.args_json, part.kind) for part in _own(parts)]
    images = [image(part) for part in parts if isinstance(part, Media) and part.kind is MediaKind.IMAGE]
    for name, value in (("thinking", thoughts), ("tool_uses", tools), ("images", images)):
        if value:
            told[name] = value
    return _encode(told)


def closing(voice: Voice, usage: Usage | None, finish: Finish | None) -> dict[str, Any]:
    """What every answer ends with; clients read `usage` and `model_display_name` without asking first."""
    told: dict[str, Any] = {"model": voice.model, "model_display_name": "", "routed": False, "credits_used": 0.0}
    told["session_id"] = None
    told["finish_reason"] = finish.value if finish else None
    usage = usage or Usage(input_total=voice.input_estimate)
    told["usage"] = {"input_tokens": usage.input_total, "output_tokens": usage.output_total}
    return told | dict(voice.closing() if voice.closing else {})


def tool_use(call_id: str, name: str, args: str, kind: ToolKind) -> dict[str, Any]:
    """A call with its input as an object. Arguments that are none come as `{"raw_arguments": text}`."""
    if kind is ToolKind.CUSTOM:
        return {"id": call_id, "name": name, "input": {"input": args}}
    try:
        value = msgspec.json.decode(args or "{}")
    except (msgspec.DecodeError, RecursionError):
        value = None
    return {"id": call_id, "name": name, "input": value if isinstance(value, dict) else {"raw_arguments": args}}


def image(media: Media) -> dict[str, Any]:
    """A picture: its bytes as base64, or where they are."""
    told: dict[str, Any] = {"mime_type": media.mime or "image/png"}
    return told | ({"data": media.data} if media.data is not None else {"url": media.url})


def _own(parts: Iterable[Part]) -> list[ToolCall]:
    """The calls that the client has to run; those of the provider's own tools are none of its business."""
    return [part for part in parts if isinstance(part, ToolCall) and part.kind is not ToolKind.SERVER]
