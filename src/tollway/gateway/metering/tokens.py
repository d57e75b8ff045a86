"""Counts the tokens of questions and of answers in flight."""

from collections.abc import Callable
from typing import Any

import msgspec

from tollway.core.chat import (
    ChatRequest,
    ChoiceMode,
    Message,
    Part,
    Raw,
    Reasoning,
    Refusal,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from tollway.core.media import Media
from tollway.core.model import Model
from tollway.gateway.metering import text as counting
from tollway.gateway.metering.inputs import count_inputs, hold_inputs
from tollway.gateway.metering.media import media_tokens
from tollway.gateway.metering.vocabulary import of_family, of_model

BOUND_OVERHEAD = 512
"""Tokens a provider may add that no byte of the body accounts for: frames, and Claude's 346 when tools are given."""
TOKENS_PER_PICTURE = 1400
"""Output tokens of a picture whose provider did not count it (relay.md 6.16b)."""
SAMPLE = 1024
"""Characters a tally keeps and counts exactly."""
_FOLD_AT = 128
"""Characters in loose pieces before they are joined."""
_NEVER = 1 << 60

_json = msgspec.json.Encoder().encode
warm, is_warm = counting.warm, counting.is_warm


def count_text(family: str, text: str, exact: bool = False) -> int:
    """Tokens of `text` for a model family; `exact` spends more time for Claude (see `text.exact`)."""
    count = counting.exact if exact else counting.quick
    return count(of_family(family), text)


def upper_bound(body_bytes: int) -> int:
    """Tokens a body of that many bytes cannot exceed, if it holds no media and asks for no server tools.

    Every tokenizer we know falls back to single bytes at worst, so a token never stands for less than one byte
    of text, and JSON spends more bytes on a text and on the frame around a message than it has.
    """
    return body_bytes + BOUND_OVERHEAD


def count_request(request: ChatRequest, model: Model, exact: bool = False) -> int:
    """Prompt tokens of a question as `model` will count them: text, overheads of the format, media.

    `exact`, for count endpoints, takes longer for Claude. Pure: for bodies above some 64 KiB, or when `exact`, call
    it in a thread.
    """
    if request.embedding is not None:
        return count_inputs(request.embedding, model)
    words = _words(request, model, worst=False)
    count = counting.exact if exact else counting.quick
    return count(of_model(model), "\n".join(words.texts)) + words.tokens


def count_at_once(request: ChatRequest, model: Model) -> int:
    """Like `count_request`, but guessing by word classes rather than wait for a tokenizer that is not loaded yet."""
    if request.embedding is not None:
        return count_inputs(request.embedding, model)
    words = _words(request, model, worst=False)
    text = counting.well_formed("\n".join(words.texts))
    return counting.scaled(of_model(model), counting.at_once(text), *counting.sizes(text)) + words.tokens


def hold_tokens(request: ChatRequest, model: Model) -> int:
    """Prompt tokens to hold for: like `count_request`, but on the safe side where bills were seen above the formula,
    and never below a quarter of the characters (hub.md 4.5: the larger count is used).
    """
    if request.embedding is not None:
        return hold_inputs(request.embedding, model)
    words = _words(request, model, worst=True)
    text = "\n".join(words.texts)
    return max(counting.quick(of_model(model), text), -(-len(text) // 4)) + words.tokens


def _words(request: ChatRequest, model: Model, worst: bool) -> "_Words":
    words = _Words(model, worst)
    for message in request.messages:
        words.message(message)
    words.tools(request)
    if request.output_format is not None and request.output_format.schema is not None:
        words.json(request.output_format.schema)
    return words


class _Words:
    """Everything in a question that is text, and the tokens of everything that is not."""

    def __init__(self, model: Model, worst: bool) -> None:
        self._model, self._worst = model, worst
        self.texts: list[str] = []
        self.tokens = _PER_REQUEST.get(model.family, 0)

    def message(self, message: Message) -> None:
        self.tokens += _PER_MESSAGE.get(self._model.family, 3)
        if message.name:
            self.tokens += 3
            self.texts.append(message.name)
        for part in message.parts:
            self.part(part)

    def part(self, part: Part) -> None:
        match part:
            case Text(text=text) | Refusal(text=text):
                self.texts.append(text)
            case Media():
                self.media(part)
            case Reasoning():
                self.texts.append(part.text)
                self.tokens += len(part.redacted or "") // 4
            case ToolCall():
                self.tokens += _PER_TOOL_CALL
                self.texts += (part.name, part.args_json)
            case ToolResult():
                self.tokens += _PER_TOOL_CALL
                for piece in part.parts:
                    self.part(piece)
            case Raw():
                self.json(part.value)

    def media(self, media: Media) -> None:
        if media.text is not None:
            self.texts.append(media.text)
        else:
            self.tokens += media_tokens(media, self._model, self._worst)

    def tools(self, request: ChatRequest) -> None:
        """Definitions of tools; each family puts its own frame around them."""
        if not request.tools:
            return
        if self._model.family == "anthropic":
            forced = request.tool_choice is not None and request.tool_choice.mode in (
                ChoiceMode.REQUIRED,
                ChoiceMode.NAMED,
            )
            self.tokens += 313 if forced else 346
        else:
            self.tokens += 12
        for tool in request.tools:
            self.tool(tool)

    def tool(self, tool: Tool) -> None:
        self.tokens += 8
        self.texts += (tool.name, tool.description or "")
        for detail in (tool.schema, tool.settings):
            if detail is not None:
                self.json(detail)

    def json(self, value: Any) -> None:
        self.texts.append(_json(value).decode())


_PER_MESSAGE = {"anthropic": 4, "gemini": 1}
_PER_REQUEST = {"openai": 3, "other": 3, "anthropic": 3}
_PER_TOOL_CALL = 7
"""Frame of one call or of its result."""


class TextTally:
    """Counts what an answer says while it streams; read when the provider reports no usage.

    Exact for the first SAMPLE characters, in proportion to them beyond: memory stays bounded and nothing is
    tokenized while words go by. Whoever wants to look when so much was said sets a mark.
    """

    __slots__ = (
        "_bytes",
        "_fold_at",
        "_mark",
        "_on_mark",
        "_pieces",
        "_sample",
        "_size",
        "characters",
        "count",
        "longest",
    )

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._size = 0
        self._fold_at = _FOLD_AT
        self._sample = ""
        self.characters = self._bytes = 0
        """Said until the last look."""
        self.count = self.longest = 0
        """Pieces said, and the characters of the longest."""
        self._mark = _NEVER
        self._on_mark: Callable[[], None] | None = None

    def add(self, text: str) -> None:
        """One more piece of the answer; nearly free. Calls whoever set a mark when that is reached."""
        self._pieces.append(text)
        self._size += len(text)
        if self._size > self._fold_at:
            self._fold()
            if self.characters >= self._mark and self._on_mark is not None:
                self._on_mark()

    def mark(self, characters: int, on_mark: Callable[[], None] | None = None) -> None:
        """Call `on_mark` (or who was named before) within an `add` that brings us to so many characters or beyond."""
        self._mark = characters
        self._on_mark = on_mark or self._on_mark
        self._fold_at = min(_FOLD_AT, characters - self.characters - 1)

    @property
    def size(self) -> int:
        """Characters said so far."""
        return self.characters + self._size

    def at_most(self) -> int:
        """Tokens said until the last fold, roughly and without a tokenizer: rather too many than too few."""
        return max(self.count, self._bytes // 2)

    def tokens(self, family: str) -> int:
        """Tokens said so far, as that family counts."""
        self._fold()
        kept = len(self._sample)
        if not kept:
            return 0
        tokens = counting.at_once(self._sample)
        if self.characters > kept:
            tokens = -(-tokens * self.characters // kept)
        return counting.scaled(of_family(family), tokens, self.characters, self._bytes)

    def _fold(self) -> None:
        pieces = self._pieces
        if not pieces:
            return
        self.count += len(pieces)
        self.longest = max(self.longest, *map(len, pieces))
        text = counting.well_formed("".join(pieces))
        pieces.clear()
        self._size = 0
        characters, size = counting.sizes(text)
        self.characters += characters
        self._bytes += size
        if len(self._sample) < SAMPLE:
            self._sample += text
        self._fold_at = min(_FOLD_AT, self._mark - self.characters - 1)
