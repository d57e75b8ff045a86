"""A whole answer, understood and written."""

from typing import Any

import msgspec

from tollway.core.chat import Part, Reasoning, Refusal, Text, ToolCall, ToolKind
from tollway.core.media import Media, MediaKind
from tollway.core.stream import Answer, Choice
from tollway.gateway.dialect import Voice
from tollway.gateway.dialects.openai_chat.error import read_fault
from tollway.gateway.dialects.openai_chat.finish import read_finish, write_finish
from tollway.gateway.dialects.openai_chat.pieces import (
    markdown,
    read_citations,
    read_pictures,
    read_sound,
    write_citation,
    write_picture,
)
from tollway.gateway.dialects.openai_chat.seals import Seal, detail, seals, thoughts
from tollway.gateway.dialects.openai_chat.stream import words_of
from tollway.gateway.dialects.openai_chat.usage import read_usage, write_usage

_dump = msgspec.json.Encoder().encode


def read_reply(body: bytes) -> Answer:
    """The whole answer. Raises ValueError on what is not one, Fault when a 200 carries an error."""
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from error
    choices = said.get("choices") if isinstance(said, dict) else None
    if not isinstance(choices, list) or (not choices and said.get("error")):
        fault = read_fault(body)
        if fault is not None:
            raise fault
        raise ValueError("not a chat completion: no choices")
    usage = read_usage(said.get("usage"))
    for choice in choices:
        usage = usage or read_usage(choice.get("usage") if isinstance(choice, dict) else None)
    answers = tuple(_read_choice(choice) for choice in choices)
    return Answer(_text(said.get("id")), _text(said.get("model")), answers, usage)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _read_choice(choice: Any) -> Choice:
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict):
        raise ValueError("not a chat completion: a choice has no message")
    details = seals(message.get("reasoning_details"))
    parts: list[Part] = list(thoughts(_text(message.get("reasoning_content") or message.get("reasoning")), details))
    pictures = read_pictures(message.get("images"))
    parts += _read_content(message, pictures, next((seal for seal in details if seal.on_text), None))
    if _text(message.get("refusal")):
        parts.append(Refusal(message["refusal"]))
    parts += pictures
    sound = read_sound(message.get("audio"))
    if sound is not None:
        parts.append(sound)
    calls = _read_calls(message, {seal.call_id: seal for seal in details})
    reason = read_finish(_text(choice.get("finish_reason")), bool(calls))
    return Choice((*parts, *calls), reason)


def _read_content(message: dict[str, Any], pictures: list[Media], seal: Seal | None) -> list[Part]:
    content = message.get("content")
    parts: list[Part] = []
    if isinstance(content, list):
        for text, thought in map(words_of, content):
            parts += [Reasoning(thought)] if thought else []
            parts += [Text(text)] if text else []
        return parts
    words = _text(content)
    for picture in pictures:
        words = words.replace(markdown(picture), "")
    if not words:
        return parts
    signature, family = (seal.signature, seal.family) if seal else (None, None)
    citations = tuple(read_citations(message.get("annotations")))
    return [Text(words, citations=citations, signature=signature, family=family)]


def _read_calls(message: dict[str, Any], signed: dict[str | None, Seal]) -> list[ToolCall]:
    value = message.get("tool_calls")
    calls = [call for call in value if isinstance(call, dict)] if isinstance(value, list) else []
    legacy = message.get("function_call")
    if isinstance(legacy, dict):
        calls = [*calls, {"type": "function", "function": legacy}]
    return [_read_call(call, index, signed) for index, call in enumerate(calls)]


