"""A canonical question as a Messages request (relay.md 6.2, 6.17)."""

from typing import Any

from tollway.core.chat import ChatRequest, Sampling, Thinking, ToolKind
from tollway.core.errors import Unsupported
from tollway.gateway.dialect import Body, Target, Written
from tollway.gateway.dialects.anthropic_messages.jsonmode import demand_json
from tollway.gateway.dialects.anthropic_messages.suffix import split_suffix
from tollway.gateway.dialects.anthropic_messages.thinking import adaptive_config, budgeted, effort_word, off
from tollway.gateway.dialects.anthropic_messages.tools import write_choice, write_tools
from tollway.gateway.dialects.anthropic_messages.traits import Traits, traits_of
from tollway.gateway.dialects.anthropic_messages.turns import Turns, finish_turns, write_turns

DEFAULT_MAX_TOKENS = 8192
_TIERS = {"auto": "auto", "default": "standard_only", "standard_only": "standard_only"}
_NO_COUNTERPART = (
    "verbosity",
    "audio_voice",
    "audio_format",
    "image_config",
    "safety",
    "metadata",
    "store",
    "cache_key",
)
_NO_DIAL = ("min_p", "seed", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "logit_bias")


def write_request(request: ChatRequest, target: Target) -> Written:
    """Say a canonical request; raises Unsupported naming what cannot be said."""
    _refuse(request)
    limit = _max_tokens(request, target)
    model, asked = split_suffix(target.model, limit)
    traits = traits_of(model)
    turns = write_turns(request.messages)
    turns.dropped |= {name for name in _NO_COUNTERPART if getattr(request, name)} | set(request.leftover)
    body: Body = {"model": model, "max_tokens": limit, "messages": turns.messages}
    if request.stream:
        body["stream"] = True
    _write_tools(request, body, traits, turns)
    _write_thinking(request.thinking or asked, target, body, traits, turns)
    wish = demand_json(request, body, traits, turns.system)
    finish_turns(turns, traits.prefill and not _thinks(body))
    if turns.system:
        body["system"] = turns.system
    _write_sampling(request.sampling, body, traits, turns)
    if request.user:
        body["metadata"] = {"user_id": request.user}
    if request.service_tier:
        _write_tier(request.service_tier, body, turns)
    dropped = tuple(sorted(turns.dropped))
    return Written(body, dropped, turns.renamed, unwrap_tool=wish.unwrap_tool, prefill=wish.prefill)


def _refuse(request: ChatRequest) -> None:
    if request.answers is not None and request.answers > 1:
        raise Unsupported("answers: Claude models give one answer at a time", field="answers")
    for kind in request.modalities or ():
        if kind != "text":
            raise Unsupported(f"modalities: Claude models answer in text, not {kind}", field="modalities")


def _max_tokens(request: ChatRequest, target: Target) -> int:
    asked = DEFAULT_MAX_TOKENS if request.max_output is None else request.max_output
    return min(asked, target.max_output) if target.max_output > 0 else asked


def _write_tools(request: ChatRequest, body: Body, traits: Traits, turns: Turns) -> None:
    tools = write_tools(request, traits.structured, turns.renamed)
    if not tools:
        return
    body["tools"] = tools
    choice = write_choice(request, turns.renamed)
    if choice:
        body["tool_choice"] = choice
    if any(tool.strict and tool.kind is ToolKind.FUNCTION for tool in request.tools) and not traits.structured:
        turns.dropped.add("tools.strict")


def _write_thinking(thinking: Thinking | None, target: Target, body: Body, traits: Traits, turns: Turns) -> None:
    if thinking is None:
        return
    if off(thinking):
        if traits.always_thinks:
            turns.dropped.add("thinking")
        elif traits.thinks_unasked:
            body["thinking"] = {"type": "disabled"}
        return
    unable = bool(target.abilities) and "reasoning" not in target.abilities
    if unable or _forced(body) or (not traits.adaptive and _loop_without_thoughts(turns.messages)):
        turns.dropped.add("thinking")
    elif traits.adaptive:
        body["thinking"] = adaptive_config(thinking, traits)
        word = effort_word(thinking, traits)
        if word:
            body["output_config"] = {"effort": word}
    else:
        _write_budget(thinking, target, body, turns)


def _write_budget(thinking: Thinking, target: Target, body: Body, turns: Turns) -> None:
    fits = budgeted(thinking, body["max_tokens"], target.max_output)
    if fits is None:
        turns.dropped.add("thinking")
        return
    budget, body["max_tokens"] = fits
    body["thinking"] = {"type": "enabled", "budget_tokens": budget}


def _write_sampling(dials: Sampling, body: Body, traits: Traits, turns: Turns) -> None:
    said = {name: value for name in ("temperature", "top_p", "top_k") if (value := getattr(dials, name)) is not None}
    if "temperature" in said:
        said["temperature"] = min(1.0, max(0.0, said["temperature"]))
    kept = set(said) if traits.sampling else set()
    if _thinks(body):
        kept &= {"top_p"} if said.get("top_p", 0.0) >= 0.95 else set()
    if not traits.both_dials and {"temperature", "top_p"} <= kept:
        kept.discard("top_p")
    body.update({name: said[name] for name in said if name in kept})
    turns.dropped |= set(said) - kept
    turns.dropped |= {name for name in _NO_DIAL if getattr(dials, name) is not None}
    stops = [stop for stop in dials.stop if stop.strip()]
    if stops:
        body["stop_sequences"] = stops
    if len(stops) < len(dials.stop):
        turns.dropped.add("stop")


def _write_tier(tier: str, body: Body, turns: Turns) -> None:
    if tier in _TIERS:
        body["service_tier"] = _TIERS[tier]
    else:
        turns.dropped.add("service_tier")


def _thinks(body: dict[str, Any]) -> bool:
    return body.get("thinking", {}).get("type") in {"enabled", "adaptive"}


def _forced(body: dict[str, Any]) -> bool:
    """A forced tool and thinking exclude each other; the tool is what the caller needs."""
    return body.get("tool_choice", {}).get("type") in {"any", "tool"}


def _loop_without_thoughts(messages: list[dict[str, Any]]) -> bool:
    """Whether a tool loop is under way whose assistant turn lost its thoughts: the vendor wants them back."""
    last = next((turn for turn in reversed(messages) if turn["role"] == "assistant"), None)
    if last is None or messages[-1]["content"][0]["type"] != "tool_result":
        return False
    return last["content"][0]["type"] not in {"thinking", "redacted_thinking"}
