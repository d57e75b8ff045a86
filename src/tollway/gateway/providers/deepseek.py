"""DeepSeek: older words of OpenAI's, and a switch for thinking."""

from tollway.gateway.dialect import Body, Target
from tollway.gateway.dialects.openai_chat import dialect
from tollway.gateway.dialects.openai_chat.accents import Turn, present, renamed, retouched, with_role, without, word
from tollway.gateway.provider import Disconnect, Provider, at, bearer

_UNKNOWN = frozenset({"logit_bias", "parallel_tool_calls", "seed", "service_tier", "store", "metadata", "verbosity"})


def _unwanted(body: Body, target: Target) -> tuple[str, ...]:
    return present(body, _UNKNOWN)


def _accent(body: Body, target: Target) -> Body:
    said = renamed(without(body, _UNKNOWN), {"max_completion_tokens": "max_tokens"})
    if word(said.get("reasoning_effort")) == "none":
        del said["reasoning_effort"]
        said.setdefault("thinking", {"type": "disabled"})
    if "messages" in said:
        said["messages"] = retouched(said["messages"], _instructed)
    return said


def _instructed(place: int, turn: Turn) -> Turn:
    """`developer` is not a role here."""
    return with_role(turn, "developer", "system")


provider = Provider(
    name="deepseek",
    dialect=dialect,
    base_url="https://api.deepseek.com",
    path=at("/chat/completions"),
    authorize=bearer,
    accent=_accent,
    disconnect=Disconnect(
        True,
        "OpenRouter lists DeepSeek among those whose billing stops: https://openrouter.ai/docs/api-reference/streaming",
    ),
    drops=_unwanted,
    key_env="DEEPSEEK_API_KEY",
    base_env="DEEPSEEK_BASE_URL",
    models_path="/models",
)
