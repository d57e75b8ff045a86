"""Checks header overrides: names with values, or patterns that let callers' headers pass (relay.md 3.6)."""

import re
from collections.abc import Mapping

from tollway.kit.sendable import bad_header
from tollway.stated.wrong import Wrong

EVERYTHING = "*"
PATTERNS = ("re:", "regex:")
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def pattern_of(name: str) -> re.Pattern[str] | None:
    """The pattern a key of an override stands for; None when it is the name of a header. Raises re.error."""
    if name == EVERYTHING:
        return re.compile(".*", re.DOTALL)
    for prefix in PATTERNS:
        if name.lower().startswith(prefix):
            return re.compile(name[len(prefix) :].strip(), re.IGNORECASE)
    return None


def checked_headers(stated: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The override as pairs, names in lower case. Raises Wrong naming the entry."""
    pairs: list[tuple[str, str]] = []
    for name, value in stated.items():
        place = ("header_override", name)
        try:
            is_pattern = pattern_of(name) is not None
        except re.error as error:
            raise Wrong(place, f"is no regular expression: {error}") from error
        if not is_pattern:
            _check(name, value, place)
        pairs.append((name if is_pattern else name.lower(), value))
    return tuple(pairs)


def _check(name: str, value: str, place: tuple[str, str]) -> None:
    problem = bad_header(name, value)
    if problem:
        raise Wrong(place, problem)
    for word in _PLACEHOLDER.findall(value):
        kind, _, source = word.partition(":")
        if word != "api_key" and not (kind == "client_header" and source.strip()):
            raise Wrong(place, f"{{{word}}} is no placeholder; known are {{api_key}} and {{client_header:Name}}")
