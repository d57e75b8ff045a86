"""OpenAI itself: its reasoning models want other words than its older ones."""

import re

from tollway.gateway.dialect import Body, Target
from tollway.gateway.dialects.openai_chat import dialect
from tollway.gateway.dialects.openai_chat.accents import Turn, present, renamed, retouched, with_role, without, word
from tollway.gateway.provider import Provider, at, bearer

_O_SERIES = re.compile(r"o\d")
_GPT_5 = re.compile(r"gpt-5(?!-chat)")
_NO_DEVELOPER = ("o1-mini", "o1-preview")
_DICE = frozenset({"temperature", "top_p", "logprobs", "top_logprobs"})


def _unwanted(body: Body, target: Target) -> tuple[str, ...]:
    """Fields that the model refuses."""
    if _O_SERIES.match(target.model):
        return present(body, {"temperature"})
    if _GPT_5.match(target.model) and word(body.get("reasoning_effort")) != "none":
        return present(body, _DICE)
    return ()


def _accent(body: Body, target: Target) -> Body:
    if not (_O_SERIES.match(target.model) or _GPT_5.match(target.model)):
        return body
    said = renamed(without(body, _unwanted(body, target)), {"max_tokens": "max_completion_tokens"})
    if "messages" in said and not target.model.startswith(_NO_DEVELOPER):
        said["messages"] = retouched(said["messages"], _instructed)
    return said


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
    drops=_unwanted,
    key_env="OPENAI_API_KEY",
    base_env="OPENAI_BASE_URL",
)
