"""Messages understood: what callers of chat completions send as history."""

from collections.abc import Sequence
from typing import Any

from tollway.core.chat import Message, Part, Refusal, Role, Text, ToolCall, ToolKind, ToolResult
from tollway.core.errors import BadRequest
from tollway.core.media import Media, MediaKind
from tollway.core.places import Noted, numbered
from tollway.gateway.dialect import Opaque
from tollway.gateway.dialects.openai_chat.parts import read_content
from tollway.gateway.dialects.openai_chat.seals import Seal, seals, thoughts
from tollway.gateway.openai_family.fields import a_list, an_object, object_or_none, text, text_or_none, wrong
from tollway.gateway.openai_family.media import cache_hint

_ROLES = {
    "system": Role.SYSTEM,
    "developer": Role.DEVELOPER,
    "user": Role.USER,
    "assistant": Role.ASSISTANT,
    "tool": Role.TOOL,
    "function": Role.TOOL,
}


def read_messages(value: Any, opaque: Opaque, noted: list[Noted]) -> tuple[Message, ...]:
    """The whole conversation, its places noted. Raises BadRequest naming the place."""
    turns = a_list(value, "messages")
    if not turns:
        raise BadRequest("messages: at least one message is needed", field="messages")
    names: dict[str, str] = {}
    pending: dict[str, str] = {}
    read: list[Message] = []
    for index, turn in enumerate(turns):
        path = f"messages[{index}]"
        message = an_object(turn, path)
        role = text(message.get("role"), f"{path}.role")
        if role not in _ROLES:
            raise BadRequest(f"{path}.role: unknown role {role!r}", field=f"{path}.role")
        parts: tuple[Part, ...]
        if role == "assistant":
            parts = _said_by_model(message, path, opaque, pending, noted)
            names |= {part.id: part.name for part in parts if isinstance(part, ToolCall)}
        elif role in ("tool", "function"):
            result = _result(message, path, names, pending)
            noted += _places(message, result.parts, path)
            parts = (result,)
        else:
            if message.get("content") is None:
                raise wrong(f"{path}.content", "a string or an array of parts")
            parts = read_content(message["content"], f"{path}.content")
            noted += _places(message, parts, path)
        name = None if role in ("tool", "function") else text_or_none(message.get("name"), f"{path}.name")
        read.append(Message(_ROLES[role], parts, name))
        noted.append((read[-1], path))
    return tuple(read)


def _places(message: dict[str, Any], parts: Sequence[Part], path: str) -> list[Noted]:
    """A bare string is `content` itself, whatever was found in it."""
    listed = isinstance(message.get("content"), list)
    return numbered(parts, f"{path}.content") if listed else [(part, f"{path}.content") for part in parts]


def _said_by_model(
    message: dict[str, Any], path: str, opaque: Opaque, pending: dict[str, str], noted: list[Noted]
) -> tuple[Part, ...]:
    told = text_or_none(message.get("reasoning_content", message.get("reasoning")), f"{path}.reasoning_content")
    details = seals(message.get("reasoning_details"), opaque)
    parts: list[Part] = list(thoughts(told or "", details))
    content = read_content(message.get("content"), f"{path}.content")
    noted += _places(message, content, path)
    parts += _signed_text(content, details)
    refusal = text_or_none(message.get("refusal"), f"{path}.refusal")
    if refusal:
        parts.append(Refusal(refusal))
    pictures = _pictures(message.get("images"), f"{path}.images", parts)
    noted += [(picture, f"{path}.images") for picture in pictures]
    parts += pictures
    audio = object_or_none(message.get("audio"), f"{path}.audio")
    if audio is not None:
        audio_id = text(audio.get("id"), f"{path}.audio.id")
        parts.append(Media(kind=MediaKind.AUDIO, file_id=audio_id, file_family="openai"))
        noted.append((parts[-1], f"{path}.audio"))
    parts += _calls(message, path, {seal.call_id: seal for seal in details if seal.call_id}, opaque)
    legacy = object_or_none(message.get("function_call"), f"{path}.function_call")
    if legacy is not None:
        name = text(legacy.get("name"), f"{path}.function_call.name")
        arguments = text(legacy.get("arguments", ""), f"{path}.function_call.arguments")
        pending[name] = f"call_{path[9:-1]}_{name}"[:40]
        parts.append(ToolCall(pending[name], name, arguments or "{}"))
    return tuple(parts)


