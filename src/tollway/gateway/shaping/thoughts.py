"""Tells a model's thoughts as words of its answer, between `<think>` and `</think>`, or finds them there."""

from collections.abc import Callable, Iterator
from typing import Protocol

import msgspec

from tollway.core.chat import Part, Reasoning, Text
from tollway.core.model import Channel
from tollway.core.stream import Answer, Completed, ReasoningDelta, ReasoningSeal, StreamEvent, TextDelta

BEGIN, END = "<think>", "</think>"
OPEN, CLOSE = f"{BEGIN}\n", f"\n{END}\n"


class Teller(Protocol):
    """Whatever makes the caller's bytes of events: a dialect's encoder."""

    def write(self, event: StreamEvent) -> bytes:
        """The bytes this event makes."""

    def heartbeat(self) -> bytes:
        """Bytes that mean nothing."""


class Retelling(Protocol):
    """How an answer is told in another way than its provider told it."""

    def encoder(self, inner: Teller) -> Teller:
        """The caller's stream."""

    def answer(self, answer: Answer) -> Answer:
        """A whole answer."""


class _Retold:
    """A teller before which events are changed."""

    __slots__ = ("_change", "_inner", "heartbeat")

    def __init__(self, inner: Teller, change: Callable[[StreamEvent], Iterator[StreamEvent]]) -> None:
        self._inner, self._change = inner, change
        self.heartbeat = inner.heartbeat

    def write(self, event: StreamEvent) -> bytes:
        return b"".join([self._inner.write(one) for one in self._change(event)])


class Aloud:
    """Thoughts become words of the answer. Their seals are not told: nobody could send them back with the words."""

    def encoder(self, inner: Teller) -> Teller:
        """See Retelling."""
        return _Retold(inner, _Speaker().change)

    def answer(self, answer: Answer) -> Answer:
        """See Retelling."""
        return _each(answer, _spoken)


class Inward:
    """Words between the marks, where an answer begins with them, become thoughts: for open models behind servers that
    do not tell the two apart."""

    def encoder(self, inner: Teller) -> Teller:
        """See Retelling."""
        return _Retold(inner, _Listener().change)

    def answer(self, answer: Answer) -> Answer:
        """See Retelling."""
        return _each(answer, _heard)


def retelling_of(channel: Channel) -> Retelling | None:
    """How the answers of a channel are told; None: as they are."""
    if channel.thinking_to_content:
        return Aloud()
    return Inward() if channel.content_to_thinking else None


def _each(answer: Answer, change: Callable[[tuple[Part, ...]], tuple[Part, ...]]) -> Answer:
    choices = tuple(msgspec.structs.replace(one, parts=change(one.parts)) for one in answer.choices)
    return msgspec.structs.replace(answer, choices=choices)


# -- thoughts told aloud ---------------------------------------------------------------------------------------