def _read_call(call: dict[str, Any], index: int, signed: dict[str | None, Seal]) -> ToolCall:
    custom = call.get("custom")
    said = custom if isinstance(custom, dict) else call.get("function")
    said = said if isinstance(said, dict) else {}
    words = said.get("input") if custom else said.get("arguments")
    if isinstance(words, dict):
        words = _dump(words).decode()
    call_id = _text(call.get("id")) or f"call_0_{index}"
    seal = signed.get(call_id)
    return ToolCall(
        call_id,
        _text(said.get("name")),
        _text(words) or ("" if custom else "{}"),
        ToolKind.CUSTOM if custom else ToolKind.FUNCTION,
        seal.signature if seal else None,
        seal.family if seal else None,
    )


def write_reply(answer: Answer, voice: Voice) -> bytes:
    """The whole answer as OpenAI writes it."""
    said: dict[str, Any] = {
        "id": answer.id or f"chatcmpl-{voice.request_id}",
        "object": "chat.completion",
        "created": voice.created_s,
        "model": voice.model,
        "choices": [_write_choice(choice, index, voice) for index, choice in enumerate(answer.choices)],
    }
    if answer.usage is not None:
        said["usage"] = write_usage(answer.usage)
    return _dump(said)


def _write_choice(choice: Choice, index: int, voice: Voice) -> dict[str, Any]:
    parts = choice.parts
    words = "".join(_words(part) for part in parts)
    calls = [part for part in parts if isinstance(part, ToolCall)]
    refusals = [part.text for part in parts if isinstance(part, Refusal)]
    empty = None if calls or refusals or any(_is_sound(part) for part in parts) else ""
    message: dict[str, Any] = {
        "role": "assistant",
        "content": words or empty,
        "refusal": "".join(refusals) or None,
        "annotations": _annotations(parts),
    }
    message |= _write_thoughts(parts, voice) | _write_media(parts, voice)
    if calls:
        message["tool_calls"] = [_write_call(call) for call in calls]
    return {"index": index, "message": message, "logprobs": None, "finish_reason": write_finish(choice.finish)}


def _is_sound(part: Part) -> bool:
    return isinstance(part, Media) and part.kind is MediaKind.AUDIO


def _words(part: Part) -> str:
    if isinstance(part, Text):
        return part.text
    return markdown(part) if isinstance(part, Media) and part.kind is MediaKind.IMAGE else ""


def _annotations(parts: tuple[Part, ...]) -> list[dict[str, Any]]:
    cited = [write_citation(source) for part in parts if isinstance(part, Text) for source in part.citations]
    return [entry for entry in cited if entry]


def _write_thoughts(parts: tuple[Part, ...], voice: Voice) -> dict[str, Any]:
    told = [part for part in parts if isinstance(part, Reasoning)]
    kept = [Seal(part.text, part.family, part.signature, part.redacted) for part in told]
    for part in parts:
        if isinstance(part, ToolCall) and part.signature:
            kept.append(Seal(family=part.family, signature=part.signature, call_id=part.id))
        elif isinstance(part, Text) and part.signature:
            kept.append(Seal(family=part.family, signature=part.signature, on_text=True))
    said: dict[str, Any] = {}
    words = "\n\n".join(part.text for part in told if part.text)
    if words:
        said["reasoning_content"] = words
    details = [entry for seal in kept if (entry := detail(seal, voice.opaque))]
    return said | ({"reasoning_details": details} if details else {})


def _write_media(parts: tuple[Part, ...], voice: Voice) -> dict[str, Any]:
    media = [part for part in parts if isinstance(part, Media)]
    said: dict[str, Any] = {}
    pictures = [write_picture(part) for part in media if part.kind is MediaKind.IMAGE]
    if pictures:
        said["images"] = pictures
    for part in media:
        if part.kind is MediaKind.AUDIO:
            known = {"id": f"audio_{voice.request_id}", "expires_at": voice.created_s + 3600}
            said["audio"] = known | {"data": part.data or "", "transcript": part.transcript or ""}
    return said


def _write_call(call: ToolCall) -> dict[str, Any]:
    if call.kind is ToolKind.CUSTOM:
        return {"id": call.id, "type": "custom", "custom": {"name": call.name, "input": call.args_json}}
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.args_json or "{}"}}
