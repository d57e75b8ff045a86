"""Thinking asked for by the end of a model's name, as in `claude-opus-4-7-high` (relay.md 6.17)."""

import re

from tollway.core.chat import Effort, Thinking
from tollway.gateway.dialects.anthropic_messages.traits import traits_of

_SUFFIX = re.compile(r"(claude.*)-(minimal|low|medium|high|xhigh|max|thinking)")
_LEAST_OUTPUT = 1280


def split_suffix(model: str, max_tokens: int) -> tuple[str, Thinking | None]:
    """(the vendor's name for the model, the thinking its suffix asks for)."""
    found = _SUFFIX.fullmatch(model)
    if found is None:
        return model, None
    name, word = found.groups()
    if word != "thinking":
        return name, Thinking(effort=Effort(word))
    if traits_of(name).adaptive:
        return name, Thinking(effort=Effort.HIGH)
    return name, Thinking(budget=max(max_tokens, _LEAST_OUTPUT) * 4 // 5)
