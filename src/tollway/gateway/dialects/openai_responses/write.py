"""A canonical question said to an upstream on this wire (relay.md 6.12)."""

from typing import Any

from tollway.core.chat import ChatRequest, Effort, OutputFormat, Sampling, Thinking
from tollway.core.errors import Unsupported
from tollway.gateway.dialect import Body, Target, Written
from tollway.gateway.dialects.openai_responses.tools import write_choice, write_tools
from tollway.gateway.dialects.openai_responses.turns_write import ItemWriter
from tollway.gateway.openai_family.effort import effort_of_budget, effort_word
from tollway.gateway.openai_family.names import tool_name, user_id

LEAST_OUTPUT = 16
"""Output tokens the vendor takes for a limit at least."""
ENCRYPTED = "reasoning.encrypted_content"
_TIERS = {"auto": "auto", "default": "default", "standard_only": "default", "flex": "flex", "priority": "priority"}
_NO_DIALS = (
    "top_k",
    "min_p",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "stop",
    "logprobs",
    "top_logprobs",
    "logit_bias",
)
"""Dials this wire does not have."""


def write_request(request: ChatRequest, target: Target) -> Written:
    """The body for `target`. Raises Unsupported naming what would change the meaning if left out."""
    if request.answers is not None and request.answers > 1:
        raise Unsupported("answers: responses give one answer each", field="answers")
    dropped = list(request.leftover)
    turns = ItemWriter()
    turns.write(request.messages)
    body: Body = {"model": target.model}
    if turns.instructions:
        body["instructions"] = "\n\n".join(turns.instructions)
    body["input"] = turns.items
    if request.max_output is not None:
        body["max_output_tokens"] = limited(request.max_output, target.max_output)
    if request.stream:
        body["stream"] = True
    body |= _tools(request)
    body |= _sampling(request.sampling, dropped)
    body |= _thinking(request.thinking, target, dropped)
    body |= _output(request, dropped)
    body |= _account(request, dropped)
    names = (tool_name(tool.name) for tool in request.tools)
    renamed = {said: tool.name for said, tool in zip(names, request.tools, strict=True) if said != tool.name}
    return Written(body, tuple(dict.fromkeys([*dropped, *sorted(turns.dropped)])), renamed)


def limited(asked: int, most: int) -> int:
    """The caller's limit within the model's, but never below what the vendor takes."""
    return max(LEAST_OUTPUT, min(asked, most) if most > 0 else asked)


def _tools(request: ChatRequest) -> Body:
    if not request.tools:
        return {}
    said: Body = {"tools": write_tools(request.tools)}
    searches = [(tool.settings or {}).get("max_uses") for tool in request.tools if tool.name == "web_search"]
    if searches and searches[0]:
        said["max_tool_calls"] = searches[0]
    if request.tool_choice is not None:
        said["tool_choice"] = write_choice(request.tool_choice, request.tools)
    if request.parallel_tools is not None:
        said["parallel_tool_calls"] = request.parallel_tools
    return said


def _sampling(sampling: Sampling, dropped: list[str]) -> Body:
    dropped += [name for name in _NO_DIALS if getattr(sampling, name) not in (None, ())]
    dials = {"temperature": sampling.temperature, "top_p": sampling.top_p}
    return {name: value for name, value in dials.items() if value is not None}


def _thinking(thinking: Thinking | None, target: Target, dropped: list[str]) -> Body:
    """`reasoning`, and the wish to get thoughts back in the form in which they may be sent again."""
    if "reasoning" not in target.abilities:
        if thinking is not None and thinking.effort is not Effort.NONE:
            dropped.append("thinking")
        return {}
    said: Body = {"include": [ENCRYPTED]}
    if thinking is None:
        return said
    reasoning: dict[str, Any] = {}
    effort = thinking.effort
    if effort is None and thinking.budget is not None and thinking.budget >= 0:
        effort = effort_of_budget(thinking.budget)
    if effort is not None:
        reasoning["effort"] = effort_word(effort, target.model)
    if _shown(thinking) and effort is not Effort.NONE:
        reasoning["summary"] = "detailed"
    return said | ({"reasoning": reasoning} if reasoning else {})


def _shown(thinking: Thinking) -> bool:
    """Whether thoughts are to be told: where a budget is the way to ask for them, they are, unless hidden."""
    if thinking.visible is not None:
        return thinking.visible
    return thinking.adaptive or thinking.budget not in (None, 0)


def _output(request: ChatRequest, dropped: list[str]) -> Body:
    text: Body = {}
    if request.output_format is not None:
        text["format"] = _format(request.output_format)
    if request.verbosity is not None:
        text["verbosity"] = request.verbosity
    kinds = set(request.modalities or ("text",))
    if kinds != {"text"}:
        raise Unsupported("modalities: responses answer in words", field="modalities")
    if request.image_config:
        dropped.append("image_config")
    return {"text": text} if text else {}


def _format(wanted: OutputFormat) -> dict[str, Any]:
    if wanted.schema is None:
        return {"type": "json_object"}
    said: dict[str, Any] = {"type": "json_schema", "name": tool_name(wanted.name or "response")}
    if wanted.description is not None:
        said["description"] = wanted.description
    # as with tools: left open it would mean strict
    return said | {"schema": wanted.schema, "strict": bool(wanted.strict)}


def _account(request: ChatRequest, dropped: list[str]) -> Body:
    """Whose call it is, and what the provider may keep: nothing, unless the caller says so."""
    said: Body = {"store": bool(request.store)}
    if request.user:
        said["user"] = user_id(request.user)
    if request.cache_key or request.user:
        said["prompt_cache_key"] = user_id(request.cache_key or request.user or "")
    if request.metadata:
        said["metadata"] = request.metadata
    if request.service_tier is not None and request.service_tier in _TIERS:
        said["service_tier"] = _TIERS[request.service_tier]
    elif request.service_tier is not None:
        dropped.append("service_tier")
    if request.safety:
        dropped.append("safety")
    return said
