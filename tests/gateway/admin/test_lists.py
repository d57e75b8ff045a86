"""The list of models in every client's shape, as the vendors' own packages read it."""

from typing import Any

import pytest
from anthropic.types import ModelInfo
from google.genai import types as genai_types
from openai.types import Model as OpenaiModel

from tests.gateway.admin.conftest import Hub
from tollway.core.caller import KeyLimits

ANTHROPIC = {"anthropic-version": "2023-06-01"}


async def limited(hub: Hub, *models: str) -> str:
    user, _ = await hub.users.create("ada@example.com")
    return (await hub.keys.create(user.id, "narrow", KeyLimits(models=models or None))).api_key


async def ask(hub: Hub, path: str, **headers: str) -> Any:
    return (await hub.client(**{name.replace("_", "-"): value for name, value in headers.items()}).get(path)).json()


async def test_each_client_gets_the_list_in_its_own_shape(hub: Hub) -> None:
    key = await limited(hub)
    openai = await ask(hub, "/v1/models", authorization=f"Bearer {key}")
    assert openai["object"] == "list"
    ids = [OpenaiModel.model_validate(row).id for row in openai["data"]]
    embedding = {row["id"] for row in openai["data"] if row["supported_endpoint_types"] == ["embeddings"]}
    assert (len(ids), len(embedding)) == (25, 6)

    anthropic = await ask(hub, "/v1/models", x_api_key=key, **ANTHROPIC)
    assert anthropic == await ask(hub, "/v1/models", authorization=f"Bearer {key}", **ANTHROPIC)
    assert [ModelInfo.model_validate(row).id for row in anthropic["data"]] == [
        name for name in ids if name not in embedding
    ]
    assert (anthropic["first_id"], anthropic["last_id"], anthropic["has_more"]) == (ids[0], "echo", False)

    for path, headers in (
        ("/v1beta/models", {"x_goog_api_key": key}),
        (f"/v1beta/models?key={key}", {}),
        ("/v1/models", {"x_goog_api_key": key}),
        (f"/v1/models?key={key}", {}),
        ("/v1beta/models", {"authorization": f"Bearer {key}"}),
    ):
        gemini = await ask(hub, path, **headers)
        assert [row["name"] for row in gemini["models"]] == [f"models/{name}" for name in ids], path
        assert gemini["nextPageToken"] is None
        for row in gemini["models"]:
            wanted = "embedContent" if row["baseModelId"] in embedding else "generateContent"
            assert wanted in row["supportedGenerationMethods"]
        genai_types.ListModelsResponse.model_validate({"models": [{"name": row["name"]} for row in gemini["models"]]})
    assert (await ask(hub, "/v1beta/openai/models", authorization=f"Bearer {key}"))["data"] == openai["data"]


async def test_one_model_is_found_by_id_and_alias(hub: Hub) -> None:
    key = await limited(hub)
    assert (await ask(hub, "/v1/models/claude-haiku", authorization=f"Bearer {key}"))["id"] == "claude-haiku"
    assert (await ask(hub, "/v1/models/claude-haiku-4-5", x_api_key=key, **ANTHROPIC))["id"] == "claude-haiku"
    assert (await ask(hub, "/v1beta/models/echo", x_goog_api_key=key))["name"] == "models/echo"


async def test_a_model_not_on_sale_is_a_404_in_the_callers_envelope(hub: Hub) -> None:
    key = await limited(hub)
    openai = await ask(hub, "/v1/models/gpt-99", authorization=f"Bearer {key}")
    assert openai["error"]["code"] == "model_not_found"
    anthropic = await ask(hub, "/v1/models/gpt-99", x_api_key=key, **ANTHROPIC)
    assert anthropic["error"]["type"] == "not_found_error"
    gemini = await ask(hub, "/v1beta/models/gpt-99", x_goog_api_key=key)
    assert gemini["error"]["status"] == "NOT_FOUND"


async def test_a_key_sees_the_models_it_may_use(hub: Hub) -> None:
    key = await limited(hub, "gpt-5.2*", "claude-haiku-4-5")
    seen = await ask(hub, "/v1/models", authorization=f"Bearer {key}")
    assert {row["id"] for row in seen["data"]} == {"gpt-5.2", "gpt-5.2-codex", "claude-haiku"}
    assert {row["id"] for row in (await ask(hub, "/models", x_api_key=key))["models"]} == {
        "gpt-5.2",
        "gpt-5.2-codex",
        "claude-haiku",
    }
    assert "error" in await ask(hub, "/v1/models/gpt-5-mini", authorization=f"Bearer {key}")


async def test_a_key_that_may_use_nothing_on_sale_sees_an_empty_list(hub: Hub) -> None:
    key = await limited(hub, "nothing-*")
    empty = await ask(hub, "/v1/models", x_api_key=key, **ANTHROPIC)
    assert empty == {"data": [], "first_id": None, "last_id": None, "has_more": False}


async def test_the_hubs_list_has_both_generations_names_and_the_price_with_margin(hub: Hub) -> None:
    key = await limited(hub)
    models = {row["id"]: row for row in (await ask(hub, "/models", x_api_key=key))["models"]}
    haiku = models["claude-haiku"]
    assert haiku["key"] == "claude-haiku"
    assert haiku["name"] == haiku["display_name"] == "Claude Haiku 4.5"
    assert (haiku["cost_per_1k_input"], haiku["cost_per_1k_output"]) == (pytest.approx(1.4), pytest.approx(7.0))
    assert (haiku["context_window"], haiku["max_output_tokens"]) == (200_000, 64_000)
    assert haiku["supports_tools"] and haiku["supports_vision"] and haiku["allowed"]
    assert haiku["is_custom"] is False
    assert models["cmo-agent"]["is_custom"] is True
    assert models["seedream-4.5"]["cost_per_image"] == pytest.approx(64.4)
    assert models["gpt-5-mini"]["cost_per_1k_input"] == pytest.approx(0.35)
