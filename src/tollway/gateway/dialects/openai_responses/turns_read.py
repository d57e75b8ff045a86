"""The items of an `input` as canonical turns (relay.md 6.14)."""

from typing import Any

from tollway.core.chat import Message, Part, Raw, Role, Text, ToolCall, ToolKind, ToolResult
from tollway.core.errors import BadRequest
from tollway.core.media import Media
from tollway.core.places import Noted, numbered
from tollway.gateway.dialect import Opaque
from tollway.gateway.dialects.openai_responses.namespaces import NAMESPACE, flat
from tollway.gateway.dialects.openai_responses.parts import RAW, listed, read_content, read_texts
from tollway.gateway.dialects.openai_responses.seals import Owned, read_item, settle
from tollway.gateway.openai_family.fields import text, wrong

Item = dict[str, Any]
_ROLES = {
    "system": Role.SYSTEM,
    "developer": Role.DEVELOPER,
    "user": Role.USER,
    "assistant": Role.ASSISTANT,
}
_TOLD_ALREADY = frozenset({"web_search_call", "file_search_call", "code_interpreter_call", "mcp_list_tools"})
"""What a provider's own tools did on the way to an answer that follows: the answer says what came of it."""


class ItemReader:
    """Reads one conversation; what was passed over is in `skipped`."""

    def __init__(self, opaque: Opaque, noted: list[Noted]) -> None:
        self._opaque, self._noted = opaque, noted
        self._names: dict[str, str] = {}
        self._said: list[Part | Owned] = []
        """The assistant's turn under way: items one after the other make one turn."""
        self._said_at = ""
        self.turns: list[Message] = []
        self.skipped: list[str] = []

    def read(self, value: Any) -> tuple[Message, ...]:
        """The turns of `input`. Raises BadRequest naming the place."""
        if isinstance(value, str):
            self._turn(Role.USER, read_content(value, "input"), "input")
            return tuple(self.turns)
        items = listed(value, "input") if value is not None else []
        if not items:
            raise BadRequest("input: at least one item is needed", field="input")
        for at, item in enumerate(items):
            self._item(item, f"input[{at}]")
        self._close_turn()
        return tuple(self.turns)

    def _turn(self, role: Role, parts: tuple[Part, ...], path: str) -> None:
        self._close_turn()
        self.turns.append(Message(role, parts))
        self._noted.append((self.turns[-1], path))

    def _close_turn(self) -> None:
        if self._said:
            said, self._said = self._said, []
            self._turn(Role.ASSISTANT, settle(said), self._said_at)

    def _add(self, parts: tuple[Part | Owned, ...], path: str) -> None:
        if not self._said:
            self._said_at = path
        self._said += parts

    def _item(self, item: Item, path: str) -> None:
        kind = text(item.get("type", "message"), f"{path}.type")
        if kind == "message":
            self._message(item, path)
        elif kind == "reasoning":
            thought = read_item(item, self._opaque)
            self._add((thought,) if thought is not None else (), path)
        elif kind in ("function_call", "custom_tool_call"):
            self._call(item, kind, path)
        elif kind in ("function_call_output", "custom_tool_call_output"):
            self._result(item, path)
        elif kind == "item_reference":
            raise BadRequest(f"{path}: answers are not stored here; send the item itself", field=path)
        elif kind in _TOLD_ALREADY:
            self.skipped.append(path)
        else:
            self._note(Raw(RAW, item), path)

    def _note(self, part: Part, path: str) -> None:
        self._add((part,), path)
        self._noted.append((part, path))

    def _message(self, item: Item, path: str) -> None:
        role = text(item.get("role"), f"{path}.role")
        if role not in _ROLES:
            raise BadRequest(f"{path}.role: unknown role {role!r}", field=f"{path}.role")
        at = f"{path}.content"
        if item.get("content") is None:
            raise wrong(at, "a string or an array of parts")
        parts = (read_texts if role == "assistant" else read_content)(item["content"], at)
        self._noted += numbered(parts, at) if isinstance(item["content"], list) else [(part, at) for part in parts]
        if role == "assistant":
            self._add(parts, path)
        else:
            self._turn(_ROLES[role], parts, path)

    def _call(self, item: Item, kind: str, path: str) -> None:
        call_id = text(item.get("call_id"), f"{path}.call_id")
        name = flat(item.get(NAMESPACE), text(item.get("name"), f"{path}.name"))
        self._names[call_id] = name
        if kind == "custom_tool_call":
            said = text(item.get("input"), f"{path}.input")
            self._note(ToolCall(call_id, name, said, ToolKind.CUSTOM), path)
        else:
            said = text(item.get("arguments"), f"{path}.arguments")
            self._note(ToolCall(call_id, name, said if said.strip() else "{}"), path)

    def _result(self, item: Item, path: str) -> None:
        call_id = text(item.get("call_id"), f"{path}.call_id")
        read = read_content(item.get("output"), f"{path}.output")
        parts = tuple(part for part in read if isinstance(part, Text | Media))
        if len(parts) != len(read):
            raise wrong(f"{path}.output", "text, pictures and files only")
        result = ToolResult(call_id, parts, self._names.get(call_id))
        self._noted += [*numbered(parts, f"{path}.output"), (result, path)]
        self._turn(Role.TOOL, (result,), path)
