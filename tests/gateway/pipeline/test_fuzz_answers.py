"""Whatever a provider answers: one answer to the caller, never our fault, never a cut stream that looks whole."""

from collections.abc import Iterator

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from tests.gateway.pipeline.counter import Counter, Told
from tests.gateway.pipeline.effort import effort
from tests.gateway.pipeline.envelope import field_of
from tests.gateway.pipeline.hearing import ended_by_vendor, whole_for_caller
from tests.gateway.pipeline.lies import bending, cut_at, pieces
from tests.gateway.pipeline.mistakes import written
from tests.gateway.pipeline.questions import Question, questions
from tests.gateway.pipeline.vendors import Spoken, straight
from tests.mocks.exchange import MockAnswer
from tollway.core.usage import UsageSource

FAILURES = {429, 502, 503, 504}


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counter]:
    counter = Counter(tmp_path_factory.mktemp("hub"))
    yield counter
    counter.close()


def told_of(counter: Counter, question: Question) -> Told:
    told = counter.ask(question.path, written(question.body), query=question.query)
    for sent, spoken in counter.vendors.said:
        note(f"{sent.origin}{sent.target!r} -> {spoken.status} {spoken.fails} {list(spoken.pieces)!r}"[:1500])
    note(f"{question.path}?{question.query} {question.body}\n{told.status} {told.ending} {told.body[:1500]!r}")
    return told


def check(counter: Counter, question: Question, told: Told, *, left: bool = False) -> None:
    """What holds for an answer when every vendor may be ill."""
    receipt = counter.lawful(told, left=left)
    if counter.vendors.asked and told.call:
        assert receipt is not None, "a call without a receipt"
    if told.status == 200 or (left and not told.started):
        return
    assert told.status in FAILURES or 400 <= told.status < 500, told
    assert receipt is None or receipt.charge_nano_usd == 0
    if all(b"".join(spoken.pieces) != told.body for _, spoken in counter.vendors.said):  # its own words pass through
        field_of(question.dialect, told)


def test_a_provider_that_talks_on_after_its_end_is_not_heard(counter: Counter) -> None:
    def more(answer: MockAnswer) -> Spoken:
        spoken = straight(answer)
        spoken.pieces = [*spoken.pieces, b'data: {"choices":[{"delta":{"content":"more"}}]}\n\n', b"data: [DONE]\n\n"]
        return spoken

    counter.vendors.reset(more)
    body = {"model": "gpt-5-mini", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    told = counter.ask("/v1/chat/completions", written(body))
    counter.lawful(told)
    assert told.ending == "end"
    assert b"more" not in told.body


@pytest.mark.parametrize("count", [1 << 28, 10**13, 10**19, 10**40])
@pytest.mark.parametrize("where", ["prompt_tokens", "completion_tokens", "cached_tokens"])
def test_a_count_beyond_belief_is_not_believed_and_leaves_the_books_open(
    counter: Counter, count: int, where: str
) -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
    if where == "cached_tokens":
        usage |= {"prompt_tokens_details": {where: count}}
    usage[where] = count

    def boast(answer: MockAnswer) -> Spoken:
        spoken = straight(answer)
        message = {"role": "assistant", "content": "hello"}
        said = {"id": "1", "object": "chat.completion", "created": 1, "model": "gpt-5-mini", "usage": usage}
        spoken.pieces = [written(said | {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})]
        return spoken

    counter.vendors.reset(boast)
    body = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "hi"}]}
    told = counter.ask("/v1/chat/completions", written(body))
    receipt = counter.lawful(told)
    assert told.status == 200
    assert receipt is not None
    assert receipt.usage is not None
    assert receipt.charge_nano_usd > 0
    assert receipt.usage.input_total in range(1, 100)
    assert receipt.usage.output_total in range(1, 10)
    assert receipt.usage.source is UsageSource.ESTIMATE
    assert receipt.provider_cost_nano_usd < 10**6
    counter.run(counter.hub.ledger.flush())


@effort(3000)
@given(data=st.data(), question=questions)
def test_an_ill_provider_is_never_our_fault(counter: Counter, data: st.DataObject, question: Question) -> None:
    counter.vendors.reset(bending(data))
    told = told_of(counter, question)
    check(counter, question, told)
    if counter.vendors.said and is_stream(question) and whole_for_caller(question.dialect, told):
        sent, spoken = counter.vendors.said[-1]
        assert ended_by_vendor(sent.origin, b"".join(spoken.pieces))


@effort(600)
@given(question=questions, kept=st.floats(0, 1), cuts=pieces, fails=st.sampled_from(("", "reset", "idle", "total")))
def test_a_stream_cut_anywhere_never_ends_like_a_whole_one(
    counter: Counter, question: Question, kept: float, cuts: list[int], fails: str
) -> None:
    def cut(answer: MockAnswer) -> Spoken:
        spoken = straight(answer)
        if not isinstance(answer.body, list):
            return spoken
        data = b"".join(spoken.pieces)
        spoken.pieces, spoken.fails = cut_at(data[: round(kept * len(data))], cuts), fails
        return spoken

    counter.vendors.reset(cut)
    told = told_of(counter, question)
    check(counter, question, told)
    if told.status == 200 and counter.vendors.said and is_stream(question):
        sent, spoken = counter.vendors.said[-1]
        ended = ended_by_vendor(sent.origin, b"".join(spoken.pieces))
        assert ended or not whole_for_caller(question.dialect, told)
        assert whole_for_caller(question.dialect, told) or not ended or fails


def is_stream(question: Question) -> bool:
    """Whether it asks for one."""
    if question.dialect == "gemini":
        return "streamGenerateContent" in question.path
    return bool(question.body.get("stream", question.dialect == "hub")) and "count" not in question.path


@effort(600)
@given(data=st.data(), question=questions, after=st.integers(0, 12), ill=st.booleans())
def test_a_caller_who_leaves_anywhere_leaves_no_hold_behind(
    counter: Counter, data: st.DataObject, question: Question, after: int, ill: bool
) -> None:
    counter.vendors.reset(bending(data) if ill else straight)
    steps = iter(range(after + 1))
    told = counter.ask(
        question.path, written(question.body), query=question.query, leave=lambda told: next(steps, None) is None
    )
    note(f"{question} {told}")
    check(counter, question, told, left=True)
