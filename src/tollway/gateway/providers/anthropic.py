"""Anthropic, where the Messages dialect is at home."""

from tollway.gateway.dialects.anthropic_messages import dialect
from tollway.gateway.dialects.anthropic_messages.loop import unthinkable, without_thinking
from tollway.gateway.provider import Disconnect, HeaderLines, Provider, at

VERSION = "2023-06-01"


def authorize(key: str) -> HeaderLines:
    """`x-api-key`, the vendor's own header."""
    return (("x-api-key", key),)


provider = Provider(
    name="anthropic",
    dialect=dialect,
    base_url="https://api.anthropic.com",
    path=at("/v1/messages"),
    authorize=authorize,
    accent=without_thinking,
    disconnect=Disconnect(
        True,
        "OpenRouter lists Anthropic among those whose billing stops: https://openrouter.ai/docs/api-reference/streaming",
    ),
    drops=unthinkable,
    key_env="ANTHROPIC_API_KEY",
    base_env="ANTHROPIC_BASE_URL",
    models_path="/v1/models",
    headers=(("anthropic-version", VERSION),),
)
