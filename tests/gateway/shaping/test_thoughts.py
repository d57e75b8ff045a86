"""Thoughts told aloud and words taken for thoughts: whole and streamed alike, however the stream is cut."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tollway.core.chat import Reasoning, Text, ToolCall
from tollway.core.stream import (
    Answer,
    Choice,
    Completed,
    Cut,
    Finish,
    Finished,
    ReasoningDelta,
    ReasoningSeal,
    StreamEvent,
    TextDelta,
    ToolStart,
    UsageSeen,
)
from tollway.core.usage import Usage
from tollway.gateway.shaping.thoughts import Aloud, Inward, split_words

QUIET = settings(max_examples=200, derandomize=True, deadline=None)


class Noted:
    """An Encoder that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[StreamEvent] = []

    def write(self, event: StreamEvent) -> bytes:
        self.told.append(event)
        return b"."

    def heartbeat(self) -> bytes:
        return b":"


def said(how: Aloud | Inward, events: Sequence[StreamEvent]) -> list[StreamEvent]:
    """What the caller's encoder is told."""
    noted = Noted()
    encoder = how.encoder(noted)
    for event in events:
        encoder.write(event)
    assert encoder.heartbeat() == b":"
    return noted.told


def joined(events: Sequence[StreamEvent], choice: int = 0) -> tuple[str, str]:
    """(thoughts, words) of one alternative answer."""
    mine = [one for one in events if isinstance(one, TextDelta | ReasoningDelta) and one.choice == choice]
    thoughts = "".join(one.text for one in mine if isinstance(one, ReasoningDelta))
    return thoughts, "".join(one.text for one in mine if isinstance(one, TextDelta))


END = (Finished(Finish.STOP), UsageSeen(Usage()), Completed())


def test_a_thought_is_said_between_its_marks_and_closed_by_the_first_word() -> None:
    thoughts = (ReasoningDelta("let me"), ReasoningDelta(" see"), ReasoningSeal("anthropic", "seal"))
    told = said(Aloud(), [*thoughts, TextDelta("Hi"), TextDelta("!"), *END])
    assert joined(told) == ("", "<think>\nlet me see\n</think>\nHi!")
    assert told[-3:] == list(END) and not any(isinstance(one, ReasoningSeal) for one in told)


@pytest.mark.parametrize("ending", [ToolStart(0, "c", "f"), Finished(Finish.STOP), Completed()])
def test_a_thought_is_closed_by_whatever_comes_instead_of_words(ending: StreamEvent) -> None:
    told = said(Aloud(), [ReasoningDelta("hm"), ending])
    assert told == [TextDelta("<think>\nhm"), TextDelta("\n</think>\n"), ending]


def test_a_stream_that_broke_off_within_a_thought_is_not_closed_as_if_it_were_whole() -> None:
    assert said(Aloud(), [ReasoningDelta("hm"), Cut()]) == [TextDelta("<think>\nhm"), Cut()]


def test_each_alternative_answer_has_a_thought_of_its_own() -> None:
    told = said(Aloud(), [ReasoningDelta("a", 0), ReasoningDelta("b", 1), TextDelta("x", 1), TextDelta("y", 0)])
    assert joined(told, 0)[1] == "<think>\na\n</think>\ny"
    assert joined(told, 1)[1] == "<think>\nb\n</think>\nx"


def test_a_whole_answer_is_told_as_its_stream() -> None:
    call = ToolCall("c", "f", "{}")
    parts = (Reasoning("let me", "s", None, "anthropic"), Reasoning(" see"), Text("Hi"), Reasoning("more"), call)
    told = Aloud().answer(Answer("", "", (Choice(parts, Finish.STOP),)))
    assert told.choices[0].parts == (
        Text("<think>\nlet me see\n</think>\n"), Text("Hi"), Text("<think>\nmore\n</think>\n"), call,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "thoughts", "words"),
    [
        ("<think>\nhm\n</think>\n\nHi", "hm", "Hi"),
        ("\n <think>hm</think>Hi", "hm", "Hi"),
        ("<think>\n\n</think>\n\nHi", "", "Hi"),
        ("<think>never closed", "never closed", ""),
        ("Hi <think>no</think>", "", "Hi <think>no</think>"),
        ("<thinking>no</thinking>", "", "<thinking>no</thinking>"),
        ("a < b", "", "a < b"),
    ],
)
def test_words_between_the_marks_are_thoughts_where_an_answer_begins_with_them(text, thoughts, words) -> None:
    assert split_words(text) == (thoughts, words)
    for size in (1, 2, 3, 5, 100):
        pieces = [TextDelta(text[at : at + size]) for at in range(0, len(text), size)]
        told = said(Inward(), [*pieces, *END])
        assert joined(told) == (thoughts, words), size
        assert told[-3:] == list(END)


@QUIET
@given(
    st.text(st.sampled_from("ab<>/think\n "), max_size=30),
    st.text(st.sampled_from("ab<>\n "), max_size=20),
    st.lists(st.integers(1, 9), min_size=1, max_size=40),
)
def test_no_cut_of_the_stream_loses_or_changes_a_word(thoughts: str, words: str, sizes: list[int]) -> None:
    text = f"<think>\n{thoughts}\n</think>\n{words}"
    pieces, at = [], 0
    while at < len(text):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(TextDelta(text[at : at + size]))
        at += size
    assert joined(said(Inward(), [*pieces, *END])) == split_words(text)


def test_what_was_held_back_is_told_before_whatever_comes_next() -> None:
    told = said(Inward(), [TextDelta("<thi"), ToolStart(0, "c", "f"), TextDelta("<think>x</think>"), *END])
    assert told[:3] == [TextDelta("<thi"), ToolStart(0, "c", "f"), TextDelta("<think>x</think>")]


def test_what_is_told_aloud_can_be_found_again() -> None:
    aloud = Aloud().answer(Answer("", "", (Choice((Reasoning("hm"), Text("Hi")), Finish.STOP),)))
    words = "".join(part.text for part in aloud.choices[0].parts if isinstance(part, Text))
    found = Inward().answer(Answer("", "", (Choice((Text(words),), Finish.STOP),)))
    assert found.choices[0].parts == (Reasoning("hm"), Text("Hi"))
