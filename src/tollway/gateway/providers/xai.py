"""xAI: Grok's reasoning models take no penalties and no stop words, and few of them an effort."""

import re

from tollway.gateway.dialect import Body, Target
from tollway.gateway.dialects.openai_chat import dialect
from tollway.gateway.dialects.openai_chat.accents import present, without
from tollway.gateway.provider import Disconnect, Provider, at, bearer

_REASONS = re.compile(r"grok-(?:4|[5-9]|3-mini|code|build|latest)(?!.*non-reasoning)")
_TAKES_EFFORT = re.compile(r"grok-(?:3-mini|4\.[3-9](?!\d)|[5-9]|latest)")
_NOT_WHEN_REASONING = frozenset({"presence_penalty", "frequency_penalty", "stop"})


def _unwanted(body: Body, target: Target) -> tuple[str, ...]:
    names = {"logit_bias"}
    if _REASONS.match(target.model):
        names |= _NOT_WHEN_REASONING
    if not _TAKES_EFFORT.match(target.model):
        names.add("reasoning_effort")
    return present(body, names)


def _accent(body: Body, target: Target) -> Body:
    return without(body, _unwanted(body, target))


provider = Provider(
    name="xai",
    dialect=dialect,
    base_url="https://api.x.ai/v1",
    path=at("/chat/completions"),
    authorize=bearer,
    accent=_accent,
    disconnect=Disconnect(
        True,
        "OpenRouter lists xAI among those whose billing stops: https://openrouter.ai/docs/api-reference/streaming",
    ),
    drops=_unwanted,
    key_env="XAI_API_KEY",
    base_env="XAI_BASE_URL",
    models_path="/models",
)
