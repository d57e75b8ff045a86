"""The very bytes of one question and its answer, on both wires of vectors and through both directions."""

from pathlib import Path

from tests.laws.plugins import OF_VECTORS
from tollway.gateway.dialect import Opaque, Target, Voice, close_body, open_body

GOLDEN = Path(__file__).parents[2] / "golden" / "embeddings"
OPENAI, GEMINI = OF_VECTORS["openai_embeddings"], OF_VECTORS["gemini_embeddings"]
ASKED, ANSWERED = (GOLDEN / "openai_asked.json").read_bytes(), (GOLDEN / "openai_answered.json").read_bytes()
GOOGLES_ASKED = (GOLDEN / "gemini_asked.json").read_bytes()
GOOGLES_ANSWERED = (GOLDEN / "gemini_answered.json").read_bytes()


def test_openais_question_is_said_to_google_in_these_bytes() -> None:
    body = open_body(ASKED)
    question = OPENAI.read_request(body, OPENAI.envelope(body, {}), Opaque(b"key"))
    written = GEMINI.write_request(question, Target("gemini", "gemini-embedding-001", 1))
    assert close_body(written.body) == GOOGLES_ASKED
    assert written.dropped == ("user",)


def test_googles_answer_is_told_to_openais_caller_in_these_bytes() -> None:
    body = open_body(ASKED)
    voice = Voice("req_1", "text-embedding-3-small", 7, options=OPENAI.envelope(body, {}).options)
    assert OPENAI.write_reply(GEMINI.read_reply(GOOGLES_ANSWERED), voice) == ANSWERED


def test_openais_answer_is_told_to_googles_caller_number_for_number() -> None:
    told = GEMINI.write_reply(OPENAI.read_reply(ANSWERED), Voice("req_1", "m", 7))
    assert told == GOOGLES_ANSWERED.replace(b"1.5e-1", b"0.15000000596046448")  # as near as 32 bits come


def test_googles_question_comes_back_as_it_was() -> None:
    body = open_body(GOOGLES_ASKED)
    question = GEMINI.read_request(body, GEMINI.envelope(body, {"model": "m"}), Opaque(b"key"))
    again = GEMINI.write_request(question, Target("gemini", "gemini-embedding-001", 1))
    assert close_body(again.body) == GOOGLES_ASKED
