"""What a refused or dropped piece of a question is called in the caller's own body."""

import re

from tollway.core.chat import ChatRequest, ToolResult
from tollway.core.errors import Unsupported
from tollway.gateway.dialect import Body, Dialect

_MESSAGE = re.compile(r"messages\[(\d+)\](?:\.content\[(\d+)\](?:\.parts\[(\d+)\])?)?")
_TOOL = re.compile(r"tools\[(\d+)\](?:\.(\w+))?")
_NAME = re.compile(r"[\w.]+")


class CallerWords:
    """Translates canonical paths for one call. What the caller's dialect has no word for keeps its canonical name."""

    def __init__(self, dialect: Dialect, body: Body, request: ChatRequest) -> None:
        self._dialect, self._body, self.request = dialect, body, request

    def refusal(self, error: Unsupported) -> Unsupported:
        """The same refusal with the caller's own path, as the field and at the head of the message."""
        if error.field is None:
            return error
        place, head = self.place(error.field), f"{error.field}:"
        told = error.message
        return Unsupported(f"{place}:{told.removeprefix(head)}" if told.startswith(head) else told, field=place)

    def dropped(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Names of fields the writer left out; what the reader left over is in the caller's words already."""
        return tuple(name if name in self.request.leftover else self.place(name) for name in names)

    def removed(self, names: tuple[str, ...], provider: Dialect) -> tuple[str, ...]:
        """Names of fields that an accent took from the body in the provider's dialect."""
        canonical = {each: ours for ours, theirs in provider.words.items() for each in _spellings(theirs)}
        return tuple(self.place(canonical.get(name, name)) for name in names)

    def place(self, path: str) -> str:
        """The caller's path for a canonical one: `messages[1].content[0]` → `contents[0].parts[0]`."""
        found = self._of_message(path) or self._of_tool(path)
        if found is not None:
            return found
        name = _NAME.match(path)
        return self._word(name[0]) + path[name.end() :] if name else path

    def _of_message(self, path: str) -> str | None:
        match = _MESSAGE.match(path)
        if match is None:
            return None
        message = self.request.messages[int(match[1])]
        pieces: list[object] = [message]
        if match[2]:
            part = message.parts[int(match[2])]
            pieces.append(part)
            if match[3] and isinstance(part, ToolResult):
                pieces.append(part.parts[int(match[3])])
        found = (self.request.places.of(piece) for piece in reversed(pieces))
        return next((place for place in found if place is not None), self._word("messages"))

    def _of_tool(self, path: str) -> str | None:
        match = _TOOL.fullmatch(path)
        place = self.request.places.of(self.request.tools[int(match[1])]) if match else None
        if match is None or place is None:
            return None
        return f"{place}.{self._word(match[2])}" if match[2] else place

    def _word(self, name: str) -> str:
        words = _spellings(self._dialect.words.get(name, name))
        return next((word for word in words if word.partition(".")[0] in self._body), words[0])


def _spellings(words: str | tuple[str, ...]) -> tuple[str, ...]:
    return (words,) if isinstance(words, str) else words