def _signed_text(parts: tuple[Part, ...], details: list[Seal]) -> list[Part]:
    """The seal of the words goes to the last text part."""
    signed = list(parts)
    seal = next((seal for seal in details if seal.on_text), None)
    for index in range(len(signed) - 1, -1, -1):
        part = signed[index]
        if seal is not None and isinstance(part, Text):
            signed[index] = Text(part.text, part.cache, part.citations, seal.signature, seal.family)
            break
    return signed


def _pictures(value: Any, path: str, already: list[Part]) -> list[Part]:
    """`images[]` of an earlier answer, unless its markdown has brought them."""
    if value is None:
        return []
    found = [part for part in read_content(a_list(value, path), path) if isinstance(part, Media)]
    known = {part.data for part in already if isinstance(part, Media) and part.data}
    return [part for part in found if part.data is None or part.data not in known]


def _calls(message: dict[str, Any], path: str, signed: dict[str | None, Seal], opaque: Opaque) -> list[Part]:
    value = message.get("tool_calls")
    if value is None:
        return []
    calls = a_list(value, f"{path}.tool_calls")
    return [_call(call, f"{path}.tool_calls[{index}]", signed, opaque) for index, call in enumerate(calls)]


def _call(value: Any, path: str, signed: dict[str | None, Seal], opaque: Opaque) -> ToolCall:
    call = an_object(value, path)
    call_id = text(call.get("id"), f"{path}.id")
    kind = text(call.get("type", "function"), f"{path}.type")
    if kind not in ("function", "custom"):
        raise BadRequest(f"{path}.type: unknown kind of tool call {kind!r}", field=f"{path}.type")
    said = an_object(call.get(kind), f"{path}.{kind}")
    name = text(said.get("name"), f"{path}.{kind}.name")
    seal = signed.get(call_id) or _google_seal(call.get("extra_content"), opaque)
    signature, family = (seal.signature, seal.family) if seal else (None, None)
    cache = cache_hint(call)
    if kind == "custom":
        words = text(said.get("input"), f"{path}.custom.input")
        return ToolCall(call_id, name, words, ToolKind.CUSTOM, signature, family, cache)
    arguments = text(said.get("arguments", ""), f"{path}.function.arguments")
    return ToolCall(
        call_id, name, arguments if arguments.strip() else "{}", ToolKind.FUNCTION, signature, family, cache
    )


def _google_seal(extra: Any, opaque: Opaque) -> Seal | None:
    """Google's own place for a thought signature in this format: `extra_content.google.thought_signature`."""
    google = extra.get("google") if isinstance(extra, dict) else None
    value = google.get("thought_signature") if isinstance(google, dict) else None
    if not isinstance(value, str) or not value:
        return None
    if not value.startswith("relay1."):
        return Seal(family="gemini", signature=value)
    opened = opaque.unseal(value)
    return Seal(family=opened[0], signature=opened[1]) if opened else None


def _result(message: dict[str, Any], path: str, names: dict[str, str], pending: dict[str, str]) -> ToolResult:
    parts = tuple(_plain(part, path) for part in read_content(message.get("content"), f"{path}.content"))
    if message.get("role") == "function":
        name = text(message.get("name"), f"{path}.name")
        return ToolResult(pending.get(name, f"call_{name}"[:40]), parts, name)
    call_id = text(message.get("tool_call_id"), f"{path}.tool_call_id")
    return ToolResult(call_id, parts, names.get(call_id), cache=cache_hint(message))


def _plain(part: Part, path: str) -> Text | Media:
    if not isinstance(part, Text | Media):
        raise wrong(f"{path}.content", "text and media only")
    return part
