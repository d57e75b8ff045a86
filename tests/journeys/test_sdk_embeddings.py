"""Vectors for whoever asks with the vendors' own packages, from either vendor and from the echo model."""

import math
from typing import Any

import openai
import pytest
from google import genai
from google.genai import errors, types

from tests.journeys.speech import Loop
from tests.journeys.table import Table
from tests.mocks.vectors import DIMENSIONS, tokens_of, vector

SMALL, GOOGLES = "text-embedding-3-small", "gemini-embedding-001"
EACH_MODEL = pytest.mark.parametrize("model", [SMALL, GOOGLES])
TEXTS = ["the first text", "zwölf Boxkämpfer", "a" * 5000]


@EACH_MODEL
@pytest.mark.parametrize("wish", [{}, {"encoding_format": "float"}, {"encoding_format": "base64"}, {"dimensions": 3}])
def test_the_openai_package_gets_its_vectors_from_either_vendor(table: Table, model: str, wish: dict[str, Any]) -> None:
    client: openai.OpenAI = table.tongues["openai"].client
    raw = client.embeddings.with_raw_response.create(model=model, input=TEXTS, **wish)
    answer = raw.parse()
    size = wish.get("dimensions", DIMENSIONS)
    if wish.get("encoding_format") != "base64":
        assert [row.embedding for row in answer.data] == [vector(text, size) for text in TEXTS]
    else:  # what is asked for by name the package leaves as it is
        assert all(isinstance(row.embedding, str) for row in answer.data)
    assert [row.index for row in answer.data] == [0, 1, 2]
    assert answer.usage.prompt_tokens == answer.usage.total_tokens
    if model == SMALL:
        assert answer.usage.prompt_tokens == sum(map(tokens_of, TEXTS))
    receipt = table.hub.receipt(raw.headers["x-request-id"], table.key)
    assert (receipt["model"], receipt["surface"]) == (model, "openai_embeddings")
    lines = [(line["what"], line["count"]) for line in receipt["price"]["lines"]]
    assert lines == [("input", answer.usage.prompt_tokens)]


def test_tokens_instead_of_text_reach_the_model_they_are_for(table: Table) -> None:
    client: openai.OpenAI = table.tongues["openai"].client
    answer = client.embeddings.create(model=SMALL, input=[[1, 2, 3], [4]])
    assert [row.embedding for row in answer.data] == [vector("[1, 2, 3]"), vector("[4]")]
    assert answer.usage.prompt_tokens == 4
    with pytest.raises(openai.BadRequestError) as told:
        client.embeddings.create(model=GOOGLES, input=[[1, 2, 3], [4]])
    assert told.value.param == "input[0]"


@EACH_MODEL
def test_the_google_package_gets_its_vectors_from_either_vendor(table: Table, model: str, loop: Loop) -> None:
    client: genai.Client = table.tongues["gemini"].client
    config = types.EmbedContentConfig(task_type="RETRIEVAL_DOCUMENT", output_dimensionality=5)
    asked: list[Any] = list(TEXTS)
    answer = client.models.embed_content(model=model, contents=asked, config=config)
    assert answer.embeddings is not None
    assert [one.values for one in answer.embeddings] == [vector(text, 5) for text in TEXTS]
    again = loop.run(client.aio.models.embed_content(model=model, contents="one text"))
    assert [one.values for one in again.embeddings] == [vector("one text")]


def test_what_is_wrong_is_told_in_the_callers_own_words(table: Table) -> None:
    client: openai.OpenAI = table.tongues["openai"].client
    for wrong, field in (
        ({"input": ""}, "input"),
        ({"model": "gpt-5-mini"}, "model"),
        ({"input": ["a"] * 2049}, "input"),
    ):
        with pytest.raises(openai.BadRequestError) as told:
            client.embeddings.create(**{"model": SMALL, "input": "a", **wrong})  # type: ignore[arg-type]
        assert told.value.param == field
    with pytest.raises(openai.BadRequestError) as told:  # and what only the vendor knows
        client.embeddings.create(model=SMALL, input="a", dimensions=9999)
    assert told.value.param == "dimensions"
    google: genai.Client = table.tongues["gemini"].client
    with pytest.raises(errors.ClientError) as refused:
        google.models.embed_content(model="gemini-3-flash", contents="a")
    assert (refused.value.code, refused.value.status) == (400, "INVALID_ARGUMENT")


def test_the_echo_model_gives_vectors_without_any_key_of_a_vendors(table: Table) -> None:
    client: openai.OpenAI = table.tongues["openai"].client
    asked = ["the cat sat on the mat", "a cat sat on a mat", "stock prices fell sharply"]
    near, like, far = (row.embedding for row in client.embeddings.create(model="echo-embedding", input=asked).data)
    assert math.isclose(sum(value * value for value in near), 1.0, rel_tol=1e-5)
    assert sum(map(float.__mul__, near, like)) > sum(map(float.__mul__, near, far))
