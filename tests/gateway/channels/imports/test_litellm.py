"""LiteLLM's config.yaml becomes channels, and whatever does not is named."""

from typing import Any

import pytest
import yaml

from tollway.gateway.channels.form import Form
from tollway.gateway.channels.imports import litellm
from tollway.gateway.channels.imports.found import Found, World
from tollway.gateway.stock import known_providers

HERE = {"MY_KEY": "sk-mine-0123456789", "OPENAI_API_KEY": "sk-usual-0123456789"}
WORLD = World(
    known_providers(), {"gpt-5-mini": "gpt-5-mini", "mini": "gpt-5-mini"}.get, lambda name: HERE.get(name, "")
)

DEFAULT = {"mode": "set", "path": "temperature", "value": 0.2, "keep_origin": True}


def taken(text: str) -> Found:
    found = litellm.read(yaml.safe_load(text), WORLD)
    for row in found.rows:
        Form(WORLD.providers, {}).read(row)  # whatever is found can be kept
    return found


def entry(params: str, name: str = "gpt-5-mini") -> str:
    return f"model_list:\n  - model_name: {name}\n    litellm_params: {{{params}}}\n"


def only(text: str) -> dict[str, Any]:
    (row,) = taken(text).rows
    return row


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ("model: openai/gpt-x, api_key: a", {"provider": "openai", "key": "a", "models": {"gpt-5-mini": "gpt-x"}}),
        ("model: gpt-x, api_key: os.environ/MY_KEY", {"provider": "openai", "key": HERE["MY_KEY"]}),
        ("model: gpt-x", {"key": HERE["OPENAI_API_KEY"]}),
        ("model: claude-x, api_key: k", {"provider": "anthropic", "models": {"gpt-5-mini": "claude-x"}}),
        ("model: anthropic/claude-x, api_key: k, api_base: 'https://p/v1/messages'", {"base_url": "https://p"}),
        ("model: hosted_vllm/org/m, api_base: 'http://gpu:8000/v1'", {"provider": "vllm", "base_url": "http://gpu:8000/v1"}),
        ("model: ollama_chat/llama3", {"provider": "ollama", "base_url": "http://localhost:11434"}),
        ("model: together_ai/x, api_key: k", {"provider": "openai", "base_url": "https://api.together.xyz/v1"}),
        ("model: x, custom_llm_provider: groq, api_key: k", {"provider": "groq", "models": {"gpt-5-mini": "x"}}),
        ("model: gpt-x, api_key: k, rpm: 5, tpm: 6, max_parallel_requests: 7", {"rpm": 5, "tpm": 6, "parallel": 7}),
        ("model: gpt-x, api_key: k, order: 2, weight: 3", {"priority": -2, "weight": 3}),
        ("model: gpt-x, api_key: k, timeout: 30", {"total_timeout_s": 30}),
        ("model: gpt-x, api_key: k, organization: o", {"headers": {"openai-organization": "o"}}),
        (
            "model: gpt-x, api_key: k, temperature: 0.2",
            {"param_override": {"operations": [DEFAULT]}},
        ),
        ("model: gpt-x, api_key: os.environ/NOT_SET", {"provider": "openai", "enabled": False}),
    ],
)  # fmt: skip
def test_a_deployment_becomes_a_channel(params: str, expected: dict[str, Any]) -> None:
    row = only(entry(params))
    assert {name: row.get(name) for name in expected} == expected


def test_a_deployment_whose_address_is_not_known_is_left_out_and_its_key_goes_nowhere_else() -> None:
    for params in (
        "model: anthropic/qwen3, api_key: os.environ/MY_KEY, api_base: os.environ/NOT_SET",
        "model: litellm_proxy/x, api_key: os.environ/MY_KEY",
        "model: hosted_vllm/x",
    ):
        found = litellm.read(yaml.safe_load(entry(params)), WORLD)
        assert found.rows == []
        assert "nothing says where it is" in repr(found.notes) and HERE["MY_KEY"] not in repr(found.notes)


def test_nobody_gets_the_key_of_another_vendor() -> None:
    for model in ("together_ai/x", "perplexity/x", "fireworks_ai/x"):
        found = taken(entry(f"model: {model}"))
        assert "key" not in found.rows[0] and found.rows[0]["enabled"] is False
        assert any("_API_KEY is not set here" in note.what for note in found.notes)


