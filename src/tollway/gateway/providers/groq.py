"""Groq: OpenAI's wire without odds, without bias and without names of speakers."""

from tollway.gateway.dialect import Body, Target
from tollway.gateway.dialects.openai_chat import dialect
from tollway.gateway.dialects.openai_chat.accents import Turn, present, retouched, without, word
from tollway.gateway.provider import Disconnect, Provider, at, bearer

_UNKNOWN = frozenset(
    {"logprobs", "top_logprobs", "logit_bias", "store", "verbosity", "prompt_cache_key", "safety_identifier"}
)


def _unwanted(body: Body, target: Target) -> tuple[str, ...]:
    return present(body, _UNKNOWN)


def _accent(body: Body, target: Target) -> Body:
    said = without(body, _UNKNOWN)
    if "messages" in said:
        said["messages"] = retouched(said["messages"], _nameless)
    return said


def _nameless(place: int, turn: Turn) -> Turn:
    """A turn without its speaker's name; the name of a legacy function result is more than that."""
    return turn if "name" not in turn or word(turn.get("role")) == "function" else without(turn, {"name"})


provider = Provider(
    name="groq",
    dialect=dialect,
    base_url="https://api.groq.com/openai/v1",
    path=at("/chat/completions"),
    authorize=bearer,
    accent=_accent,
    disconnect=Disconnect(
        False,
        "OpenRouter lists Groq among those whose billing goes on: https://openrouter.ai/docs/api-reference/streaming",
    ),
    drops=_unwanted,
    key_env="GROQ_API_KEY",
    base_env="GROQ_BASE_URL",
    models_path="/models",
)
