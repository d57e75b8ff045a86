"""OpenAI itself; its reasoning models want other words than its older ones."""

import re

import msgspec

from tollway.gateway.dialect import Body, Target, plain
from tollway.gateway.dialects.openai_chat import dialect
from tollway.gateway.provider import Provider, at, bearer

_O_SERIES = re.compile(r"o\d")
_GPT_5 = re.compile(r"gpt-5")
_NO_DEVELOPER = ("o1-mini", "o1-preview")
_DICE = ("temperature", "top_p", "logprobs", "top_logprobs")


def _unwanted(body: Body, target: Target) -> tuple[str, ...]:
    """Fields that the model refuses."""
    if _O_SERIES.match(target.model):
        return tuple(name for name in ("temperature",) if name in body)
    if _GPT_5.match(target.model) and plain(body, "reasoning_effort") != "none":
        return tuple(name for name in _DICE if name in body)
    return ()


def _accent(body: Body, target: Target) -> Body:
    if not (_O_SERIES.match(target.model) or _GPT_5.match(target.model)):
        return body
    unwanted = _unwanted(body, target)
    said = {name: value for name, value in body.items() if name not in unwanted}
    if "max_tokens" in said:
        older = said.pop("max_tokens")
        said.setdefault("max_completion_tokens", older)
    if "messages" in said and not target.model.startswith(_NO_DEVELOPER):
        said["messages"] = _instructed(said["messages"])
    return said


def _instructed(messages: object) -> object:
    """The first message speaks as `developer` where it spoke as `system`."""
    if isinstance(messages, msgspec.Raw):
        turns = msgspec.json.decode(messages, type=list[msgspec.Raw])
        first = msgspec.json.decode(turns[0], type=dict[str, msgspec.Raw]) if turns else {}
        if bytes(first.get("role", b"")) != b'"system"':
            return messages
        return [first | {"role": msgspec.Raw(b'"developer"')}, *turns[1:]]
    if isinstance(messages, list) and messages and messages[0].get("role") == "system":
        return [{**messages[0], "role": "developer"}, *messages[1:]]
    return messages


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