def test_headers_may_refer_to_variables_too() -> None:
    headers = "extra_headers: {x-a: os.environ/MY_KEY, x-b: os.environ/NOT_SET, x-c: plain}"
    found = taken(entry(f"model: gpt-x, api_key: k, {headers}"))
    assert found.rows[0]["headers"] == {"x-a": HERE["MY_KEY"], "x-c": "plain"}
    assert [note.where for note in found.notes] == ["model_list[0].litellm_params.headers.x-b"]


def test_deployments_may_share_a_credential_by_its_name() -> None:
    shared = "credential_list:\n  - credential_name: eu\n    credential_values: {api_key: os.environ/MY_KEY, api_base: 'https://eu/v1'}\n"
    row = only(entry("model: openai/gpt-x, litellm_credential_name: eu") + shared)
    assert (row["key"], row["base_url"]) == (HERE["MY_KEY"], "https://eu/v1")
    found = taken(entry("model: openai/gpt-x, litellm_credential_name: us, api_key: k") + shared)
    assert [note.where for note in found.notes] == ["model_list[0].litellm_params.litellm_credential_name"]


def test_deployments_of_one_address_and_key_are_one_channel_and_those_with_limits_stay_alone() -> None:
    found = taken(
        """
model_list:
  - {model_name: a, litellm_params: {model: openai/a, api_key: k}}
  - {model_name: b, litellm_params: {model: openai/b, api_key: k}}
  - {model_name: a, litellm_params: {model: openai/a2, api_key: k}}
  - {model_name: c, litellm_params: {model: openai/c, api_key: k, rpm: 5}}
  - {model_name: d, litellm_params: {model: openai/d, api_key: k}, rpm: 5}
"""
    )
    assert [row["models"] for row in found.rows] == [{"a": "a", "b": "b"}, {"a": "a2"}, {"c": "c"}, {"d": "d"}]
    assert len({row["id"] for row in found.rows}) == 4


def test_an_alias_is_named_by_its_model_and_a_model_without_a_price_is_told_of() -> None:
    found = taken(entry("model: gpt-x, api_key: k", "mini"))
    assert found.rows[0]["models"] == {"gpt-5-mini": "gpt-x"} and not found.notes
    found = taken(entry("model: gpt-x, api_key: k", "nobody-sells-it"))
    assert "no price" in found.notes[0].what


def test_its_own_variables_are_looked_up_first() -> None:
    text = entry("model: gpt-x, api_key: os.environ/MY_KEY") + "environment_variables: {MY_KEY: sk-own}\n"
    assert only(text)["key"] == "sk-own"


def test_what_has_no_counterpart_is_listed_by_its_place() -> None:
    found = taken(
        entry("model: gpt-x, api_key: k, mock_response: hi")
        + """    model_info: {id: one, input_cost_per_token: 0.1}
  - {model_name: b, litellm_params: {model: azure/x, api_base: 'https://x'}}
router_settings: {routing_strategy: latency-based-routing, num_retries: 2, fallbacks: [{a: [b]}]}
general_settings: {master_key: sk-1}
guardrails: []
"""
    )
    assert {note.where for note in found.notes} == {
        "model_list[0].litellm_params.mock_response", "model_list[0].model_info.input_cost_per_token", "model_list[1]",
        "router_settings.routing_strategy", "router_settings.num_retries", "router_settings.fallbacks",
        "general_settings.master_key", "guardrails",
    }  # fmt: skip
    assert found.rows[0]["id"] == "one"
    assert "sk-1" not in repr(found.notes)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "just words", "model_list: 5", "model_list: [5, null, {model_name: 3}]", "model_list: [{model_name: a}]",
     "model_list: [{model_name: a, litellm_params: {model: [1]}}]", "router_settings: 4", "1: 2",
     "router_settings: &a {fallbacks: [*a, *a]}"],
)  # fmt: skip
def test_what_is_no_configuration_gives_notes_and_no_channel(text: str) -> None:
    found = litellm.read(yaml.safe_load(text), WORLD)
    assert found.rows == [] and found.notes
