"""Reading what was written gives what was meant, for everything this dialect can say."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gateway.dialects.openai_responses.strategies import answers, names, requests, words
from tollway.core.chat import ChatRequest, Message, Reasoning, Role, Text, ToolCall
from tollway.core.stream import Answer, Choice, Finish
from tollway.gateway.dialect import Opaque, Target, Voice, close_body, open_body
from tollway.gateway.dialects.openai_responses import dialect
from tollway.gateway.dialects.openai_responses.seals import own_seal

OPAQUE = Opaque(b"key")
TARGET = Target("openai_responses", "gpt-5.2", 64_000, frozenset({"tools", "vision", "reasoning", "structured"}))
VOICE = Voice("req", "gpt-5.2", 1, opaque=OPAQUE)


@settings(max_examples=150, deadline=None)
@given(requests())
def test_a_question_survives_writing_and_reading(request: ChatRequest) -> None:
    written = dialect.write_request(request, TARGET)
    body = open_body(close_body(written.body))
    assert written.dropped == ()
    assert dialect.read_request(body, dialect.envelope(body, {}), OPAQUE) == request


@settings(max_examples=150, deadline=None)
@given(answers())
def test_an_answer_survives_writing_and_reading(answer: Answer) -> None:
    assert dialect.read_reply(dialect.write_reply(answer, VOICE)) == answer


@st.composite
def sealed(draw: st.DrawFn) -> tuple[Reasoning | Text | ToolCall, ...]:
    """Parts under seals of every family, on thoughts, words and calls."""
    family = draw(st.sampled_from(["anthropic", "gemini", "openai"]))
    thought = draw(
        st.sampled_from(
            [
                Reasoning("hm", draw(names), family=family),
                Reasoning(redacted=draw(names), family="anthropic"),
                Reasoning("so", redacted=own_seal(draw(names), draw(names)), family="openai"),
                Reasoning("bare"),
            ]
        )
    )
    text = Text(draw(words), signature=draw(st.none() | names), family="gemini")
    call = ToolCall(draw(names), "f", "{}", signature=draw(st.none() | names), family="gemini")
    return (
        thought,
        text if text.signature else Text(text.text),
        call if call.signature else ToolCall(call.id, "f", "{}"),
    )


@settings(max_examples=150, deadline=None)
@given(sealed())
def test_seals_of_every_family_come_back_with_the_items_of_an_answer(
    parts: tuple[Reasoning | Text | ToolCall, ...],
) -> None:
    answer = Answer("resp_1", "m", (Choice(parts, Finish.TOOL_CALLS),))
    output = open_body(dialect.write_reply(answer, VOICE))["output"]
    body = open_body(close_body({"model": "m", "input": output}))
    again = dialect.read_request(body, dialect.envelope(body, {}), OPAQUE)
    assert again.messages == (Message(Role.ASSISTANT, parts),)


def test_nobody_elses_seal_is_opened() -> None:
    answer = Answer("resp_1", "m", (Choice((Reasoning("hm", "sig", family="anthropic"),), Finish.STOP),))
    output = open_body(dialect.write_reply(answer, VOICE))["output"]
    body = open_body(close_body({"model": "m", "input": output}))
    again = dialect.read_request(body, dialect.envelope(body, {}), Opaque(b"other"))
    assert again.messages == (Message(Role.ASSISTANT, (Reasoning("hm"),)),)
    foreign = OPAQUE.seal("gemini", "not written by this dialect")
    body["input"] = [
        {"type": "reasoning", "summary": [], "encrypted_content": foreign},
        {"role": "user", "content": "x"},
    ]
    assert [turn.role for turn in dialect.read_request(body, dialect.envelope(body, {}), OPAQUE).messages] == [
        Role.USER
    ]
