"""Answers the conditions of an operation: about the body first, then about the call around it."""

from collections.abc import Callable, Sequence
from typing import Any

from tollway.core.shape import Condition
from tollway.gateway.shaping.paths import Steps, found, steps_of

Look = Callable[[Steps], list[Any]]
"""What stands at a path, nothing or several things."""
Test = Callable[[Look], bool]


def compiled(conditions: Sequence[Condition], logic: str) -> Test | None:
    """One question from all conditions; None when there are none."""
    if not conditions:
        return None
    tests = [_test(condition) for condition in conditions]
    together = all if logic == "AND" else any
    return lambda look: together(test(look) for test in tests)


def within(node: Any) -> Look:
    """A look at one value, with nothing around it."""
    return lambda steps: list(found(node, steps))


def _test(condition: Condition) -> Test:
    steps, compare, wanted = steps_of(condition.path), _COMPARE[condition.mode], condition.value
    invert, absent = condition.invert, condition.pass_missing_key

    def test(look: Look) -> bool:
        there = look(steps)
        if not there:
            return absent
        return any(compare(value, wanted) for value in there) is not invert

    return test


def _full(value: Any, wanted: Any) -> bool:
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    return bool(value == wanted)


def _contains(value: Any, wanted: Any) -> bool:
    if isinstance(value, list):
        return any(_full(each, wanted) for each in value)
    if isinstance(value, dict):
        return isinstance(wanted, str) and wanted in value
    return isinstance(value, str) and _text(wanted) in value


def _number(value: Any) -> float | int | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _by_number(holds: Callable[[float, float], bool]) -> Callable[[Any, Any], bool]:
    def compare(value: Any, wanted: Any) -> bool:
        left, right = _number(value), _number(wanted)
        return left is not None and right is not None and holds(left, right)

    return compare


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "full": _full,
    "prefix": lambda value, wanted: isinstance(value, str) and value.startswith(_text(wanted)),
    "suffix": lambda value, wanted: isinstance(value, str) and value.endswith(_text(wanted)),
    "contains": _contains,
    "gt": _by_number(lambda left, right: left > right),
    "gte": _by_number(lambda left, right: left >= right),
    "lt": _by_number(lambda left, right: left < right),
    "lte": _by_number(lambda left, right: left <= right),
}
