"""Takes objects that match a filter out of lists and objects, at any depth."""

from collections.abc import Callable
from typing import Any

from tollway.core.shape import Condition, Operation
from tollway.gateway.shaping.conditions import Test, compiled, within
from tollway.gateway.shaping.paths import MISSING, Change
from tollway.stated.overrides import conditions_of, logic_of


def pruned(operation: Operation) -> Change:
    """What stands at the operation's path, without the objects within it that match its filter."""
    test, deep = _filter(operation.value)
    return lambda old: old if old is MISSING else _prune(old, test, deep)


def _filter(value: Any) -> tuple[Callable[[Any], bool], bool]:
    if isinstance(value, str):
        value = {"type": value}
    conditions: tuple[Condition, ...] = ()
    if value.get("type"):
        conditions += (Condition(path="type", value=value["type"]),)
    for name in ("where", "conditions"):
        if value.get(name):
            conditions += conditions_of(value[name], (name,))
    asked: Test | None = compiled(conditions, logic_of(value.get("logic") or "AND", ()))
    return lambda node: asked is not None and asked(within(node)), value.get("recursive", True) is not False


def _prune(node: Any, matches: Callable[[Any], bool], deep: bool) -> Any:
    if isinstance(node, list):
        kept = [each for each in node if not (isinstance(each, dict) and matches(each))]
        return [_prune(each, matches, deep) for each in kept] if deep else kept
    if isinstance(node, dict):
        fields = {name: each for name, each in node.items() if not (isinstance(each, dict) and matches(each))}
        return {name: _prune(each, matches, deep) for name, each in fields.items()} if deep else fields
    return node
