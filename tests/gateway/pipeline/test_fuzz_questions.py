"""Whatever a caller sends, to whatever surface, for whatever model: one answer, never a 500, and exact books."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from tests.gateway.pipeline.counter import REFUSALS, Counter, Told
from tests.gateway.pipeline.effort import effort
from tests.gateway.pipeline.envelope import field_of
from tests.gateway.pipeline.mistakes import damaged, mistaken, written
from tests.gateway.pipeline.questions import Question, questions
from tollway.kit.http1.wire import Outbound


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counter]:
    counter = Counter(tmp_path_factory.mktemp("hub"))
    yield counter
    counter.close()


who = st.sampled_from(("rich", "modest"))


def check(counter: Counter, question: Question, told: Told, data: bytes) -> None:
    """What holds for an answer when no vendor misbehaves."""
    note(f"{question.path}?{question.query} {data[:2000]!r}\n{told.status} {told.body[:500]!r}")
    receipt = counter.lawful(told)
    assert told.ending in ("end", "break_off")
    if told.status == 200:
        assert receipt is not None or "ount" in question.path.rpartition("/")[2]
        return
    assert told.status in REFUSALS, told
    if counter.vendors.refused:
        return
    field = field_of(question.dialect, told)
    if told.status == 400 and is_object(data):
        assert field, told.body


def is_object(data: bytes) -> bool:
    """Whether it is a JSON object, by a strict reading."""

    def no(word: str) -> Any:
        raise ValueError(word)

    try:
        value = json.loads(data.decode(), parse_constant=no)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()  # no lone surrogates, no 1e999
        return isinstance(value, dict)
    except (ValueError, RecursionError):
        return False


@effort(300)
@given(question=questions, who=who)
def test_a_good_question_is_answered_or_its_field_is_named(counter: Counter, question: Question, who: str) -> None:
    counter.vendors.reset()
    data = written(question.body)
    told = counter.ask(question.path, data, who=who, query=question.query)
    check(counter, question, told, data)
    lost = [(sent.body, answer.body) for sent, answer in counter.vendors.refused if not_said(question, sent)]
    assert not lost, "translated into what the vendor refuses"


def not_said(question: Question, sent: Outbound) -> bool:
    """Whether we said it in other words than the caller's."""
    if "openai" in sent.origin:
        return question.dialect != ("responses" if sent.target.endswith(b"/responses") else "openai")
    return question.dialect not in sent.origin.replace("generativelanguage", "gemini")


@effort(3000)
@given(data=st.data(), question=questions, who=who)
def test_a_mistaken_question_is_answered_or_its_field_is_named(
    counter: Counter, data: st.DataObject, question: Question, who: str
) -> None:
    counter.vendors.reset()
    body = written(data.draw(mistaken(question.body)))
    told = counter.ask(question.path, body, who=who, query=question.query)
    check(counter, question, told, body)


@effort(1000)
@given(data=st.data(), question=questions, who=who)
def test_damaged_bytes_are_refused_in_the_callers_dialect(
    counter: Counter, data: st.DataObject, question: Question, who: str
) -> None:
    counter.vendors.reset()
    body = data.draw(damaged(written(question.body)))
    told = counter.ask(question.path, body, who=who, query=question.query)
    check(counter, question, told, body)
