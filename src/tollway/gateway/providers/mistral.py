"""Mistral: a strict reader, with its own word for the seed and short ids for tool calls."""

import hashlib
import re
from typing import Any

import msgspec

from tollway.gateway.dialect import Body, Target, plain
from tollway.gateway.dialects.openai_chat import dialect
from tollway.gateway.dialects.openai_chat.accents import Turn, present, renamed, retouched, with_role, without, word
from tollway.gateway.dialects.openai_embeddings import dialect as embeddings
from tollway.gateway.provider import Disconnect, Embeds, Provider, at, bearer

_UNKNOWN = frozenset(
    {
        *("logprobs", "top_logprobs", "logit_bias", "user", "store", "service_tier", "verbosity"),
        *("prompt_cache_key", "safety_identifier"),
    }
)
_SHORT_ID = re.compile(r"[a-zA-Z0-9]{9}\Z")


def _unwanted(body: Body, target: Target) -> tuple[str, ...]:
    return present(body, _UNKNOWN)


def _accent(body: Body, target: Target) -> Body:
    said = without(body, _UNKNOWN | {"stream_options"})  # usage comes on the last chunk without being asked for
    said = renamed(said, {"seed": "random_seed", "max_completion_tokens": "max_tokens"})
    if "messages" in said:
        said["messages"] = retouched(said["messages"], _retold)
    return said


def _retold(place: int, turn: Turn) -> Turn:
    turn = with_role(turn, "developer", "system")
    if "name" in turn and word(turn.get("role")) != "tool":
        turn = without(turn, {"name"})
    if "tool_call_id" in turn:
        turn = {**turn, "tool_call_id": _short(word(turn["tool_call_id"]) or "")}
    calls = turn.get("tool_calls")
    if calls is None:
        return turn
    return {**turn, "tool_calls": _short_calls(calls)}


def _short_calls(calls: Any) -> Any:
    if isinstance(calls, msgspec.Raw):
        calls = plain({"tool_calls": calls}, "tool_calls")
    if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
        return calls
    return [{**call, "id": _short(str(call.get("id", "")))} for call in calls]


def _short(call_id: str) -> str:
    """Nine letters or digits, the same for the call and its result."""
    return call_id if _SHORT_ID.match(call_id) else hashlib.sha256(call_id.encode()).hexdigest()[:9]


def _without_counterpart(body: Body, target: Target) -> tuple[str, ...]:
    return present(body, {"user"})


def _embedding_accent(body: Body, target: Target) -> Body:
    """A stricter reader yet, with its own word for the number of dimensions."""
    return renamed(without(body, {"user"}), {"dimensions": "output_dimension"})


provider = Provider(
    name="mistral",
    dialect=dialect,
    base_url="https://api.mistral.ai/v1",
    path=at("/chat/completions"),
    authorize=bearer,
    accent=_accent,
    disconnect=Disconnect(
        False,
        "OpenRouter lists Mistral among those whose billing goes on: https://openrouter.ai/docs/api-reference/streaming",
    ),
    drops=_unwanted,
    key_env="MISTRAL_API_KEY",
    base_env="MISTRAL_BASE_URL",
    models_path="/models",
    embeds=Embeds(embeddings, at("/embeddings"), _embedding_accent, _without_counterpart),
)
