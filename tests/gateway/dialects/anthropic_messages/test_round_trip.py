"""Reading what was written gives what was meant, for everything this dialect can say."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gateway.dialects.anthropic_messages.strategies import answers, requests
from tollway.core.chat import ChatRequest
from tollway.core.stream import Answer
from tollway.gateway.dialect import Opaque, Target, Voice, close_body, open_body
from tollway.gateway.dialects.anthropic_messages import dialect

OPAQUE = Opaque(b"key")


@settings(max_examples=150, deadline=None)
@given(requests())
def test_a_question_survives_writing_and_reading(request: ChatRequest) -> None:
    written = dialect.write_request(request, Target("anthropic", request.model, 64_000))
    body = open_body(close_body(written.body))
    assert written.dropped == ()
    assert dialect.read_request(body, dialect.envelope(body, {}), OPAQUE) == request


@settings(max_examples=150, deadline=None)
@given(answers())
def test_an_answer_survives_writing_and_reading(answer: Answer) -> None:
    assert dialect.read_reply(dialect.write_reply(answer, Voice("req", answer.model, 1, opaque=OPAQUE))) == answer


@given(st.text(), st.text())
def test_a_seal_survives_its_wrapping_and_no_other_key_opens_it(family: str, payload: str) -> None:
    sealed = OPAQUE.seal("gemini", payload)
    assert OPAQUE.unseal(sealed) == ("gemini", payload)
    assert Opaque(b"other").unseal(sealed) is None
