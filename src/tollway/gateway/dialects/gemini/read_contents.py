"""Reads `contents` and systemInstruction into canonical turns (relay.md 6.10)."""

from typing import Any

import msgspec

from tollway.core.chat import Message, Part, Raw, Reasoning, Role, Text, ToolCall, ToolResult
from tollway.core.media import Media
from tollway.core.places import Noted
from tollway.gateway.dialect import Opaque
from tollway.gateway.dialects.gemini.joined import joined
from tollway.gateway.dialects.gemini.media import read_file, read_inline
from tollway.gateway.dialects.gemini.seals import FAMILY, Seal, read_seal
from tollway.gateway.gemini_family.spelling import fields, items, text, wrong

_ROLES = {"user": Role.USER, "model": Role.ASSISTANT, "function": Role.USER, "tool": Role.USER}
_NO_SEAL = Seal("")
_SIDE_NOTES = ("videoMetadata", "mediaResolution", "partMetadata", "mediaProcessing")
"""Remarks on a part that the canonical form has no word for."""
_encode = msgspec.json.Encoder().encode


def read_system(value: Any, path: str = "systemInstruction") -> Message:
    """The system turn, its texts joined by line ends as one."""
    content = {"parts": value} if isinstance(value, str | list) else fields(value, path)
    told = []
    for at, item in enumerate(items(content.get("parts", []), f"{path}.parts")):
        here = f"{path}.parts[{at}]"
        part = {"text": item} if isinstance(item, str) else fields(item, here)
        if "text" not in part:
            raise wrong(here, "systemInstruction takes text only")
        told.append(text(part["text"], f"{here}.text"))
    return Message(Role.SYSTEM, (Text("\n".join(told)),))


class ContentsReader:
    """Reads one conversation; ids of calls are counted over the whole of it."""

    def __init__(self, opaque: Opaque | None) -> None:
        self.leftover: dict[str, None] = {}
        self.noted: list[Noted] = []
        """Where each message and part stands."""
        self._opaque = opaque
        self._made = 0
        self._ids: set[str] = set()
        self._waiting: list[tuple[str, str]] = []  # (id, name) of calls without an answer, oldest first

    def read(self, value: Any) -> tuple[Message, ...]:
        """All turns. A bare string, or a single content, is a conversation of one turn."""
        messages: list[Message] = []
        for at, item in enumerate(items(value, "contents")):
            path = f"contents[{at}]"
            content = {"parts": [{"text": item}]} if isinstance(item, str) else fields(item, path)
            if "parts" not in content and ("text" in content or "inlineData" in content):
                content = {"parts": [content]}  # a part where a content was due, as the SDKs allow
            turns = self._turn(content, path)
            self.noted += [(turn, path) for turn in turns]
            messages += turns
        return joined(messages)

    def _turn(self, content: dict[str, Any], path: str) -> list[Message]:
        """One content as messages: what tools answered is a turn of its own."""
        role = _ROLES.get(text(content.get("role") or "user", f"{path}.role"))
        if role is None:
            raise wrong(f"{path}.role", "please use a valid role: user, model")
        given = items(content.get("parts", []), f"{path}.parts")
        if not given:
            raise wrong(f"{path}.parts", "must not be empty")
        messages: list[Message] = []
        for at, item in enumerate(given):
            here = f"{path}.parts[{at}]"
            part = self._part({"text": item} if isinstance(item, str) else fields(item, here), here)
            self.noted.append((part, here))
            speaker = Role.TOOL if isinstance(part, ToolResult) else role
            if messages and messages[-1].role is speaker:
                messages[-1] = Message(speaker, (*messages[-1].parts, part))
            else:
                messages.append(Message(speaker, (part,)))
        return messages

    def _part(self, part: dict[str, Any], path: str) -> Part:
        self.leftover |= dict.fromkeys(name for name in _SIDE_NOTES if name in part)
        seal = _NO_SEAL
        if "thoughtSignature" in part:
            seal = read_seal(part["thoughtSignature"], f"{path}.thoughtSignature", self._opaque)
        if "text" in part:
            return _words(text(part["text"], f"{path}.text"), part.get("thought") is True, seal)
        if "functionCall" in part:
            return self._call(fields(part["functionCall"], f"{path}.functionCall"), seal, f"{path}.functionCall")
        if "functionResponse" in part:
            return self._response(fields(part["functionResponse"], f"{path}.functionResponse"), path)
        if (media := _media(part, path)) is not None:
            return media
        if not part:
            raise wrong(path, "holds no data")
        return Raw(FAMILY, part)

    def _call(self, call: dict[str, Any], seal: Seal, path: str) -> ToolCall:
        name = text(call.get("name", ""), f"{path}.name")
        if not name:
            raise wrong(f"{path}.name", "is missing")
        args = call.get("args", {})
        if not isinstance(args, dict):
            raise wrong(f"{path}.args", "must be an object")
        call_id = text(call.get("id") or self._new_id(), f"{path}.id")
        self._ids.add(call_id)
        self._waiting.append((call_id, name))
        told = _encode(args).decode()
        return ToolCall(call_id, name, told, signature=seal.signature, family=seal.family or None)

    def _new_id(self) -> str:
        while True:
            made = f"call_{self._made}"
            self._made += 1
            if made not in self._ids:
                return made

    def _response(self, answer: dict[str, Any], path: str) -> ToolResult:
        path = f"{path}.functionResponse"
        name = text(answer.get("name", ""), f"{path}.name")
        call_id = self._answered(answer.get("id"), name, path)
        told, is_error = _result_text(answer.get("response", {}), f"{path}.response")
        parts: list[Text | Media] = [Text(told)] if told else []
        for at, item in enumerate(items(answer.get("parts", []), f"{path}.parts")):
            here = f"{path}.parts[{at}]"
            media = _media(fields(item, here), here)
            if media is None:
                raise wrong(here, "holds neither inlineData nor fileData")
            self.noted.append((media, here))
            parts.append(media)
        return ToolResult(call_id, tuple(parts), name=name or None, is_error=is_error)

    def _answered(self, given: Any, name: str, path: str) -> str:
        """The id of the call this answers: the one with that id, else the oldest unanswered with that name."""
        same_id = [call for call in self._waiting if call[0] == given]
        for call in same_id or [call for call in self._waiting if call[1] == name]:
            self._waiting.remove(call)
            return call[0]
        raise wrong(path, f"answers no functionCall named {name!r} that is still open")


def _media(part: dict[str, Any], path: str) -> Media | None:
    if "inlineData" in part:
        return read_inline(part["inlineData"], f"{path}.inlineData")
    if "fileData" in part:
        return read_file(part["fileData"], f"{path}.fileData")
    return None


def _words(told: str, thought: bool, seal: Seal) -> Part:
    """Text, or a thought. A signature on no words at all is a thought without words."""
    family = seal.family or None
    if thought or (not told and family):
        return Reasoning(told, seal.signature, seal.redacted, family)
    return Text(told, signature=seal.signature, family=family)


def _result_text(response: Any, path: str) -> tuple[str, bool]:
    """(text, is it an error) of a functionResponse's object; the usual wrappings are taken off."""
    if not isinstance(response, dict):
        raise wrong(path, "must be an object")
    if len(response) == 1:
        ((name, value),) = response.items()
        if name in ("content", "result", "output", "error") and isinstance(value, str):
            return value, name == "error"
        if name == "result" and isinstance(value, list):
            return _encode(value).decode(), False
    return (_encode(response).decode() if response else ""), False
