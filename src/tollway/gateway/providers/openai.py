"""OpenAI itself: its reasoning models want other words than its older ones."""

from typing import Any

import msgspec

from tollway.gateway.dialect import Body, Target
from tollway.gateway.dialects.openai_chat import dialect
from tollway.gateway.dialects.openai_chat.accents import Turn, present, renamed, retouched, with_role, without, word
from tollway.gateway.dialects.openai_embeddings import dialect as embeddings
from tollway.gateway.openai_family.traits import traits_of
from tollway.gateway.provider import Disconnect, Embeds, Provider, at, bearer

_DICE = frozenset(
    {"temperature", "top_p", "logprobs", "top_logprobs", "presence_penalty", "frequency_penalty", "logit_bias"}
)
"""Dials that models which reason do not have."""


def _unwanted(body: Body, target: Target) -> tuple[str, ...]:
    """Fields that the model refuses."""
    is_o, is_gpt_5, _ = traits_of(target.model)
    if _DICE.isdisjoint(body) or not (is_o or is_gpt_5):
        return ()
    return () if is_gpt_5 and word(body.get("reasoning_effort")) == "none" else present(body, _DICE)


def _accent(body: Body, target: Target) -> Body:
    is_o, is_gpt_5, knows_developer = traits_of(target.model)
    if not (is_o or is_gpt_5):
        return body
    unwanted = _unwanted(body, target)
    if unwanted or "max_tokens" in body:
        body = renamed(without(body, unwanted), {"max_tokens": "max_completion_tokens"})
    messages = body.get("messages")
    if knows_developer and messages is not None and _may_instruct(messages):
        body = {**body, "messages": retouched(messages, _instructed)}
    return body


def _may_instruct(messages: Any) -> bool:
    """Whether the first turn may be a system turn: its role nearly always stands first and says so.

    A long conversation is not searched: `system` is an ordinary word in it.
    """
    if not isinstance(messages, msgspec.Raw):
        return True
    head = bytes(memoryview(messages)[:96])
    at = head.find(b'"role"')
    return at < 0 or b"\\" in head[:at] or b"system" in head[at:]


def _instructed(place: int, turn: Turn) -> Turn:
    """The first turn speaks as `developer` where it spoke as `system`."""
    return with_role(turn, "system", "developer") if place == 0 else turn


provider = Provider(
    name="openai",
    dialect=dialect,
    base_url="https://api.openai.com/v1",
    path=at("/chat/completions"),
    authorize=bearer,
    accent=_accent,
    disconnect=Disconnect(
        True,
        "OpenRouter lists OpenAI among those whose billing stops: https://openrouter.ai/docs/api-reference/streaming",
    ),
    drops=_unwanted,
    key_env="OPENAI_API_KEY",
    base_env="OPENAI_BASE_URL",
    models_path="/models",
    embeds=Embeds(embeddings, at("/embeddings")),
)
