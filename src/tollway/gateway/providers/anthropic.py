"""Anthropic, where the Messages dialect is at home."""

from tollway.gateway.dialect import Body, Target
from tollway.gateway.dialects.anthropic_messages import dialect
from tollway.gateway.dialects.anthropic_messages.loop import loses_thoughts
from tollway.gateway.provider import Disconnect, HeaderLines, Provider, at

VERSION = "2023-06-01"


def authorize(key: str) -> HeaderLines:
    """`x-api-key`, the vendor's own header."""
    return (("x-api-key", key),)


def _unthinkable(body: Body, target: Target) -> tuple[str, ...]:
    """Thinking is refused in a tool loop that another provider's answer began without thoughts of Claude's."""
    return ("thinking",) if loses_thoughts(body) else ()


def _accent(body: Body, target: Target) -> Body:
    if not loses_thoughts(body):
        return body
    return {name: value for name, value in body.items() if name != "thinking"}


provider = Provider(
    name="anthropic",
    dialect=dialect,
    base_url="https://api.anthropic.com",
    path=at("/v1/messages"),
    authorize=authorize,
    accent=_accent,
    disconnect=Disconnect(
        True,
        "OpenRouter lists Anthropic among those whose billing stops: https://openrouter.ai/docs/api-reference/streaming",
    ),
    drops=_unthinkable,
    key_env="ANTHROPIC_API_KEY",
    base_env="ANTHROPIC_BASE_URL",
    models_path="/v1/models",
    headers=(("anthropic-version", VERSION),),
)
