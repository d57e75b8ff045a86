"""The list of models on sale, in the shape each kind of client reads (relay.md 1.2, hub.md 2.6)."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from tollway.core.model import CHAT, EMBEDDING, Model
from tollway.core.money import IMAGE_FACTOR, MARGIN

Shown = dict[str, Any]

ENDPOINTS = {CHAT: ["openai", "anthropic", "gemini"], EMBEDDING: ["embeddings"]}
METHODS = {
    CHAT: ["generateContent", "streamGenerateContent", "countTokens"],
    EMBEDDING: ["embedContent", "batchEmbedContents"],
}
"""What each type of model can be asked for, in OpenAI relays' words and in Google's."""
OPENAI, ANTHROPIC, GEMINI = "openai", "anthropic", "gemini"
UNKNOWN_BIRTH_S = 1_626_777_600
UNKNOWN_BIRTH = "2021-07-20T10:40:00Z"


def family_of(path: str, query: str, headers: Mapping[bytes, bytes]) -> str:
    """Whose shape the caller of a path under /v1 or /v1beta reads."""
    if path.startswith("/v1beta/"):
        return OPENAI if path.startswith("/v1beta/openai/") else GEMINI
    if b"anthropic-version" in headers:  # with a key in any header: Anthropic's newest clients send a bearer
        return ANTHROPIC
    asks_by_key = any(pair.startswith("key=") for pair in query.split("&"))
    return GEMINI if asks_by_key or b"x-goog-api-key" in headers else OPENAI


def listing(family: str, models: Iterable[Model]) -> Shown:
    """A list in the shape of `family`; Anthropic's has no word for models that make vectors."""
    if family == ANTHROPIC:
        rows = [anthropic_model(model) for model in models if model.type == CHAT]
        ends = {"first_id": rows[0]["id"] if rows else None, "last_id": rows[-1]["id"] if rows else None}
        return {"data": rows, **ends, "has_more": False}
    if family == GEMINI:
        return {"models": [gemini_model(model) for model in models], "nextPageToken": None}
    return {"success": True, "object": "list", "data": [openai_model(model) for model in models]}


def openai_model(model: Model) -> Shown:
    """One model as OpenAI shows it."""
    return {
        "id": model.id,
        "object": "model",
        "created": UNKNOWN_BIRTH_S,
        "owned_by": model.provider,
        "supported_endpoint_types": ENDPOINTS[model.type],
    }


def anthropic_model(model: Model) -> Shown:
    """One model as Anthropic shows it."""
    return {
        "type": "model",
        "id": model.id,
        "display_name": model.name,
        "created_at": UNKNOWN_BIRTH,
        "lifecycle": "active",
        "max_input_tokens": model.context_window,
        "max_tokens": model.max_output,
    }


def gemini_model(model: Model) -> Shown:
    """One model as Gemini shows it."""
    return {
        "name": f"models/{model.id}",
        "baseModelId": model.id,
        "version": model.price.version,
        "displayName": model.name,
        "description": f"{model.name}, sold as {model.category}",
        "inputTokenLimit": model.context_window,
        "outputTokenLimit": model.max_output,
        "supportedGenerationMethods": METHODS[model.type],
        "thinking": "reasoning" in model.abilities,
    }


SHOW: dict[str, Callable[[Model], Shown]] = {
    OPENAI: openai_model,
    ANTHROPIC: anthropic_model,
    GEMINI: gemini_model,
}


def hub_model(model: Model, allowed: bool = True) -> Shown:
    """One model as the hub's own clients read it: both generations' names for the same things.

    `allowed`: the caller's plan includes it.
    """
    shown = {
        "key": model.id,
        "id": model.id,
        "display_name": model.name,
        "name": model.name,
        "provider": model.provider,
        "category": model.category,
        "type": model.type,
        "context_window": model.context_window,
        "max_output_tokens": model.max_output,
        "cost_per_1k_input": credits_per_1k(model, model.price.input),
        "cost_per_1k_output": credits_per_1k(model, model.price.output),
        "supports_tools": "tools" in model.abilities,
        "supports_vision": "vision" in model.abilities,
        "is_custom": model.custom,
        "allowed": allowed,
    }
    if model.price.per_image is not None:
        shown["cost_per_image"] = credits_per_1k(model, model.price.per_image * 1000)
    return shown


def credits_per_1k(model: Model, usd_per_million: Decimal) -> float:
    """What 1,000 tokens cost the caller: one US dollar a million is one credit a thousand, before margin."""
    return float(usd_per_million * MARGIN * (IMAGE_FACTOR if model.price.image_model else 1))
