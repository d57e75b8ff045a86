"""A dialect of vectors is a mirror, too: what it says it understands, number by number, in either form."""

import base64
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.laws.plugins import OF_VECTORS, PROVIDERS
from tollway.core.chat import ChatRequest
from tollway.core.embedding import Embedding, Vector
from tollway.core.errors import Fault, Remedy, Unsupported
from tollway.core.stream import Answer
from tollway.core.usage import Usage
from tollway.gateway.dialect import Body, Dialect, Edits, Opaque, Target, Voice, close_body, open_body
from tollway.gateway.provider import Aim, Provider

PATH = {"model": "m", "action": "embedContent"}
TARGET = Target("openai", "m", 1)
OPAQUE = Opaque(b"key")
ONE_ONLY = "gemini_embed_content"
EMBEDDERS = {name: provider for name, provider in PROVIDERS.items() if provider.embeds is not None}

every = pytest.mark.parametrize("dialect", OF_VECTORS.values(), ids=OF_VECTORS)
each = pytest.mark.parametrize("provider", EMBEDDERS.values(), ids=EMBEDDERS)
texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
floats = st.floats(-2, 2, width=32)


def asked(inputs: tuple[str, ...], dimensions: int | None = None) -> ChatRequest:
    return ChatRequest(model="m", messages=(), embedding=Embedding(inputs=inputs, dimensions=dimensions))


def understood(dialect: Dialect, body: Body) -> ChatRequest:
    opened = open_body(close_body(body))
    return dialect.read_request(opened, dialect.envelope(opened, PATH), OPAQUE)


def test_there_are_such_dialects_and_providers() -> None:
    assert {"openai_embeddings", "gemini_embeddings", ONE_ONLY} == set(OF_VECTORS)
    assert {"openai", "gemini", "mistral", "vllm", "ollama", "llamacpp", "sglang", "openrouter", "echo"} == set(
        EMBEDDERS
    )


@every
@settings(max_examples=40)
@given(inputs=st.lists(texts, min_size=1, max_size=4), dimensions=st.none() | st.integers(1, 4096))
def test_what_is_asked_is_what_is_understood(dialect: Dialect, inputs: list[str], dimensions: int | None) -> None:
    question = asked(tuple(inputs[:1] if dialect.name == ONE_ONLY else inputs), dimensions)
    again = understood(dialect, dialect.write_request(question, TARGET).body)
    assert again.embedding == question.embedding
    assert again.leftover == ()


@every
@settings(max_examples=40)
@given(rows=st.lists(st.lists(floats, min_size=1, max_size=6), min_size=1, max_size=4), tokens=st.integers(1, 10**6))
@pytest.mark.parametrize("form", ["float", "base64"])
def test_an_answer_said_is_the_answer_understood(
    dialect: Dialect, form: str, rows: list[list[float]], tokens: int
) -> None:
    rows = rows[:1] if dialect.name == ONE_ONLY else rows
    packed = [base64.b64encode(struct.pack(f"<{len(row)}f", *row)).decode() for row in rows]
    answer = Answer("", "m", (), Usage(input_total=tokens), tuple(Vector(packed=one) for one in packed))
    body = dialect.write_reply(answer, Voice("req_1", "m", 7, options={"encoding_format": form}))
    again = dialect.read_reply(body)
    assert [one.as_packed() for one in again.vectors] == packed
    assert again.usage == answer.usage
    glance = dialect.glance(body)
    assert (glance.usage, glance.empty) == (answer.usage, False)


@every
@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"{}", b'{"data":3}', b'{"embeddings":{}}', b'{"embedding":[]}', b"<html>", b"[" * 5000],
)
def test_rubbish_is_no_answer(dialect: Dialect, body: bytes) -> None:
    for read in (dialect.glance, dialect.read_reply):
        with pytest.raises(ValueError):
            read(body)


@every
def test_an_error_with_a_friendly_status_is_a_fault(dialect: Dialect) -> None:
    with pytest.raises(Fault) as caught:
        dialect.read_reply(b'{"error":{"message":"too busy","code":503}}')
    assert (caught.value.status, caught.value.remedy) == (503, Remedy.NEXT_CHANNEL)
    assert "too busy" in caught.value.message


@every
def test_an_edit_changes_the_name_of_the_model_and_not_a_byte_else(dialect: Dialect) -> None:
    body = open_body(close_body(dialect.write_request(asked(("ö  é",)), TARGET).body | {"later": [1.50, "\u00e9"]}))
    before = close_body(body)
    edited = close_body(dialect.edit_request(body, dialect.envelope(body, PATH), Edits("its-name")))
    assert close_body(body) == before
    assert edited == before.replace(b'"m"', b'"its-name"').replace(b"models/m", b"models/its-name")


@every
def test_a_conversation_cannot_be_said(dialect: Dialect) -> None:
    with pytest.raises(Unsupported):
        dialect.write_request(ChatRequest(model="m", messages=()), TARGET)


@each
def test_a_provider_is_asked_for_vectors_behind_the_same_door(provider: Provider) -> None:
    way = provider.embeds
    assert way is not None
    target = Target(provider.name, "m", 1)
    body = way.dialect.write_request(asked(("one",), 8), target).body | {"user": "ann"}
    before = close_body(body)
    accented = way.accent(body, target)
    assert close_body(body) == before
    gone = set(body) - set(accented)
    assert gone - {"dimensions"} <= set(way.drops(body, target))
    assert way.path(Aim("m", False)).startswith("/")
