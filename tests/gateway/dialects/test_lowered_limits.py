"""A limit that credits lowered: a budget for thoughts comes down with it, to what each vendor takes."""

import json
from typing import Any

import msgspec
import pytest

from tollway.core.chat import ChatRequest, Thinking
from tollway.gateway.dialect import Body, Edits, Envelope, Target
from tollway.gateway.dialects.gemini import dialect as gemini
from tollway.gateway.dialects.openai_chat import dialect as openai_chat

ASKED = 64_000
BUDGET = 30_000


def opened(body: dict[str, Any]) -> Body:
    """As it comes off the wire: only its fields told apart."""
    return dict(msgspec.json.decode(json.dumps(body).encode(), type=dict[str, msgspec.Raw]))


def read(body: Body) -> Any:
    return json.loads(msgspec.json.encode(body))


def edits(limit: int, model: str) -> Edits:
    return Edits(model, limit, False)


@pytest.mark.parametrize(
    ("limit", "reasoning"),
    [
        (40_000, {"max_tokens": BUDGET, "exclude": True}),
        (20_000, {"max_tokens": 18_976, "exclude": True}),
        (2_048, {"max_tokens": 1_024, "exclude": True}),
        (2_000, {"enabled": False}),
        (140, {"enabled": False}),
    ],
)
def test_on_openais_wire(limit: int, reasoning: dict[str, Any]) -> None:
    body = opened({"model": "m", "max_tokens": ASKED, "reasoning": {"max_tokens": BUDGET, "exclude": True}})
    sent = read(openai_chat.edit_request(body, Envelope("m", max_output=ASKED), edits(limit, "m")))
    assert sent["max_tokens"] == limit
    assert sent["reasoning"] == reasoning


@pytest.mark.parametrize("reasoning", [None, "much", [1], {"effort": "high"}, {"max_tokens": "many"}])
def test_on_openais_wire_what_is_no_budget_stays(reasoning: Any) -> None:
    body = opened({"model": "m", "max_tokens": ASKED, "reasoning": reasoning})
    sent = read(openai_chat.edit_request(body, Envelope("m", max_output=ASKED), edits(140, "m")))
    assert sent["reasoning"] == reasoning


@pytest.mark.parametrize("snake", [False, True])
@pytest.mark.parametrize(
    ("model", "limit", "budget"),
    [
        ("gemini-2.5-flash", 40_000, BUDGET),
        ("gemini-2.5-flash", 3_000, 1_500),
        ("gemini-2.5-flash", 1, 0),
        ("gemini-2.5-flash-lite", 300, 512),  # no fewer are taken
        ("gemini-2.5-pro", 140, 128),
    ],
)
def test_on_geminis_wire(snake: bool, model: str, limit: int, budget: int) -> None:
    name, field = ("thinking_config", "thinking_budget") if snake else ("thinkingConfig", "thinkingBudget")
    config = {"maxOutputTokens": ASKED, name: {field: BUDGET, "includeThoughts": True}}
    sent = read(
        gemini.edit_request(opened({"generationConfig": config}), Envelope("m", max_output=ASKED), edits(limit, model))
    )
    assert sent["generationConfig"]["maxOutputTokens"] == limit
    assert sent["generationConfig"][name] == {field: budget, "includeThoughts": True}


@pytest.mark.parametrize("thinking", [None, "much", {"thinkingBudget": -1}, {"thinkingLevel": "low"}])
def test_on_geminis_wire_what_is_no_number_of_tokens_stays(thinking: Any) -> None:
    body = opened({"generationConfig": {"thinkingConfig": thinking}})
    sent = read(gemini.edit_request(body, Envelope("m"), edits(140, "gemini-2.5-flash")))
    assert sent["generationConfig"] == {"thinkingConfig": thinking, "maxOutputTokens": 140}


def test_said_in_another_vendors_words() -> None:
    request = ChatRequest(model="m", messages=(), max_output=2_500, thinking=Thinking(budget=BUDGET))
    abilities = frozenset({"reasoning"})
    google = gemini.write_request(request, Target("google", "gemini-2.5-flash", 2_500, abilities)).body
    assert google["generationConfig"]["thinkingConfig"]["thinkingBudget"] == 1_250
    router = openai_chat.write_request(request, Target("openrouter", "m", 2_500, abilities)).body
    assert (router["max_tokens"], router["reasoning"]["max_tokens"]) == (2_500, 1_476)
