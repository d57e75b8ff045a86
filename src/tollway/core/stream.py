"""The canonical answer: piece by piece while it streams, and whole when it does not.

A stream is any number of pieces followed by exactly one terminal event: `Completed`, `Failed` or `Cut`.
`choice` is the index of the alternative answer (0 unless the caller asked for several).
"""

import enum

import msgspec

from tollway.core.chat import Citation, Part, ToolKind
from tollway.core.embedding import Vector
from tollway.core.media import Media
from tollway.core.usage import Usage


class Finish(enum.Enum):
    """Why an answer ended (relay.md 6.16a)."""

    STOP = "stop"
    STOP_SEQUENCE = "stop_sequence"
    LENGTH = "length"
    CONTEXT_WINDOW = "context_window"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"
    PAUSE = "pause"
    """A provider's own tool loop paused; resend to continue."""
    MALFORMED_TOOL = "malformed_tool"
    OTHER = "other"


class Started(msgspec.Struct, frozen=True, gc=False):
    """The provider began: its own id and model name, and whatever input usage it already knows."""

    id: str
    model: str
    usage: Usage | None = None


class TextDelta(msgspec.Struct, frozen=True, gc=False):
    """Words of the answer."""

    text: str
    choice: int = 0


class RefusalDelta(msgspec.Struct, frozen=True, gc=False):
    """Words of a refusal."""

    text: str
    choice: int = 0


class ReasoningDelta(msgspec.Struct, frozen=True, gc=False):
    """Words of a thought."""

    text: str
    choice: int = 0


class ReasoningSeal(msgspec.Struct, frozen=True, gc=False):
    """The seal of the thought just told (`signature`), or a whole thought in encrypted form (`redacted`)."""

    family: str
    signature: str | None = None
    redacted: str | None = None
    choice: int = 0


class ToolStart(msgspec.Struct, frozen=True, gc=False):
    """A tool call begins. `slot` counts the calls of one answer from 0 in order of appearance."""

    slot: int
    id: str
    name: str
    kind: ToolKind = ToolKind.FUNCTION
    signature: str | None = None
    family: str | None = None
    choice: int = 0


class ToolArgs(msgspec.Struct, frozen=True, gc=False):
    """A fragment of a call's arguments."""

    slot: int
    fragment: str
    choice: int = 0


class ToolEnd(msgspec.Struct, frozen=True, gc=False):
    """A call is complete. Every decoder sends it once for each ToolStart, at the latest before Finished."""

    slot: int
    choice: int = 0


class MediaPiece(msgspec.Struct, frozen=True, gc=False):
    """A picture or sound in the answer; `partial` marks audio that continues in the next piece."""

    media: Media
    partial: bool = False
    choice: int = 0


class Cited(msgspec.Struct, frozen=True, gc=False):
    """A source for the text told so far."""

    citation: Citation
    choice: int = 0


class RawPiece(msgspec.Struct, frozen=True, gc=False):
    """A piece only one provider family understands (a server tool's block); other dialects drop it."""

    family: str
    value: object
    choice: int = 0


class Finished(msgspec.Struct, frozen=True, gc=False):
    """One alternative answer ended; others may go on."""

    reason: Finish
    stop_sequence: str | None = None
    choice: int = 0


class UsageSeen(msgspec.Struct, frozen=True, gc=False):
    """The provider's count so far: cumulative, the last one wins."""

    usage: Usage


class Heartbeat(msgspec.Struct, frozen=True, gc=False):
    """The provider showed life without saying anything."""


class Completed(msgspec.Struct, frozen=True, gc=False):
    """Terminal: the provider ended the stream as its dialect demands."""


class Failed(msgspec.Struct, frozen=True, gc=False):
    """Terminal: the provider reported an error inside the stream."""

    status: int
    code: str
    message: str


class Cut(msgspec.Struct, frozen=True, gc=False):
    """Terminal: the bytes ended before the dialect's own end."""

    reason: str = "the upstream closed the stream early"


StreamEvent = (
    Started
    | TextDelta
    | RefusalDelta
    | ReasoningDelta
    | ReasoningSeal
    | ToolStart
    | ToolArgs
    | ToolEnd
    | MediaPiece
    | Cited
    | RawPiece
    | Finished
    | UsageSeen
    | Heartbeat
    | Completed
    | Failed
    | Cut
)


class Choice(msgspec.Struct, frozen=True):
    """One alternative answer, whole."""

    parts: tuple[Part, ...]
    """Reasoning, Text, Refusal, ToolCall, Media and Raw, in the order they were said."""
    finish: Finish
    stop_sequence: str | None = None


class Answer(msgspec.Struct, frozen=True):
    """A whole answer that did not stream."""

    id: str
    model: str
    choices: tuple[Choice, ...]
    usage: Usage | None = None
    vectors: tuple[Vector, ...] = ()
    """Where vectors were asked for: one for each input, in their order; then there are no choices."""
