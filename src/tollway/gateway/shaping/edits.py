"""One small function for each mode that changes a value in a body: from what stood there to what shall stand there."""

import re
from collections.abc import Callable
from typing import Any

from tollway.core.shape import Operation
from tollway.gateway.shaping.paths import MISSING, Change

_REFERENCE = re.compile(r"\$\{(\w+)\}|\$(\d+)|\$\$")


def set_to(operation: Operation) -> Change:
    """The value itself, or what is there already where that shall stay."""
    value = operation.value
    if operation.keep_origin:
        return lambda old: value if old is MISSING else old
    return lambda old: value


def taken_away(operation: Operation) -> Change:
    """Nothing."""
    return lambda old: MISSING


def joined(operation: Operation) -> Change:
    """Texts run together, lists get more entries, objects more fields; what was not there is set."""
    value, first, keep = operation.value, operation.mode == "prepend", operation.keep_origin

    def change(old: Any) -> Any:
        if old is MISSING or old is None:
            return value
        if isinstance(old, list):
            more = value if isinstance(value, list) else [value]
            if keep:
                more = [each for each in more if each not in old]
            return [*more, *old] if first else [*old, *more]
        if isinstance(old, dict) and isinstance(value, dict):
            return {**value, **old} if keep else {**old, **value}
        if isinstance(old, str) and isinstance(value, str):
            return value + old if first else old + value
        return old

    return change


def _of_texts(change: Callable[[str], str]) -> Change:
    return lambda old: change(old) if isinstance(old, str) else old


def trimmed(operation: Operation) -> Change:
    """The text without a beginning, or an end, that it may have."""
    part = str(operation.value)
    if operation.mode == "trim_prefix":
        return _of_texts(lambda text: text.removeprefix(part))
    return _of_texts(lambda text: text.removesuffix(part))


def ensured(operation: Operation) -> Change:
    """The text with a beginning, or an end, that it may already have."""
    part = str(operation.value)
    if operation.mode == "ensure_prefix":
        return _of_texts(lambda text: text if text.startswith(part) else part + text)
    return _of_texts(lambda text: text if text.endswith(part) else text + part)


def in_case(operation: Operation) -> Change:
    """The text in small or capital letters, or without blanks around it."""
    if operation.mode == "trim_space":
        return _of_texts(str.strip)
    return _of_texts(str.lower if operation.mode == "to_lower" else str.upper)


def replaced(operation: Operation) -> Change:
    """The text with every occurrence of another replaced."""
    was, to = operation.from_, operation.to
    return _of_texts(lambda text: text.replace(was, to))


def replaced_by_pattern(operation: Operation) -> Change:
    """The text with every match replaced; `$1` and `${name}` stand for what groups matched, `$$` for a dollar."""
    pattern = re.compile(operation.from_)

    def group(reference: re.Match[str]) -> str:
        name = reference[1] or reference[2]
        if name is None:
            return "$"
        known = int(name) <= pattern.groups if name.isdigit() else name in pattern.groupindex
        return rf"\g<{name}>" if known else ""

    template = _REFERENCE.sub(group, operation.to.replace("\\", r"\\"))
    return _of_texts(lambda text: pattern.sub(template, text))


CHANGES: dict[str, Callable[[Operation], Change]] = {
    "set": set_to,
    "delete": taken_away,
    "prepend": joined,
    "append": joined,
    "trim_prefix": trimmed,
    "trim_suffix": trimmed,
    "ensure_prefix": ensured,
    "ensure_suffix": ensured,
    "trim_space": in_case,
    "to_lower": in_case,
    "to_upper": in_case,
    "replace": replaced,
    "regex_replace": replaced_by_pattern,
}
"""By mode; the others do more than change one value."""
