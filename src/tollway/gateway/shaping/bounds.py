"""Keeps an override from raising the output limit above what the caller asked for, and what was held for him."""

from typing import Any

from tollway.gateway.dialect import Body

_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")
_NESTED = ("generationConfig", "maxOutputTokens")


def bounded(body: Body, before: Body, most: int) -> Body:
    """`body` with output limits of at most `most`, or of what stood in `before`, the body as it was."""
    changes: dict[str, Any] = {}
    for name in _LIMITS:
        if name in body and body[name] is not before.get(name):
            changes[name] = _at_most(body[name], most)
    outer, inner = _NESTED
    config = body.get(outer)
    if isinstance(config, dict) and config is not before.get(outer) and inner in config:
        changes[outer] = {**config, inner: _at_most(config[inner], most)}
    return {**body, **changes} if changes else body


def _at_most(value: Any, most: int) -> Any:
    return min(value, most) if isinstance(value, int | float) and not isinstance(value, bool) else value
