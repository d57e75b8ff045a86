"""A canonical question said to an upstream on this wire (relay.md 6.5, 6.10)."""

from typing import Any

from tollway.core.chat import ChatRequest, OutputFormat, Sampling
from tollway.core.errors import Unsupported
from tollway.gateway.dialect import Body, Target, Written
from tollway.gateway.dialects.openai_chat.thinking import fit_thoughts, write_thinking
from tollway.gateway.dialects.openai_chat.tools import write_choice, write_tools
from tollway.gateway.dialects.openai_chat.turns_write import TurnWriter
from tollway.gateway.dialects.openai_chat.upstreams import Habits, habits_of
from tollway.gateway.openai_family.names import tool_name, user_id

_TIERS = {"auto": "auto", "default": "default", "standard_only": "default", "flex": "flex", "priority": "priority"}
_DIALS = (
    "temperature",
    "top_p",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "logprobs",
    "top_logprobs",
    "logit_bias",
)


def write_request(request: ChatRequest, target: Target) -> Written:
    """The body for `target`. Raises Unsupported naming what would change the meaning if left out."""
    habits = habits_of(target.provider)
    turns = TurnWriter(habits)
    dropped = list(request.leftover)
    body: Body = {"model": target.model, "messages": turns.write(request.messages)}
    if request.max_output is not None:
        most = request.max_output
        body["max_tokens"] = min(most, target.max_output) if target.max_output > 0 else most
    if request.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    if request.answers is not None and request.answers > 1:
        body["n"] = request.answers
    body |= _sampling(request.sampling, habits, dropped)
    body |= _tools(request, habits)
    body |= _thinking(request, target, habits, dropped)
    body |= _output(request, habits, dropped)
    body |= _account(request, habits, dropped)
    names = (tool_name(tool.name) for tool in request.tools)
    renamed = {said: tool.name for said, tool in zip(names, request.tools, strict=True) if said != tool.name}
    return Written(body, tuple(dict.fromkeys([*dropped, *sorted(turns.dropped)])), renamed)


def _sampling(sampling: Sampling, habits: Habits, dropped: list[str]) -> Body:
    said: Body = {name: value for name in _DIALS if (value := getattr(sampling, name)) is not None}
    for name in ("top_k", "min_p"):
        value = getattr(sampling, name)
        if value is not None and name in habits.more_dials:
            said[name] = value
        elif value is not None:
            dropped.append(name)
    if sampling.stop:
        said["stop"] = list(sampling.stop[:4])
    if len(sampling.stop) > 4:
        dropped.append("stop[4:]")
    return said


def _tools(request: ChatRequest, habits: Habits) -> Body:
    tools, search = write_tools(request.tools, habits.cache_control)
    said: Body = {}
    if search is not None:
        said["web_search_options"] = search
    if not tools:
        return said
    said["tools"] = tools
    if request.tool_choice is not None:
        said["tool_choice"] = write_choice(request.tool_choice, request.tools)
    if request.parallel_tools is not None:
        said["parallel_tool_calls"] = request.parallel_tools
    return said


def _thinking(request: ChatRequest, target: Target, habits: Habits, dropped: list[str]) -> Body:
    if request.thinking is None:
        return {}
    if "reasoning" in target.abilities:
        said = write_thinking(request.thinking, target.model, habits)
        if "reasoning" in said and target.max_output > 0:
            said["reasoning"] = fit_thoughts(said["reasoning"], target.max_output)
        return said
    if request.thinking.effort is None or request.thinking.effort.value != "none":
        dropped.append("thinking")
    return {}


def _output(request: ChatRequest, habits: Habits, dropped: list[str]) -> Body:
    said: Body = {}
    if request.output_format is not None:
        said["response_format"] = _format(request.output_format)
    kinds = request.modalities or ("text",)
    if "image" in kinds and not habits.picture_output:
        raise Unsupported("modalities: this model's provider cannot answer with pictures", field="modalities")
    if set(kinds) != {"text"}:
        said["modalities"] = list(kinds)
    if "audio" in kinds:
        voice = {"voice": request.audio_voice or "alloy", "format": request.audio_format or "wav"}
        said["audio"] = voice
    if request.image_config and habits.picture_output:
        said["image_config"] = request.image_config
    elif request.image_config:
        dropped.append("image_config")
    if request.verbosity is not None and habits.own_words:
        said["verbosity"] = request.verbosity
    elif request.verbosity is not None:
        dropped.append("verbosity")
    return said


def _format(wanted: OutputFormat) -> dict[str, Any]:
    if wanted.schema is None:
        return {"type": "json_object"}
    schema = {
        "name": tool_name(wanted.name or "response"),
        "description": wanted.description,
        "schema": wanted.schema,
        "strict": wanted.strict,
    }
    return {"type": "json_schema", "json_schema": {name: value for name, value in schema.items() if value is not None}}


def _account(request: ChatRequest, habits: Habits, dropped: list[str]) -> Body:
    """Whose call it is, and what the provider may keep."""
    said: Body = {}
    if request.user:
        said["user"] = user_id(request.user)
    if habits.own_words and (request.cache_key or request.user):
        said["prompt_cache_key"] = user_id(request.cache_key or request.user or "")
    elif request.cache_key:
        dropped.append("cache_key")
    if request.store is not None:
        said["store"] = request.store
    if request.metadata and request.store:
        said["metadata"] = request.metadata
    elif request.metadata:
        dropped.append("metadata")
    if request.service_tier is not None and request.service_tier in _TIERS:
        said["service_tier"] = _TIERS[request.service_tier]
    elif request.service_tier is not None:
        dropped.append("service_tier")
    if request.safety:
        dropped.append("safety")
    return said
