"""Reads Prometheus' text format: the samples one asks for, exactly."""

import re
from collections.abc import Collection, Iterator
from typing import NamedTuple

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(,|(?=\}))')
_ESCAPED = re.compile(r"\\(.)")
_WRITTEN = {"n": "\n", "\\": "\\", '"': '"'}


class Sample(NamedTuple):
    """One line: a series and its value now."""

    name: str
    labels: dict[str, str]
    value: float
    """May be infinite or not a number, as the format allows."""


def samples(text: str, names: Collection[str]) -> Iterator[Sample]:
    """The samples of these names, in the order of the text; every other line is passed over unread.

    Raises ValueError naming the line for a sample of these names that the format does not allow.
    """
    for line in text.split("\n"):
        if not line or line[0] == "#":
            continue
        found = _NAME.match(line.lstrip(" \t"))
        if found is not None and found[0] in names:
            try:
                yield _sample(found[0], line.lstrip(" \t")[found.end() :])
            except ValueError as error:
                raise ValueError(f"no sample of Prometheus' text format: {line[:100]!r}") from error


def _sample(name: str, rest: str) -> Sample:
    """`rest` is what stands after the name: labels, value and perhaps the time in milliseconds."""
    rest = rest.lstrip(" \t")
    labels: dict[str, str] = {}
    if rest.startswith("{"):
        labels, rest = _labels(rest[1:])
    value, *more = rest.split()
    if len(more) > 1 or "_" in rest:
        raise ValueError("more than a value and a time")
    for time in more:
        int(time)
    return Sample(name, labels, float(value))


def _labels(rest: str) -> tuple[dict[str, str], str]:
    """The labels, and what stands after their closing brace."""
    labels: dict[str, str] = {}
    while not (rest := rest.lstrip(" \t")).startswith("}"):
        found = _LABEL.match(rest)
        if found is None:
            raise ValueError("no label")
        labels[found[1]] = _ESCAPED.sub(lambda escape: _WRITTEN.get(escape[1], escape[0]), found[2])
        rest = rest[found.end() :]
    return labels, rest[1:]
