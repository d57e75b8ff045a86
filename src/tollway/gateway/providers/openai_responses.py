"""OpenAI by its newer wire: for models that speak no other, and for callers who speak it themselves."""

from typing import Any

import msgspec

from tollway.gateway.dialect import Body, Target
from tollway.gateway.dialects.openai_responses import dialect
from tollway.gateway.openai_family.traits import traits_of
from tollway.gateway.provider import Disconnect, Provider, at, bearer

_DICE = ("temperature", "top_p", "top_logprobs")
"""Dials that models which reason do not have while they do."""


class _Asked(msgspec.Struct):
    effort: str | None = None


_read = msgspec.json.Decoder(_Asked).decode


def _unwanted(body: Body, target: Target) -> tuple[str, ...]:
    traits = traits_of(target.model)
    if not traits.reasons or (traits.is_gpt_5 and _effort(body.get("reasoning")) == "none"):
        return ()
    return tuple(name for name in _DICE if name in body)


def _effort(reasoning: Any) -> str | None:
    if isinstance(reasoning, dict):
        return reasoning.get("effort")
    try:
        return _read(reasoning).effort if isinstance(reasoning, msgspec.Raw) else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _accent(body: Body, target: Target) -> Body:
    unwanted = _unwanted(body, target)
    return {name: value for name, value in body.items() if name not in unwanted} if unwanted else body


provider = Provider(
    name="openai_responses",
    dialect=dialect,
    base_url="https://api.openai.com/v1",
    path=at("/responses"),
    authorize=bearer,
    accent=_accent,
    disconnect=Disconnect(
        True,
        "OpenRouter lists OpenAI among those whose billing stops: https://openrouter.ai/docs/api-reference/streaming",
    ),
    drops=_unwanted,
    key_env="OPENAI_RESPONSES_API_KEY",
    base_env="OPENAI_RESPONSES_BASE_URL",
)
