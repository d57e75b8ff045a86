"""How hard to think: the ways callers ask for it on this wire, and the ways upstreams are asked (relay.md 6.17)."""

from typing import Any

from tollway.core.chat import Effort, Thinking
from tollway.core.errors import BadRequest
from tollway.gateway.dialects.openai_chat.upstreams import Habits
from tollway.gateway.openai_family.effort import EFFORTS, effort_of_budget, effort_word
from tollway.gateway.openai_family.fields import an_object, flag_or_none, integer_or_none, text_or_none, wrong

LEAST_BUDGET = 1024
"""Reasoning tokens that providers take at least, and the room an answer needs beside them."""


def read_thinking(effort: Any, reasoning: Any, google: dict[str, Any]) -> Thinking | None:
    """From `reasoning_effort`, OpenRouter's `reasoning` or `extra_body.google.thinking_config`; the most exact wins."""
    config = google.get("thinking_config")
    if config is not None:
        return _read_google(an_object(config, "extra_body.google.thinking_config"))
    if reasoning is not None:
        return _read_object(an_object(reasoning, "reasoning"), effort)
    return None if effort is None else Thinking(_effort(effort, "reasoning_effort"))


def _effort(value: Any, path: str) -> Effort | None:
    word = text_or_none(value, path)
    if word is None:
        return None
    if word.lower() not in EFFORTS:
        raise wrong(path, "one of " + ", ".join(EFFORTS))
    return EFFORTS[word.lower()]


def _read_object(reasoning: dict[str, Any], effort: Any) -> Thinking:
    enabled = flag_or_none(reasoning.get("enabled"), "reasoning.enabled")
    budget = integer_or_none(reasoning.get("max_tokens"), "reasoning.max_tokens")
    word = _effort(reasoning.get("effort"), "reasoning.effort") or _effort(effort, "reasoning_effort")
    hidden = flag_or_none(reasoning.get("exclude"), "reasoning.exclude")
    if enabled is False:
        return Thinking(Effort.NONE)
    if enabled and word is None and budget is None:
        word = Effort.MEDIUM
    return Thinking(word, budget, visible=None if hidden is None else not hidden)


def _read_google(config: dict[str, Any]) -> Thinking:
    path = "extra_body.google.thinking_config"
    for name in config:
        if name not in ("thinking_budget", "include_thoughts", "thinking_level"):
            raise BadRequest(f"{path}.{name}: unknown field", field=f"{path}.{name}")
    return Thinking(
        _effort(config.get("thinking_level"), f"{path}.thinking_level"),
        integer_or_none(config.get("thinking_budget"), f"{path}.thinking_budget"),
        visible=flag_or_none(config.get("include_thoughts"), f"{path}.include_thoughts"),
    )


def write_thinking(thinking: Thinking, model: str, habits: Habits) -> dict[str, Any]:
    """The fields that ask the upstream for this much thought; none when it is left to the model."""
    effort = thinking.effort
    if effort is None and thinking.budget is not None and thinking.budget >= 0:
        effort = effort_of_budget(thinking.budget)
    if habits.thinking == "object":
        return _object(thinking, effort)
    if habits.thinking == "switch":
        return {} if effort is None and not thinking.adaptive else _switch(effort)
    return {} if effort is None else {"reasoning_effort": effort_word(effort, model)}


def fit_thoughts(reasoning: Any, limit: int) -> Any:
    """A `reasoning` object whose budget stays below the limit, with room for an answer; else no thoughts."""
    budget = reasoning.get("max_tokens") if isinstance(reasoning, dict) else None
    if not isinstance(budget, int) or budget < limit:
        return reasoning
    if limit < 2 * LEAST_BUDGET:
        return {"enabled": False}
    return reasoning | {"max_tokens": limit - LEAST_BUDGET}


def _object(thinking: Thinking, effort: Effort | None) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if effort is Effort.NONE:
        said["enabled"] = False
    elif thinking.effort is None and thinking.budget is not None and thinking.budget > 0:
        said |= {"enabled": True, "max_tokens": thinking.budget}
    elif effort is not None:
        said |= {"enabled": True, "effort": "xhigh" if effort is Effort.MAX else effort.value}
    elif thinking.adaptive:
        said["enabled"] = True
    if thinking.visible is False and effort is not Effort.NONE:
        said["exclude"] = True
    return {"reasoning": said} if said else {}


def _switch(effort: Effort | None) -> dict[str, Any]:
    if effort is Effort.NONE:
        return {"thinking": {"type": "disabled"}}
    said: dict[str, Any] = {"thinking": {"type": "enabled"}}
    if effort in (Effort.MINIMAL, Effort.LOW):
        said["reasoning_effort"] = "low"
    elif effort is not None:
        said["reasoning_effort"] = "max" if effort is Effort.MAX else "high"
    return said
