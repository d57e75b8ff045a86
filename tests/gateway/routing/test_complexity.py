"""Which model a question gets that names none (hub.md 5.3)."""

import pytest
from tests.gateway.routing.pools import question

from tollway.core.ids import ModelId
from tollway.gateway.catalog import Catalog
from tollway.gateway.routing.complexity import Kind, Level, Wish, table_of, wish_of

CODE = "Here is my function:\n```python\ndef f(x): return x\n```\n"
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
CATALOG = Catalog.load()


def best(wish: Wish) -> str:
    return min((model for model in CATALOG.models if wish.suits(model)), key=wish.misfit).id


@pytest.mark.parametrize(
    ("text", "kind", "level", "model"),
    [
        ("hi", Kind.GENERAL, Level.SIMPLE, "gemini-3-flash"),
        ("What is the capital of France?", Kind.GENERAL, Level.SIMPLE, "gemini-3-flash"),
        ("Tell me of the sea. " * 250, Kind.GENERAL, Level.MEDIUM, "claude-haiku"),
        ("Fix this bug please", Kind.CODE, Level.SIMPLE, "gpt-5-mini"),
        (CODE + "Why is it slow?", Kind.CODE, Level.MEDIUM, "qwen3-coder"),
        (CODE + "Refactor it. Prove it right. Analyse the trade-offs. " + "x " * 1000, Kind.CODE, Level.COMPLEX,
         "gpt-5.2-codex"),
        ("Solve this for me", Kind.REASONING, Level.SIMPLE, "deepseek-v3.2"),
        ("Prove the theorem step by step", Kind.REASONING, Level.MEDIUM, "gpt-5.2"),
        ("Draw a fox in the snow", Kind.IMAGE, Level.SIMPLE, "gemini-3-image"),
        ("Please create a small picture of a fox", Kind.IMAGE, Level.SIMPLE, "gemini-3-image"),
    ],
)  # fmt: skip
def test_a_question_gets_the_model_of_its_kind_and_weight(text: str, kind: Kind, level: Level, model: str) -> None:
    wish = wish_of(question(text=text))
    assert (wish.kind, wish.level) == (kind, level) and best(wish) == model


def test_a_question_with_tools_gets_a_model_that_can_use_them() -> None:
    wish = wish_of(question(text="What is the weather?", tools=[TOOL]))
    assert wish.kind is Kind.CODE and "tools" in (CATALOG.find(best(wish)) or CATALOG.models[0]).abilities


def test_a_context_of_more_than_200k_tokens_gets_a_model_that_holds_it() -> None:
    wish = wish_of(question(text="word " * 180_000))
    model = CATALOG.find(best(wish))
    assert wish.kind is Kind.LONG and model is not None and model.context_window > wish.tokens


def test_a_picture_in_the_question_needs_eyes() -> None:
    wish = Wish(Kind.REASONING, Level.SIMPLE, 10, has_media=True)
    assert best(wish) != "deepseek-v3.2" and "vision" in (CATALOG.find(best(wish)) or CATALOG.models[0]).abilities


def test_where_the_very_model_is_not_to_be_had_the_nearest_in_size_comes() -> None:
    simple, complex_ = (Wish(Kind.GENERAL, level, 10) for level in (Level.SIMPLE, Level.COMPLEX))
    fast, flagship = CATALOG.find("gpt-5-mini"), CATALOG.find("gpt-5.2")
    assert fast is not None and flagship is not None
    assert simple.misfit(fast) < simple.misfit(flagship) and complex_.misfit(flagship) < complex_.misfit(fast)


def test_an_operator_may_state_other_models() -> None:
    table = table_of({"general": ["mine", "yours, ours", "theirs"]})
    model = CATALOG.models[0]
    own = type(model)(**{name: getattr(model, name) for name in model.__struct_fields__} | {"id": ModelId("ours")})
    assert Wish(Kind.GENERAL, Level.MEDIUM, 1).misfit(own, table) == 1
    assert table["code"] == table_of({})["code"]


def test_a_body_that_nobody_understands_is_a_simple_question() -> None:
    assert wish_of(question(messages="no list")).level is Level.SIMPLE
