"""Looks up and changes places in JSON by dotted paths: `messages.-1.content`, `tools.*.function.name`."""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

Steps = tuple[str, ...]
Change = Callable[[Any], Any]
"""From what stands at a place, or MISSING, to what shall stand there, or MISSING to take it away."""
EVERY = ("*", "#")
_STEP = re.compile(r"(?:[^.\\]|\\.)+")
_INDEX = re.compile(r"\[(-?\d+|\*)\]")
_NUMBER = re.compile(r"-?\d{1,9}")


class Missing:
    """Stands for what is not there; JSON's null is there."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()


def steps_of(path: str) -> Steps:
    """The steps of a path. A point within a name is written with a backslash, an index as `.0` or `[0]`."""
    dotted = _INDEX.sub(r".\1", path)
    return tuple(re.sub(r"\\(.)", r"\1", step) for step in _STEP.findall(dotted))


def found(node: Any, steps: Steps) -> Iterator[Any]:
    """Everything that stands at the place: several things where a step means every entry of a list."""
    if not steps:
        if node is not MISSING:
            yield node
        return
    step, rest = steps[0], steps[1:]
    if isinstance(node, dict):
        if step in node:
            yield from found(node[step], rest)
    elif isinstance(node, list):
        if step in EVERY:
            for each in node:
                yield from found(each, rest)
        else:
            at = _place(node, step)
            if at is not None:
                yield from found(node[at], rest)


def changed(node: Any, steps: Steps, change: Change, create: bool) -> Any:
    """A copy of `node` with its place changed; the very same where nothing changes.

    `create`: objects on the way to the place that are not there are made.
    """
    if not steps:
        return change(node)
    step, rest = steps[0], steps[1:]
    if isinstance(node, dict):
        old = node.get(step, MISSING)
        if old is MISSING and not create:
            return node
        new = changed(old, rest, change, create)
        return node if new is old else _without(node, step) if new is MISSING else {**node, step: new}
    if isinstance(node, list):
        return _changed_list(node, step, lambda old: changed(old, rest, change, create), create)
    if create and (node is MISSING or node is None) and step not in EVERY and not _NUMBER.fullmatch(step):
        new = changed(MISSING, rest, change, create)
        return node if new is MISSING else {step: new}
    return node


def _changed_list(node: list[Any], step: str, change: Change, create: bool) -> list[Any]:
    if step in EVERY:
        every = [change(each) for each in node]
        if all(new is old for new, old in zip(every, node, strict=True)):
            return node
        return [each for each in every if each is not MISSING]
    at = _place(node, step)
    if at is None:
        if not create or step != str(len(node)):
            return node
        new = change(MISSING)
        return node if new is MISSING else [*node, new]
    new = change(node[at])
    if new is node[at]:
        return node
    return [*node[:at], *([] if new is MISSING else [new]), *node[at + 1 :]]


def _place(node: list[Any], step: str) -> int | None:
    """The index a step means, counted from the end where it is negative; None outside the list."""
    if not _NUMBER.fullmatch(step):
        return None
    at = int(step)
    at = at + len(node) if at < 0 else at
    return at if 0 <= at < len(node) else None


def _without(node: dict[str, Any], name: str) -> dict[str, Any]:
    return {each: value for each, value in node.items() if each != name}
