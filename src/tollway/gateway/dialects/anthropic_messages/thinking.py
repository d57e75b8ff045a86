"""Thinking, both ways (relay.md 6.17)."""

from typing import Any

from tollway.core.chat import Effort, Thinking
from tollway.gateway.dialects.anthropic_messages.shape import maybe, need, wrong
from tollway.gateway.dialects.anthropic_messages.traits import Traits

_BUDGETS = {
    Effort.MINIMAL: 1024,
    Effort.LOW: 2048,
    Effort.MEDIUM: 8192,
    Effort.HIGH: 16384,
    Effort.XHIGH: 32000,
    Effort.MAX: 32000,
}
_LEAST = 1024
"""Smallest budget the vendor takes, and the room an answer needs beside its thoughts."""
_EFFORTS = {effort.value: effort for effort in Effort}


def read_thinking_config(wire: dict[str, Any] | None, output: dict[str, Any]) -> Thinking | None:
    """What `thinking` and `output_config.effort` ask together."""
    word = maybe(output, "effort", str, "output_config")
    if word is not None and word not in _EFFORTS:
        raise wrong("output_config.effort", "must be `low`, `medium`, `high`, `xhigh` or `max`")
    effort = _EFFORTS[word] if word else None
    if wire is None:
        return Thinking(effort=effort) if effort else None
    kind, display = need(wire, "type", str, "thinking"), maybe(wire, "display", str, "thinking")
    visible = None if display is None else display == "summarized"
    if kind == "disabled":
        return Thinking(effort=Effort.NONE)
    if kind == "enabled":
        budget = need(wire, "budget_tokens", int, "thinking")
        return Thinking(effort=effort, budget=budget, visible=visible)
    if kind in {"adaptive", "between_tools"}:
        return Thinking(effort=effort, adaptive=True, visible=visible)
    raise wrong("thinking.type", "must be `enabled`, `adaptive` or `disabled`")


def off(thinking: Thinking | None) -> bool:
    """Whether the caller asked for no thoughts at all."""
    return thinking is not None and (thinking.effort is Effort.NONE or thinking.budget == 0)


def effort_word(thinking: Thinking, traits: Traits) -> str | None:
    """The vendor's word for how hard to think; None leaves the model's own."""
    effort = thinking.effort
    if effort is None and thinking.budget is not None and thinking.budget > 0:
        effort = _effort_of(thinking.budget)
    if effort is None or effort is Effort.NONE:
        return None
    if effort is Effort.MINIMAL:
        return "low"
    return "max" if effort is Effort.XHIGH and not traits.xhigh else effort.value


def adaptive_config(thinking: Thinking, traits: Traits) -> dict[str, Any]:
    """`thinking` for a model steered by effort; thoughts are shown unless the caller said otherwise."""
    if thinking.visible is False:
        return {"type": "adaptive", "display": "omitted"}
    shown = thinking.visible or traits.hides_thoughts
    return {"type": "adaptive", "display": "summarized"} if shown else {"type": "adaptive"}


def budgeted(thinking: Thinking, max_tokens: int, limit: int) -> tuple[int, int] | None:
    """(budget, max_tokens) with room for an answer beside the thoughts; None when the model's limit has none."""
    asked = thinking.budget if thinking.budget is not None and thinking.budget > 0 else None
    budget = max(_LEAST, asked or _BUDGETS[thinking.effort or Effort.MEDIUM])
    whole = max(max_tokens, budget + _LEAST)
    if limit and whole > limit:
        whole, budget = limit, min(budget, limit - _LEAST)
    return (budget, whole) if budget >= _LEAST else None


def _effort_of(budget: int) -> Effort:
    if budget <= 1024:
        return Effort.MINIMAL
    if budget <= 4096:
        return Effort.LOW
    return Effort.MEDIUM if budget <= 12288 else Effort.HIGH
