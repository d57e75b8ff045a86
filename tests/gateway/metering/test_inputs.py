"""What is to become vectors is counted text by text, nothing between them and nothing around."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tollway.core.chat import ChatRequest
from tollway.core.embedding import Embedding, Foreign
from tollway.gateway.catalog import Catalog
from tollway.gateway.metering.inputs import PER_FOREIGN, count_inputs, hold_inputs
from tollway.gateway.metering.tokens import count_request, count_text, hold_tokens

SMALL = Catalog.load().find("text-embedding-3-small")
assert SMALL is not None


def test_each_text_is_counted_by_itself() -> None:
    texts = ("hello world", "zwölf Boxkämpfer", "x")
    asked = Embedding(inputs=texts)
    assert SMALL is not None
    assert count_inputs(asked, SMALL) == sum(count_inputs(Embedding(inputs=(text,)), SMALL) for text in texts)
    assert count_inputs(Embedding(inputs=("hello world",)), SMALL) == count_text("openai", "hello world") == 2
    assert count_request(ChatRequest(model="", messages=(), embedding=asked), SMALL) == count_inputs(asked, SMALL)


def test_tokens_are_as_many_as_there_are_and_a_picture_is_like_a_large_one() -> None:
    assert SMALL is not None
    asked = Embedding(inputs=((1, 2, 3), (4,), Foreign("gemini", {"parts": []})))
    assert count_inputs(asked, SMALL) == 4 + PER_FOREIGN


@settings(max_examples=40)
@given(texts=st.lists(st.text(max_size=30), min_size=1, max_size=4))
def test_a_hold_is_never_below_the_count(texts: list[str]) -> None:
    assert SMALL is not None
    asked = Embedding(inputs=tuple(texts))
    assert count_inputs(asked, SMALL) <= hold_inputs(asked, SMALL)
    assert hold_inputs(asked, SMALL) == hold_tokens(ChatRequest(model="", messages=(), embedding=asked), SMALL)