def _spoken(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    told: list[Part] = []
    thoughts = ""
    for part in parts:
        if isinstance(part, Reasoning):
            thoughts += part.text
            continue
        if thoughts:
            told.append(Text(OPEN + thoughts + CLOSE))
            thoughts = ""
        told.append(part)
    return tuple(told) if not thoughts else (*told, Text(OPEN + thoughts + CLOSE))


class _Speaker:
    """Which alternative answers are within a thought."""

    __slots__ = ("_thinking",)

    def __init__(self) -> None:
        self._thinking: set[int] = set()

    def change(self, event: StreamEvent) -> Iterator[StreamEvent]:
        """What is told instead of an event."""
        if type(event) is ReasoningDelta:
            if event.text:
                opening = "" if event.choice in self._thinking else OPEN
                self._thinking.add(event.choice)
                yield TextDelta(opening + event.text, event.choice)
            return
        if type(event) is ReasoningSeal:
            return
        if self._thinking:
            yield from self._closed(event)
        yield event

    def _closed(self, event: StreamEvent) -> Iterator[StreamEvent]:
        """The end of the thought that this event ends, or of all of them."""
        over = type(event) is Completed
        for choice in sorted(self._thinking):
            if over or getattr(event, "choice", None) == choice:
                self._thinking.discard(choice)
                yield TextDelta(CLOSE, choice)


# -- thoughts found in words -----------------------------------------------------------------------------------


def _heard(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    for at, part in enumerate(parts):
        if isinstance(part, Text):
            thoughts, words = split_words(part.text)
            if not thoughts:
                return parts
            rest = (msgspec.structs.replace(part, text=words),) if words else ()
            return (*parts[:at], Reasoning(thoughts), *rest, *parts[at + 1 :])
    return parts


def split_words(text: str) -> tuple[str, str]:
    """(thoughts, words) of an answer that begins with thoughts; without such a beginning all are words."""
    bare = text.lstrip()
    if not bare.startswith(BEGIN):
        return "", text
    thoughts, _, words = bare.removeprefix(BEGIN).partition(END)
    return thoughts.removeprefix("\n").removesuffix("\n"), words.lstrip("\n")


class _Ear:
    """One alternative answer: what is held back because it may be part of a mark."""

    __slots__ = ("held", "state")

    def __init__(self) -> None:
        self.held, self.state = "", _beginning

    def hear(self, text: str, choice: int) -> Iterator[StreamEvent]:
        """The events that more words make."""
        self.held += text
        while True:
            before = self.state
            yield from before(self, choice)
            if self.state is before:
                return

    def rest(self, choice: int) -> Iterator[StreamEvent]:
        """What was held back, when nothing more comes."""
        held, self.held = self.held, ""
        if held:
            yield ReasoningDelta(held, choice) if self.state is _thinking else TextDelta(held, choice)
        self.state = _speaking


def _beginning(ear: _Ear, choice: int) -> Iterator[StreamEvent]:
    bare = ear.held.lstrip()
    if bare.startswith(BEGIN):
        rest = bare.removeprefix(BEGIN)
        if rest:
            ear.held, ear.state = rest.removeprefix("\n"), _thinking
    elif not BEGIN.startswith(bare):
        ear.state = _speaking
    yield from ()


def _thinking(ear: _Ear, choice: int) -> Iterator[StreamEvent]:
    thought, mark, words = ear.held.partition(END)
    if mark:
        ear.held, ear.state = words, _between
        thought = thought.removesuffix("\n")
    else:
        kept = _may_begin(ear.held, f"\n{END}")
        thought, ear.held = ear.held[: len(ear.held) - kept], ear.held[len(ear.held) - kept :]
    if thought:
        yield ReasoningDelta(thought, choice)


def _between(ear: _Ear, choice: int) -> Iterator[StreamEvent]:
    ear.held = ear.held.lstrip("\n")
    if ear.held:
        ear.state = _speaking
    yield from ()


def _speaking(ear: _Ear, choice: int) -> Iterator[StreamEvent]:
    words, ear.held = ear.held, ""
    if words:
        yield TextDelta(words, choice)


def _may_begin(text: str, mark: str) -> int:
    """How many of the last characters may be the beginning of `mark`, with or without its line break."""
    for size in range(min(len(text), len(mark) - 1), 0, -1):
        if mark.startswith(text[-size:]) or mark[1:].startswith(text[-size:]):
            return size
    return 0


class _Listener:
    """One ear for each alternative answer."""

    __slots__ = ("_ears",)

    def __init__(self) -> None:
        self._ears: dict[int, _Ear] = {}

    def change(self, event: StreamEvent) -> Iterator[StreamEvent]:
        """What is told instead of an event."""
        if type(event) is TextDelta:
            ear = self._ears.get(event.choice) or self._ears.setdefault(event.choice, _Ear())
            yield from ear.hear(event.text, event.choice)
            return
        over = type(event) is Completed
        for choice, ear in self._ears.items():
            if over or getattr(event, "choice", None) == choice:
                yield from ear.rest(choice)
        yield event
