"""Writes canonical turns as `contents` and systemInstruction (relay.md 6.8)."""

from typing import Any

import msgspec

from tollway.core.chat import (
    ChatRequest,
    Message,
    Part,
    Raw,
    Reasoning,
    Refusal,
    Role,
    Text,
    ToolCall,
    ToolKind,
    ToolResult,
)
from tollway.core.errors import Unsupported
from tollway.core.media import Media
from tollway.gateway.dialects.gemini.media import write_media
from tollway.gateway.dialects.gemini.seals import FAMILY
from tollway.gateway.dialects.gemini.thinking import seals_calls
from tollway.gateway.dialects.gemini.tools import ToolNames

BYPASS = "context_engineering_is_the_way_to_go"
"""Google's documented stand-in for a thought signature that was lost."""

WirePart = dict[str, Any]


def args_object(args_json: str, kind: ToolKind = ToolKind.FUNCTION) -> msgspec.Raw | dict[str, str]:
    """A call's arguments as an object: the very bytes when they are one, else wrapped so that nothing is lost."""
    if kind is ToolKind.CUSTOM:
        return {"input": args_json}
    if not args_json.strip():
        return {}
    return as_object(args_json) or {"_raw": args_json}


def as_object(told: str) -> msgspec.Raw | None:
    """The text as JSON bytes, if it is a JSON object."""
    if not told.lstrip().startswith("{"):
        return None
    try:
        msgspec.json.decode(told, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        return None
    return msgspec.Raw(told.encode())


class ContentsWriter:
    """Writes one conversation for one model."""

    def __init__(self, request: ChatRequest, model: str, names: ToolNames, dropped: list[str]) -> None:
        self.system: list[str] = []
        self._request, self._names, self._dropped = request, names, dropped
        self._sealed = seals_calls(model)
        self._called: dict[str, str] = {}  # call id → tool name

    def write(self) -> list[dict[str, Any]]:
        """All contents, turns of the same speaker merged; what the system said is left in `system`."""
        contents: list[dict[str, Any]] = []
        ahead: list[WirePart] = []  # pictures the system showed, which systemInstruction cannot hold
        for at, message in enumerate(self._request.messages):
            path = f"messages[{at}]"
            if message.name:
                self._dropped.append("messages.name")
            if message.role in (Role.SYSTEM, Role.DEVELOPER):
                ahead += self._system(message, path)
                continue
            role = "model" if message.role is Role.ASSISTANT else "user"
            parts = self._sealed_parts(message, path) if role == "model" else self._parts(message, path)
            if ahead and role == "user":
                parts, ahead = ahead + parts, []
            if parts and contents and contents[-1]["role"] == role:
                contents[-1]["parts"] += parts
            elif parts:
                contents.append({"role": role, "parts": parts})
        if ahead:
            contents.insert(0, {"role": "user", "parts": ahead})
        if not contents and self.system:
            contents.append({"role": "user", "parts": [{"text": "\n".join(self.system)}]})
            self.system.clear()
        return contents

    def _system(self, message: Message, path: str) -> list[WirePart]:
        media: list[WirePart] = []
        for at, part in enumerate(message.parts):
            if isinstance(part, Text | Refusal):
                self.system.append(part.text)
                self._note_cache(part)
            else:
                media += self._part(part, f"{path}.content[{at}]")
        return media

    def _parts(self, message: Message, path: str) -> list[WirePart]:
        parts: list[WirePart] = []
        for at, part in enumerate(message.parts):
            parts += self._part(part, f"{path}.content[{at}]")
        return parts

    def _sealed_parts(self, message: Message, path: str) -> list[WirePart]:
        """A model's turn, with the bypass value where Gemini 3 demands a signature and none is left."""
        parts = self._parts(message, path)
        calls = [part for part in parts if "functionCall" in part]
        if not self._sealed:
            return parts
        if calls:
            calls[0].setdefault("thoughtSignature", BYPASS)
        elif not any("thoughtSignature" in part for part in parts):
            lost = any(isinstance(part, Reasoning) and part.family is not None for part in message.parts)
            texts = [part for part in parts if "text" in part] if lost else []
            for part in texts[:1]:
                part["thoughtSignature"] = BYPASS
        return parts

    def _part(self, part: Part, path: str) -> list[WirePart]:
        self._note_cache(part)
        match part:
            case Text() | Refusal() | Reasoning():
                return self._words(part)
            case ToolCall():
                return [self._call(part)]
            case ToolResult():
                return self._result(part, path)
            case Media():
                return [write_media(part, path)]
            case Raw(family=family, value=value) if family == FAMILY:
                return [value]
        raise Unsupported(f"{path}: a part that only {part.family} understands", field=path)

    def _note_cache(self, part: Part) -> None:
        if getattr(part, "cache", None):
            self._dropped.append("cache_control")

    def _words(self, part: Text | Refusal | Reasoning) -> list[WirePart]:
        """A thought goes back only under Google's own seal; a seal without words was on no thought part."""
        words: WirePart = {"text": part.text}
        if isinstance(part, Reasoning) and part.text:
            words["thought"] = True
        if not isinstance(part, Refusal) and part.family == FAMILY and part.signature is not None:
            return [words | {"thoughtSignature": part.signature}]
        return [words] if part.text and not isinstance(part, Reasoning) else []

    def _call(self, part: ToolCall) -> WirePart:
        self._called[part.id] = part.name
        call = {"id": part.id, "name": self._names.write(part.name), "args": args_object(part.args_json, part.kind)}
        if part.signature is not None and part.family == FAMILY:
            return {"functionCall": call, "thoughtSignature": part.signature}
        return {"functionCall": call}

    def _result(self, part: ToolResult, path: str) -> list[WirePart]:
        name = self._called.get(part.call_id) or part.name
        if not name:
            raise Unsupported(f"{path}: answers the unknown tool call {part.call_id!r}", field=path)
        told = "".join(item.text for item in part.parts if isinstance(item, Text))
        answer: WirePart = {"id": part.call_id, "name": self._names.write(name)}
        answer["response"] = {"error": told} if part.is_error else result_object(told)
        numbered = enumerate(part.parts)
        media = [write_media(item, f"{path}.parts[{at}]") for at, item in numbered if isinstance(item, Media)]
        inline = [item for item in media if "inlineData" in item] if self._sealed else []
        if inline:
            answer["parts"] = inline
        return [{"functionResponse": answer}, *(item for item in media if item not in inline)]


def result_object(told: str) -> Any:
    """A tool's words as the object Gemini wants: an object as it is, a list as `result`, other words as `content`."""
    found = as_object(told)
    if found is not None:
        return found
    if told.lstrip().startswith("["):
        try:
            msgspec.json.decode(told, type=list[msgspec.Raw])
        except (msgspec.DecodeError, RecursionError):
            return {"content": told}
        return {"result": msgspec.Raw(told.encode())}
    return {"content": told}
