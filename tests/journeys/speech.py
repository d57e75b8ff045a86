"""What a story says to a model and what it hears, whichever vendor's SDK carries it."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import BaseModel

from tests.mocks.script import PNG

WHOLE, STREAM, SUGAR = "whole", "stream", "sugar"
"""In one piece; piece by piece; through the SDK's own convenience over a stream."""
ASYNC = "async "
WAYS = (WHOLE, STREAM, SUGAR, ASYNC + WHOLE, ASYNC + STREAM, ASYNC + SUGAR)
PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
WAV = b"RIFF\x2c\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data\x08\0\0\0" + b"\0" * 8


@dataclass(frozen=True)
class Attached:
    """A picture, sound or document beside the words: its bytes, or where they are."""

    kind: str
    """`image`, `audio` or `file`."""
    mime: str
    data: bytes = b""
    url: str = ""


PICTURE = Attached("image", "image/png", PNG)
LINKED_PICTURE = Attached("image", "image/png", url="https://example.com/cat.png")
DOCUMENT = Attached("file", "application/pdf", PDF)
LINKED_DOCUMENT = Attached("file", "application/pdf", url="https://example.com/paper.pdf")
SOUND = Attached("audio", "audio/wav", WAV)


@dataclass(frozen=True)
class Function:
    """A tool the model may call."""

    name: str
    schema: dict[str, Any]
    description: str = "Does what its name says"


@dataclass(frozen=True)
class Called:
    """The model asked for a tool."""

    id: str
    name: str
    args: Any


@dataclass(frozen=True)
class Told:
    """What a tool answered."""

    call: Called
    text: str
    picture: bool = False
    failed: bool = False


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a call asks besides its words."""

    system: str = ""
    tools: Sequence[Function] = ()
    choice: str = ""
    """`any`, `none` or the name of a tool; empty leaves it to the model."""
    shape: type[BaseModel] | None = None
    """The type the answer must have, demanded in each SDK's own way."""
    stop: Sequence[str] = ()
    limit: int | None = None
    think: bool = False
    search: bool = False
    """Let the provider search the web by itself."""
    answers: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    """More arguments for the SDK, in its own words."""


@dataclass(frozen=True)
class Spent:
    """Tokens as the caller's SDK shows them, told in one arithmetic."""

    input: int
    """All prompt tokens, cached ones included."""
    output: int
    """All output tokens, thoughts included."""
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0
    searches: int = 0
    """Searches the provider made and bills for; the SDKs do not show them."""
    drawn: int = 0
    """Part of `output`: tokens of pictures; not every SDK shows them."""


@dataclass(kw_only=True)
class Heard:
    """An answer as the SDK understood it."""

    text: str
    texts: Sequence[str]
    """Of each alternative answer."""
    thought: str = ""
    calls: Sequence[Called] = ()
    refusal: str = ""
    finish: str
    """In the SDK's vendor's own word."""
    spent: Spent
    parsed: Any = None
    cited: Sequence[str] = ()
    pictures: Sequence[bytes] = ()
    turn: Any
    """The answer as the SDK's users send it back."""
    headers: Mapping[str, str]

    @property
    def id(self) -> str:
        """The request id that opens the receipt."""
        return self.headers["x-request-id"]

    @property
    def dropped(self) -> list[str]:
        """What the gateway says it dropped."""
        return [name.strip() for name in self.headers.get("x-tollway-dropped", "").split(",") if name]


class Tongue(Protocol):
    """A vendor's SDK."""

    name: str
    client: Any
    """The SDK's own client."""
    asynchronous: Any
    """The SDK's own asynchronous client."""

    def user(self, text: str, attached: Sequence[Attached]) -> Any:
        """A user's turn in the SDK's own words."""

    def results(self, told: Sequence[Told]) -> list[Any]:
        """The turns that bring tools' answers."""

    def retrying(self, times: int) -> "Tongue":
        """The same, trying again so many times where it can."""

    def bare(self, heard: Heard) -> Any:
        """The answer as clients send it back that know only words and calls."""

    def ask(self, way: str, model: str, turns: Sequence[Any], wish: Wish) -> Heard:
        """One call."""


class Loop:
    """One event loop for every asynchronous client."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()

    def run(self, work: Any) -> Any:
        """Wait for a coroutine."""
        return self._runner.run(work)

    def close(self) -> None:
        """The end of all clients."""
        self._runner.close()
