"""Tokens of a picture from its size: each vendor's rule as data (relay.md 7.3)."""

import math
from collections.abc import Callable
from fnmatch import fnmatchcase
from functools import partial
from typing import NamedTuple

Size = tuple[int, int]


class Rule(NamedTuple):
    """How a model counts pictures."""

    usual: Callable[[Size, str | None], int]
    """(size, detail) to tokens."""
    worst: Callable[[Size, str | None], int]
    """The same, where bills were seen above the formula."""
    most: Callable[[str | None], int]
    """The most one picture can take, for pictures whose size is not known."""


def image_tokens(model: tuple[str, str], size: Size, detail: str | None = None, worst: bool = False) -> int:
    """Tokens of a picture of `size` pixels for `model`, given as (upstream's name, family)."""
    rule = _rule(*model)
    return (rule.worst if worst else rule.usual)(size, detail)


def image_worst(upstream: str, family: str, detail: str | None = None) -> int:
    """The most tokens one picture can take, whatever its size."""
    return _rule(upstream, family).most(detail)


def _rule(upstream: str, family: str) -> Rule:
    name = upstream.lower().rpartition("/")[2]
    for pattern, rule in _RULES:
        if fnmatchcase(name, pattern):
            return rule
    return _FAMILIES.get(family, _OTHER)


def _tiles(base: int, tile: int, size: Size, detail: str | None) -> int:
    """512-pixel tiles, after scaling down (never up) to 2048 on the long and 768 on the short side."""
    if detail == "low":
        return base
    scale = min(1.0, 2048 / max(size), 768 / min(size))
    wide, high = (math.ceil(round(side * scale, 6) / 512) for side in size)
    return base + max(1, wide) * max(1, high) * tile


def _tiles_rule(base: int, tile: int) -> Rule:
    count = partial(_tiles, base, tile)
    return Rule(count, count, lambda detail: count((2048, 768), detail))


def _patches(size: Size, budget: int) -> int:
    """32-pixel patches, scaled down to whole patches within the budget."""
    width, height = size
    patches = math.ceil(width / 32) * math.ceil(height / 32)
    if patches <= budget:
        return patches
    scale = math.sqrt(32 * 32 * budget / (width * height))
    wide, high = width * scale / 32, height * scale / 32
    if wide >= 1 and high >= 1:
        shrink = min(math.floor(wide) / wide, math.floor(high) / high)
        wide, high = wide * shrink, high * shrink
    return min(budget, math.ceil(round(wide, 6)) * math.ceil(round(high, 6)))


def _patches_rule(multiplier: float) -> Rule:
    """One budget of 1,536 patches whatever the detail. Very large or wide pictures were billed the whole budget."""
    budget = 1536

    def count(size: Size, detail: str | None) -> int:
        return round(_patches(size, budget) * multiplier)

    def worst(size: Size, detail: str | None) -> int:
        raw = math.ceil(size[0] / 32) * math.ceil(size[1] / 32)
        return math.ceil(min(budget, raw) * multiplier)

    return Rule(count, worst, lambda detail: math.ceil(budget * multiplier))


def _newer_gpt_rule(multiplier: float) -> Rule:
    """2,500 patches on high, up to 10,000 otherwise; low is one 512-pixel picture at most."""
    budgets = {"high": 2500, "low": 256}

    def count(size: Size, detail: str | None) -> int:
        return round(_patches(size, budgets.get(detail or "auto", 10_000)) * multiplier)

    def most(detail: str | None) -> int:
        return math.ceil(budgets.get(detail or "auto", 10_000) * multiplier)

    def worst(size: Size, detail: str | None) -> int:
        raw = math.ceil(size[0] / 32) * math.ceil(size[1] / 32)
        return min(most(detail), math.ceil(raw * multiplier))

    return Rule(count, worst, most)


def _squares_rule(side: int, longest: int, cap: int) -> Rule:
    """Squares of `side` pixels after scaling the long side down to `longest`, at most `cap`."""

    def count(size: Size, detail: str | None) -> int:
        scale = min(1.0, longest / max(size))
        wide, high = (max(1, math.ceil(round(edge * scale, 6) / side)) for edge in size)
        return min(cap, wide * high)

    return Rule(count, count, lambda detail: cap)


def _gemini_tiles(size: Size, detail: str | None) -> int:
    """258 for a small picture, else 258 for each tile of 768 pixels."""
    if max(size) <= 384:
        return 258
    return math.ceil(size[0] / 768) * math.ceil(size[1] / 768) * 258


def _flat_rule(tokens: int) -> Rule:
    return Rule(lambda size, detail: tokens, lambda size, detail: tokens, lambda detail: tokens)


_CLAUDE = _squares_rule(28, 1568, 1600)
_NEW_CLAUDE = _squares_rule(28, 2576, 4784)
_GEMINI_3 = _flat_rule(1101)
_GPT_4O = _tiles_rule(85, 170)
_OTHER = _flat_rule(1024)
_FAMILIES = {"openai": _GPT_4O, "anthropic": _CLAUDE, "gemini": _GEMINI_3}
_RULES = (
    ("gpt-4o-mini*", _tiles_rule(2833, 5667)),
    ("gpt-4.1-mini*", _patches_rule(1.62)),
    ("gpt-4.1-nano*", _patches_rule(2.46)),
    ("gpt-5-mini*", _patches_rule(1.62)),
    ("gpt-5-nano*", _patches_rule(2.46)),
    ("o4-mini*", _patches_rule(1.72)),
    ("gpt-5.[2-9]*", _newer_gpt_rule(1.2)),
    ("gpt-[6-9]*", _newer_gpt_rule(1.2)),
    ("gpt-5*", _tiles_rule(70, 140)),
    ("o1*", _tiles_rule(75, 150)),
    ("o3*", _tiles_rule(75, 150)),
    ("computer-use-preview*", _tiles_rule(65, 129)),
    ("claude-3*", _CLAUDE),
    ("claude-*-4[-.][0-6]*", _CLAUDE),
    ("claude-*-4[-.][7-9]*", _NEW_CLAUDE),
    ("claude-*-[5-9]", _NEW_CLAUDE),
    ("gemini-[12]*", Rule(_gemini_tiles, _gemini_tiles, lambda detail: 258 * 16)),
    ("gemini-3*", _GEMINI_3),
    ("qwen*", _squares_rule(28, 1 << 20, 16_384)),
)
"""The first pattern that fits the upstream's name wins; then the family's rule."""
