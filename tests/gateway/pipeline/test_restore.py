"""What was done to the question is undone in the answer, streamed and whole."""

from tollway.core.chat import Text, ToolCall
from tollway.core.stream import (
    Answer,
    Choice,
    Finish,
    Finished,
    StreamEvent,
    TextDelta,
    ToolArgs,
    ToolEnd,
    ToolStart,
)
from tollway.gateway.dialect import Written
from tollway.gateway.pipeline.restore import Restore

RENAMED = Written({}, renamed={"short": "a.very.long.name"})
FORCED = Written({}, unwrap_tool="json_answer")
PREFILLED = Written({}, prefill="{")


def streamed(written: Written, *events: StreamEvent) -> list[StreamEvent]:
    restore = Restore(written)
    return [seen for event in events if (seen := restore.event(event)) is not None]


def whole(written: Written, *parts: Text | ToolCall, finish: Finish = Finish.TOOL_CALLS) -> Choice:
    return Restore(written).answer(Answer("id", "m", (Choice(tuple(parts), finish),))).choices[0]


def test_a_renamed_tool_has_its_name_back() -> None:
    assert streamed(RENAMED, ToolStart(0, "t", "short"), ToolStart(1, "u", "other")) == [
        ToolStart(0, "t", "a.very.long.name"),
        ToolStart(1, "u", "other"),
    ]
    assert whole(RENAMED, ToolCall("t", "short", "{}")).parts == (ToolCall("t", "a.very.long.name", "{}"),)


def test_a_forced_tools_arguments_are_the_text_and_its_end_is_an_ordinary_one() -> None:
    said = streamed(
        FORCED, ToolStart(0, "t", "json_answer"), ToolArgs(0, '{"a"'), ToolArgs(0, ":1}"), ToolEnd(0),
        Finished(Finish.TOOL_CALLS),
    )  # fmt: skip
    assert said == [TextDelta('{"a"'), TextDelta(":1}"), Finished(Finish.STOP)]
    choice = whole(FORCED, ToolCall("t", "json_answer", '{"a":1}'))
    assert (choice.parts, choice.finish) == ((Text('{"a":1}'),), Finish.STOP)


def test_a_real_tool_beside_a_forced_one_stays_a_tool() -> None:
    said = streamed(FORCED, ToolStart(0, "t", "look"), ToolArgs(0, "{}"), ToolEnd(0), Finished(Finish.TOOL_CALLS))
    assert said == [ToolStart(0, "t", "look"), ToolArgs(0, "{}"), ToolEnd(0), Finished(Finish.TOOL_CALLS)]


def test_a_forced_tool_cut_short_says_so() -> None:
    said = streamed(FORCED, ToolStart(0, "t", "json_answer"), ToolArgs(0, '{"a"'), ToolEnd(0), Finished(Finish.LENGTH))
    assert said[-1] == Finished(Finish.LENGTH)


def test_each_alternative_answer_unwraps_its_own_tool() -> None:
    said = streamed(
        FORCED, ToolStart(0, "t", "json_answer", choice=1), ToolArgs(0, "{}", choice=1), ToolStart(0, "u", "look"),
        ToolArgs(0, "[]"),
    )  # fmt: skip
    assert said == [TextDelta("{}", 1), ToolStart(0, "u", "look"), ToolArgs(0, "[]")]


def test_a_prefill_comes_back_once_in_front() -> None:
    assert streamed(PREFILLED, TextDelta('"a":'), TextDelta("1}")) == [TextDelta('{"a":'), TextDelta("1}")]
    assert whole(PREFILLED, Text('"a":1}'), Text("!"), finish=Finish.STOP).parts == (Text('{"a":1}'), Text("!"))
    assert not Restore(PREFILLED).idle and Restore(Written({})).idle
