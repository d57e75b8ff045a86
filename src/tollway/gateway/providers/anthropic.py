"""Anthropic, where the Messages dialect is at home."""

from tollway.gateway.dialects.anthropic_messages import dialect
from tollway.gateway.provider import HeaderLines, Provider, at, same

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
    accent=same,
    key_env="ANTHROPIC_API_KEY",
    base_env="ANTHROPIC_BASE_URL",
    headers=(("anthropic-version", VERSION),),
)
