"""Messages said: a canonical conversation as history for an upstream on this wire (relay.md 6.5, 6.10)."""

from typing import Any

from tollway.core.chat import Message, Part, Reasoning, Refusal, Role, Text, ToolCall, ToolKind, ToolResult
from tollway.core.media import Media, MediaKind
from tollway.gateway.dialects.openai_chat.parts import Piece, write_content
from tollway.gateway.dialects.openai_chat.seals import Seal, detail
from tollway.gateway.dialects.openai_chat.upstreams import Habits
from tollway.gateway.openai_family.arguments import compact
from tollway.gateway.openai_family.names import call_id, speaker, tool_name

_WORD = {MediaKind.IMAGE: "image", MediaKind.AUDIO: "audio", MediaKind.VIDEO: "video", MediaKind.FILE: "file"}


class TurnWriter:
    """Writes one conversation; what had to be left out is in `dropped`."""

    def __init__(self, habits: Habits) -> None:
        self._habits = habits
        self._attached = 0
        self._waiting: list[Piece] = []
        self.said: list[dict[str, Any]] = []
        self.dropped: set[str] = set()

    def write(self, messages: tuple[Message, ...]) -> list[dict[str, Any]]:
        """`messages`. Raises Unsupported naming a part that cannot be said."""
        for index, message in enumerate(messages):
            pieces = [(part, f"messages[{index}].content[{at}]") for at, part in enumerate(message.parts)]
            rest: list[Piece] = []
            for part, path in pieces:
                if isinstance(part, ToolResult):
                    self._result(part, path)
                else:
                    rest.append((part, path))
            if message.role is Role.TOOL or (pieces and not rest):
                continue
            if message.role is Role.ASSISTANT:
                self._flush()
                self._assistant(message, pieces)
            elif message.role is Role.USER:
                rest, self._waiting = [*self._waiting, *rest], []
                self._turn(message, rest)
            else:
                self._flush()
                self._turn(message, _one_text(rest))
        self._flush()
        return self.said

    def _flush(self) -> None:
        """Attachments of tool results and answers follow in a user message, once no more results can come."""
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            self.said.append({"role": "user", "content": self._content(waiting)})

    def _turn(self, message: Message, pieces: list[Piece]) -> None:
        turn: dict[str, Any] = {"role": message.role.value, "content": self._content(pieces)}
        self.said.append(self._named(turn, message))

    def _named(self, turn: dict[str, Any], message: Message) -> dict[str, Any]:
        if message.name and speaker(message.name):
            turn["name"] = message.name
        elif message.name:
            self.dropped.add("messages.name")
        return turn

    def _content(self, pieces: list[Piece]) -> str | list[dict[str, Any]]:
        if not self._habits.cache_control and any(getattr(part, "cache", None) for part, _ in pieces):
            self.dropped.add("cache_control")
        return write_content(pieces, self._habits)

    def _assistant(self, message: Message, pieces: list[Piece]) -> None:
        turn: dict[str, Any] = {"role": "assistant"}
        words: list[Piece] = []
        calls: list[ToolCall] = []
        refused: list[str] = []
        for part, path in pieces:
            if isinstance(part, ToolCall):
                calls.append(part)
            elif isinstance(part, Refusal):
                refused.append(part.text)
            elif isinstance(part, Media) and part.file_family == "openai" and part.kind is MediaKind.AUDIO:
                turn["audio"] = {"id": part.file_id}
            elif isinstance(part, Media) and part.text is None:
                words.append((Text(self._attach(part, path)), path))
            elif not isinstance(part, Reasoning | ToolResult):
                words.append((part, path))
        blank = not words or (calls and all(isinstance(part, Text) and not part.text for part, _ in words))
        if not blank or not (calls or refused or "audio" in turn):
            turn["content"] = self._content(words)
        elif calls:
            turn["content"] = None
        if refused:
            turn["refusal"] = "".join(refused)
        if calls:
            turn["tool_calls"] = [_call(call) for call in calls]
        self._thoughts(turn, message.parts)
        self.said.append(self._named(turn, message))

    def _thoughts(self, turn: dict[str, Any], parts: tuple[Part, ...]) -> None:
        told = [part for part in parts if isinstance(part, Reasoning)]
        if not told:
            return
        if not self._habits.thoughts_back:
            self.dropped.add("reasoning")
            return
        words = "\n\n".join(part.text for part in told if part.text)
        if words:
            turn["reasoning_content" if self._habits.thoughts_back == "content" else "reasoning"] = words
        if self._habits.thoughts_back == "details":
            carried = [detail(Seal(part.text, part.family, part.signature, part.redacted), None) for part in told]
            turn |= {"reasoning_details": kept} if (kept := [entry for entry in carried if entry]) else {}

    def _result(self, result: ToolResult, path: str) -> None:
        words = [
            self._attach(part, f"{path}.parts[{at}]") if isinstance(part, Media) else part.text
            for at, part in enumerate(result.parts)
        ]
        text = "\n".join(words)
        if result.is_error:
            text = f"Error: {text}"
        if result.cache and not self._habits.cache_control:
            self.dropped.add("cache_control")
        self.said.append({"role": "tool", "tool_call_id": call_id(result.call_id), "content": text})

    def _attach(self, media: Media, path: str) -> str:
        """What stands in the text for a piece of media; the piece itself follows in a user message."""
        if media.text is not None:
            return media.text
        self._attached += 1
        self._waiting.append((media, path))
        return f"see attached {_WORD[media.kind]} {self._attached}"


def _one_text(pieces: list[Piece]) -> list[Piece]:
    """The blocks of an instruction as one text, where nothing but text is in them."""
    texts = [part for part, _ in pieces if isinstance(part, Text)]
    if len(texts) != len(pieces) or len(texts) < 2 or any(part.cache for part in texts):
        return pieces
    return [(Text("\n\n".join(part.text for part in texts)), pieces[0][1])]


def _call(call: ToolCall) -> dict[str, Any]:
    said: dict[str, Any] = {"id": call_id(call.id), "type": "function"}
    if call.kind is ToolKind.CUSTOM:
        return said | {"type": "custom", "custom": {"name": tool_name(call.name), "input": call.args_json}}
    return said | {"function": {"name": tool_name(call.name), "arguments": compact(call.args_json)}}
