"""thinkingConfig, in budgets for Gemini 2.5 and in levels from Gemini 3 on (relay.md 6.17)."""

import re
from typing import Any

from tollway.core.chat import Effort, Thinking
from tollway.gateway.gemini_family.spelling import fields, flag, text, whole

_VERSION = re.compile(r"gemini-(\d+)(?:[.-](\d))?")
_EFFORTS = {
    "MINIMAL": Effort.MINIMAL,
    "LOW": Effort.LOW,
    "MEDIUM": Effort.MEDIUM,
    "HIGH": Effort.HIGH,
    "XHIGH": Effort.XHIGH,
}
_BUDGETS = {
    Effort.NONE: 0,
    Effort.MINIMAL: 512,
    Effort.LOW: 2048,
    Effort.MEDIUM: 8192,
    Effort.HIGH: 16384,
    Effort.XHIGH: 24576,
    Effort.MAX: 32768,
}
_LEVELS = {
    Effort.NONE: "minimal",
    Effort.MINIMAL: "minimal",
    Effort.LOW: "low",
    Effort.MEDIUM: "medium",
    Effort.HIGH: "high",
    Effort.XHIGH: "high",
    Effort.MAX: "high",
}
DYNAMIC = -1
"""A budget that leaves the amount to the model."""


def version(model: str) -> tuple[int, int] | None:
    """(major, minor) of a Gemini model's name; None when the name does not tell."""
    found = _VERSION.search(model)
    return (int(found[1]), int(found[2] or 0)) if found else None


def seals_calls(model: str) -> bool:
    """Whether the model refuses a history whose function calls lack a signature."""
    number = version(model)
    return number is not None and number[0] >= 3


def read_thinking(value: Any, path: str) -> Thinking | None:
    """What a thinkingConfig asks for; None when it asks for nothing."""
    config = fields(value, path)
    level = text(config.get("thinkingLevel", ""), f"{path}.thinkingLevel").upper()
    budget = whole(config["thinkingBudget"], f"{path}.thinkingBudget") if "thinkingBudget" in config else None
    visible = flag(config["includeThoughts"], f"{path}.includeThoughts") if "includeThoughts" in config else None
    thinking = Thinking(effort=_EFFORTS.get(level), budget=budget, visible=visible)
    return None if thinking == Thinking() else thinking


def write_thinking(thinking: Thinking, model: str) -> dict[str, Any] | None:
    """The thinkingConfig for `model`; None when the model cannot think."""
    number = version(model)
    if number is not None and number < (2, 5):
        return None
    by_level = thinking.budget is None if number is None else number[0] >= 3
    config = _by_level(thinking, model) if by_level else _by_budget(thinking, model)
    wants_some = thinking.effort is not Effort.NONE and thinking.budget != 0
    if thinking.visible is not None or wants_some:
        config["includeThoughts"] = thinking.visible is not False and wants_some
    return config


def _by_level(thinking: Thinking, model: str) -> dict[str, Any]:
    effort = thinking.effort
    if effort is None and thinking.budget is not None and thinking.budget != DYNAMIC:
        effort = effort_of(thinking.budget)
    if effort is None:
        return {}
    level = _LEVELS[effort]
    if level == "minimal" and "pro" in model:
        level = "low"  # the Pro models know no level below
    return {"thinkingLevel": level}


def effort_of(budget: int) -> Effort:
    """The effort that a number of reasoning tokens stands for."""
    if budget <= 0:
        return Effort.NONE
    if budget <= 1024:
        return Effort.MINIMAL
    if budget <= 4096:
        return Effort.LOW
    return Effort.MEDIUM if budget <= 12288 else Effort.HIGH


def _by_budget(thinking: Thinking, model: str) -> dict[str, Any]:
    budget = thinking.budget
    if budget is None and thinking.effort is not None:
        budget = _BUDGETS[thinking.effort]
    if budget is None:
        return {"thinkingBudget": DYNAMIC} if thinking.adaptive else {}
    return {"thinkingBudget": clamped(budget, model)}


def clamped(budget: int, model: str) -> int:
    """The nearest budget the model accepts; only the Flash models accept 0, thinking off."""
    if budget == DYNAMIC or (budget == 0 and "flash" in model):
        return budget
    if "flash-lite" in model:
        return min(max(budget, 512), 24576)
    if "flash" in model:
        return min(max(budget, 0), 24576)
    if "03-25" in model or "05-06" in model:
        return budget
    return min(max(budget, 128), 32768)


def within(limit: int, model: str) -> int:
    """A budget for thoughts where they and the answer share `limit` tokens: half of it, if the model takes so few."""
    return clamped(limit // 2, model)
