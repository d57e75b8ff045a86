"""The echo model's vectors: the same everywhere, of length 1, near where words are shared; and no meaning."""

import base64
import json
import math
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tollway.backends.memory import EchoUpstream
from tollway.backends.memory.parrot import Refused
from tollway.backends.memory.vectors import DIMENSIONS, embed, vector
from tollway.kit.http1.wire import Outbound


def told(**asked: Any) -> Any:
    return json.loads(embed(json.dumps(asked).encode())[0])


@settings(max_examples=50)
@given(text=st.text(max_size=40), size=st.integers(1, 300))
def test_every_text_has_one_vector_of_length_one(text: str, size: int) -> None:
    numbers = vector(text, size)
    assert (len(numbers), numbers) == (size, vector(text, size))
    assert math.isclose(sum(value * value for value in numbers), 1.0, rel_tol=1e-5)


def test_the_numbers_are_these_on_every_machine() -> None:
    assert vector("hello world", 4) == [0.0, 0.7071068, 0.0, -0.7071068]


@pytest.mark.parametrize(
    ("given", "count", "tokens"),
    [("two words", 1, 2), (["a", "b c"], 2, 3), ([5, 6, 7], 1, 3), ([[5], [6, 7]], 2, 3), ("", 1, 0)],
)
def test_each_input_has_its_vector_and_words_are_counted(given: Any, count: int, tokens: int) -> None:
    said = told(input=given)
    assert [row["index"] for row in said["data"]] == list(range(count))
    assert all(len(row["embedding"]) == DIMENSIONS for row in said["data"])
    assert said["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}


def test_base64_holds_the_same_numbers() -> None:
    (plain,), (packed,) = (
        told(input="a b", dimensions=9)["data"],
        told(input="a b", dimensions=9, encoding_format="base64")["data"],
    )
    numbers = struct.unpack("<9f", base64.b64decode(packed["embedding"]))
    assert numbers == pytest.approx(plain["embedding"], rel=1e-6)


@pytest.mark.parametrize(
    ("asked", "status", "field"),
    [
        ({"input": "x", "dimensions": 0}, 400, "dimensions"),
        ({"input": "x", "dimensions": 5000}, 400, "dimensions"),
        ({"input": {}}, 400, "input"),
        ({"input": ["fine", "[[error:429]]"]}, 429, None),
    ],
)
def test_what_it_refuses(asked: Any, status: int, field: str | None) -> None:
    with pytest.raises(Refused) as refused:
        told(**asked)
    assert (refused.value.status, refused.value.param) == (status, field)


async def test_it_answers_at_the_address_for_vectors() -> None:
    asked = Outbound("http://echo.inside", b"/v1/embeddings", (), b'{"input":"[[slow:1]] a"}')
    inbound = await EchoUpstream().send(asked)
    assert (inbound.status, json.loads(await inbound.read())["object"]) == (200, "list")
