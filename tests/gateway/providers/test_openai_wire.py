"""The accents of every provider on OpenAI's wire, on bodies that pass through and on bodies we wrote."""

from typing import Any

import msgspec
import pytest

from tollway.gateway.dialect import Target, close_body, open_body
from tollway.gateway.provider import Aim, Provider
from tollway.gateway.providers import deepseek, groq, mistral, openai, openrouter, vllm, xai

ALL = [module.provider for module in (deepseek, groq, mistral, openai, openrouter, vllm, xai)]


def spoken(provider: Provider, model: str, **fields: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The body after the accent, the same for raw and for parsed fields, and what was dropped."""
    target = Target(provider.name, model, 0)
    raw = open_body(msgspec.json.encode(fields))
    before = dict(raw)
    body = msgspec.json.decode(close_body(provider.accent(raw, target)))
    assert raw == before, "an accent must not change its argument"
    assert msgspec.json.decode(close_body(provider.accent(dict(fields), target))) == body
    return body, provider.drops(raw, target)


@pytest.mark.parametrize("provider", ALL, ids=lambda provider: provider.name)
def test_each_has_an_address_a_key_and_the_vendors_own_names(provider: Provider) -> None:
    assert provider.path(Aim("m", False)) == "/chat/completions"
    assert provider.authorize("k") == (("authorization", "Bearer k"),)
    assert provider.key_env == f"{provider.name.upper()}_API_KEY"
    assert provider.base_env == f"{provider.name.upper()}_BASE_URL"
    assert provider.base_url.startswith("https://") or provider is vllm.provider


def test_openai_reasoning_models_hear_other_words() -> None:
    turns = [{"role": "system", "content": "s"}, {"role": "system", "content": "t"}]
    body, dropped = spoken(openai.provider, "gpt-5", max_tokens=5, temperature=0.2, top_p=0.1, messages=turns)
    assert body == {"max_completion_tokens": 5, "messages": [{"role": "developer", "content": "s"}, turns[1]]}
    assert dropped == ("temperature", "top_p")


@pytest.mark.parametrize("model", ["gpt-5-mini", "o3", "o1-preview"])
def test_models_that_reason_have_no_dials(model: str) -> None:
    dials = {"presence_penalty": 0.5, "frequency_penalty": 0.5, "top_p": 0.5, "logit_bias": {"1": 2}, "logprobs": True}
    body, dropped = spoken(openai.provider, model, seed=1, **dials)
    assert body == {"seed": 1}
    assert set(dropped) == set(dials)


def test_gpt_5_without_thought_keeps_its_dice() -> None:
    body, dropped = spoken(openai.provider, "gpt-5.1", temperature=0.2, reasoning_effort="none")
    assert (body["temperature"], dropped) == (0.2, ())


def test_the_first_o_models_know_no_developer() -> None:
    turns = [{"role": "system", "content": "s"}]
    assert spoken(openai.provider, "o1-mini", messages=turns, temperature=1)[0] == {"messages": turns}
    assert spoken(openai.provider, "o3", messages=turns)[0]["messages"][0]["role"] == "developer"


def test_older_models_of_openai_hear_everything_as_it_is() -> None:
    fields = {"max_tokens": 5, "temperature": 0.2, "messages": [{"role": "system", "content": "s"}]}
    assert spoken(openai.provider, "gpt-4o", **fields) == (fields, ())


def test_openrouter_is_asked_for_costs_and_thoughts_its_way() -> None:
    assert spoken(openrouter.provider, "a/b", reasoning_effort="high")[0] == {
        "usage": {"include": True},
        "reasoning": {"effort": "high"},
    }
    assert dict(openrouter.provider.headers)["x-title"] == "Tollway"


def test_groq_hears_no_odds_and_no_names() -> None:
    turns = [{"role": "user", "name": "u", "content": "x"}, {"role": "function", "name": "f", "content": "y"}]
    body, dropped = spoken(groq.provider, "llama", logprobs=True, logit_bias={}, messages=turns)
    assert body == {"messages": [{"role": "user", "content": "x"}, turns[1]]}
    assert dropped == ("logprobs", "logit_bias")


def test_deepseek_hears_older_words() -> None:
    turns = [{"role": "developer", "content": "d"}]
    body, _ = spoken(deepseek.provider, "d", max_completion_tokens=5, messages=turns, reasoning_effort="none")
    assert body == {
        "max_tokens": 5,
        "messages": [{"role": "system", "content": "d"}],
        "thinking": {"type": "disabled"},
    }


def test_mistral_has_its_own_seed_and_short_ids() -> None:
    call = {"id": "call_long_one", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    turns = [
        {"role": "user", "name": "u", "content": "x"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_long_one", "content": "r"},
        {"role": "tool", "tool_call_id": "abcdefgh9", "content": "r"},
    ]
    body, dropped = spoken(mistral.provider, "m", seed=1, user="u", stream=True, stream_options={}, messages=turns)
    first, second, third, fourth = body.pop("messages")
    assert body == {"stream": True, "random_seed": 1}
    assert dropped == ("user",)
    assert "name" not in first
    assert second["tool_calls"][0]["id"] == third["tool_call_id"] != "call_long_one"
    assert len(third["tool_call_id"]) == 9
    assert fourth["tool_call_id"] == "abcdefgh9"


def test_grok_that_reasons_takes_no_penalties() -> None:
    fields = {"stop": ["a"], "presence_penalty": 1, "reasoning_effort": "low", "seed": 1}
    assert spoken(xai.provider, "grok-4", **fields) == (
        {"seed": 1},
        ("stop", "presence_penalty", "reasoning_effort"),
    )
    assert spoken(xai.provider, "grok-3-mini", **fields)[0] == {"seed": 1, "reasoning_effort": "low"}
    assert spoken(xai.provider, "grok-3", **fields)[0] == {"stop": ["a"], "presence_penalty": 1, "seed": 1}
    assert spoken(xai.provider, "grok-4-fast-non-reasoning", **fields)[0]["stop"] == ["a"]


def test_a_local_engine_needs_no_key_and_hears_everything() -> None:
    assert not vllm.provider.needs_key
    assert vllm.provider.local_price
    assert vllm.provider.authorize("") == ()
    assert spoken(vllm.provider, "x", top_k=4) == ({"top_k": 4}, ())


@pytest.mark.parametrize("provider", ALL, ids=lambda provider: provider.name)
def test_malformed_messages_are_left_for_the_provider_to_refuse(provider: Provider) -> None:
    assert spoken(provider, "gpt-5", messages=[3])[0]["messages"] == [3]
