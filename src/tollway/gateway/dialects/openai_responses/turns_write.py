"""A canonical conversation as the items of an `input` (relay.md 6.12)."""

from typing import Any

from tollway.core.chat import (
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
from tollway.gateway.dialects.openai_responses.parts import RAW, write_input, write_output
from tollway.gateway.dialects.openai_responses.seals import encrypted_of
from tollway.gateway.openai_family.arguments import compact
from tollway.gateway.openai_family.media import titled
from tollway.gateway.openai_family.names import call_id, tool_name

Item = dict[str, Any]
Piece = tuple[Part, str]
"""A part and its path in the canonical question."""
_INSTRUCTIONS = (Role.SYSTEM, Role.DEVELOPER)


class ItemWriter:
    """Writes one conversation; what had to be left out is in `dropped`."""

    def __init__(self) -> None:
        self.instructions: list[str] = []
        self.items: list[Item] = []
        self.dropped: set[str] = set()
        self._customs: set[str] = set()
        """Calls of custom tools: their results are items of another type."""

    def write(self, messages: tuple[Message, ...]) -> None:
        """Sort `messages` into instructions and items. Raises Unsupported naming a part that cannot be said."""
        leading = True
        for index, message in enumerate(messages):
            pieces = [(part, f"messages[{index}].content[{at}]") for at, part in enumerate(message.parts)]
            if message.name:
                self.dropped.add("messages.name")
            if any(getattr(part, "cache", None) for part in message.parts):
                self.dropped.add("cache_control")
            leading = leading and message.role in _INSTRUCTIONS and all(isinstance(part, Text) for part, _ in pieces)
            if leading:
                self.instructions += [part.text for part in message.parts if isinstance(part, Text) and part.text]
            elif message.role is Role.ASSISTANT:
                self._assistant(pieces)
            else:
                self._turn(message.role, pieces)

    def _turn(self, role: Role, pieces: list[Piece]) -> None:
        rest: list[Item] = []
        for part, path in pieces:
            if isinstance(part, ToolResult):
                self.items.append(self._result(part, path))
            else:
                rest.append(write_input(part, path))
        if rest or (role is not Role.TOOL and not pieces):
            spoken = role.value if role is not Role.TOOL else Role.USER.value
            self.items.append({"type": "message", "role": spoken, "content": rest})

    def _assistant(self, pieces: list[Piece]) -> None:
        words: list[Item] = []
        thought: Reasoning | None = None
        for given, path in pieces:
            part = Text(titled(given)) if isinstance(given, Media) and given.text is not None else given
            if isinstance(part, Text | Refusal):
                words += [write_output(part)] if part.text else []
                continue
            self._say(words)
            words = []
            if isinstance(part, Reasoning):
                self._thought(part, thought)
                thought = part
            elif isinstance(part, ToolCall):
                self._call(part)
            else:
                self._other(part, path)
        self._say(words)

    def _say(self, words: list[Item]) -> None:
        if words:
            self.items.append({"type": "message", "role": "assistant", "content": words})

    def _thought(self, part: Reasoning, before: Reasoning | None) -> None:
        """A thought under the vendor's own seal; `before` may hold its words, where a wire tells the two apart."""
        sealed = encrypted_of(part)
        if sealed is None:
            self.dropped.add("reasoning")
            return
        words = part.text
        if not words and before is not None and not (before.signature or before.redacted):
            words = before.text
            self.dropped.discard("reasoning")
        item: Item = {"type": "reasoning", "id": sealed[1]} if sealed[1] else {"type": "reasoning"}
        item["summary"] = [{"type": "summary_text", "text": words}] if words else []
        self.items.append(item | {"encrypted_content": sealed[0]})

    def _call(self, call: ToolCall) -> None:
        named = {"call_id": call_id(call.id), "name": tool_name(call.name)}
        if call.kind is ToolKind.CUSTOM:
            self._customs.add(call.id)
            self.items.append({"type": "custom_tool_call", **named, "input": call.args_json})
        else:
            self.items.append({"type": "function_call", **named, "arguments": compact(call.args_json)})

    def _other(self, part: Part, path: str) -> None:
        if isinstance(part, Raw) and part.family == RAW and isinstance(part.value, dict):
            self.items.append(dict(part.value))
        elif isinstance(part, Media):
            raise Unsupported(f"{path}: responses take media from the user only", field=path)
        else:
            raise Unsupported(f"{path}: this kind of content has no counterpart in responses", field=path)

    def _result(self, result: ToolResult, path: str) -> Item:
        said: str | list[Item]
        texts = [part.text for part in result.parts if isinstance(part, Text)]
        if len(texts) == len(result.parts):
            said = ("Error: " if result.is_error else "") + "\n".join(texts)
        else:
            error: list[Item] = [{"type": "input_text", "text": "Error:"}] if result.is_error else []
            said = [*error, *(write_input(part, f"{path}.parts[{at}]") for at, part in enumerate(result.parts))]
        custom = result.call_id in self._customs
        kind = "custom_tool_call_output" if custom else "function_call_output"
        return {"type": kind, "call_id": call_id(result.call_id), "output": said}
