"""Reads TOML into typed structs, with errors that name file, line and field."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
Place = tuple[str | int, ...]
"""Where a value stands: `("models", 3, "price", "input")`."""

_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\[\]#]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_STEP = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")
_ERROR_PATH = re.compile(r" - at `\$?([^`]*)`$")
_ERROR_STEP = re.compile(r"\[(\d+)\]|\.?([\w-]+)")
_NAMED_FIELD = re.compile(r"(?:unknown|required) field `([^`]+)`")
_SYNTAX_LINE = re.compile(r"\(at line (\d+)")


class TomlError(ValueError):
    """A file that cannot be used; the message is `file:line: field: what is wrong`."""

    def __init__(self, file: str, line: int, field: str, problem: str) -> None:
        self.file, self.line, self.field, self.problem = file, line, field, problem
        where = f"{file}:{line}" if line else file
        super().__init__(f"{where}: {field}: {problem}" if field else f"{where}: {problem}")


@dataclass(frozen=True)
class Sheet:
    """One parsed TOML file that remembers where each value stood. Numbers with a point are Decimal."""

    file: str
    values: Mapping[str, Any] = field(repr=False)
    lines: Mapping[Place, int] = field(default_factory=dict, repr=False)

    def error(self, place: Place, problem: str) -> TomlError:
        """An error at `place`, on the nearest line known for it."""
        return TomlError(self.file, self.line(place), show(place), problem)

    def line(self, place: Place) -> int:
        """Line of the value at `place`, or of the nearest thing around it; 0 when nothing is known."""
        for length in range(len(place), 0, -1):
            if place[:length] in self.lines:
                return self.lines[place[:length]]
        return 0

    def convert(self, value: Any, kind: type[T], at: Place = ()) -> T:
        """`value`, which stands at `at`, as `kind`. Raises TomlError."""
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            place, problem = explain(str(error))
            raise self.error(at + place, problem) from error


def read(path: Path, name: str | None = None) -> Sheet:
    """The file at `path`, called `name` in errors. Raises TomlError when it cannot be read or is not TOML."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TomlError(name or str(path), 0, "", f"cannot be read: {error}") from error
    return parse(text, name or str(path))


def parse(text: str, file: str) -> Sheet:
    """`text` as a Sheet. Raises TomlError when it is not TOML."""
    try:
        values = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        found = _SYNTAX_LINE.search(str(error))
        line = int(found[1]) if found else text.count("\n") + 1
        raise TomlError(file, line, "", f"not valid TOML: {error}") from error
    return Sheet(file, values, _index(text))


def show(place: Place) -> str:
    """`models[3].price.input`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return text.removeprefix(".")


def explain(message: str) -> tuple[Place, str]:
    """The message of a msgspec.ValidationError as a place and a sentence without it."""
    found = _ERROR_PATH.search(message)
    problem = message[: found.start()] if found else message
    steps = _ERROR_STEP.findall(found[1]) if found else []
    place: Place = tuple(int(index) if index else name for index, name in steps)
    named = _NAMED_FIELD.search(problem)
    if named:
        place = (*place, named[1])
    return place, problem[:1].lower() + problem[1:]


def _index(text: str) -> dict[Place, int]:
    """Line of every table header and key; keys of inline tables share their table's line."""
    lines: dict[Place, int] = {}
    counts: dict[Place, int] = {}
    table: Place = ()
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line)
        key = None if header else _KEY.match(line)
        if header:
            table = _table(_steps(header[2]), header[1] == "[[", counts)
            lines.setdefault(table, number)
        elif key:
            lines.setdefault(table + _steps(key[1]), number)
    return lines


def _table(steps: Place, repeated: bool, counts: dict[Place, int]) -> Place:
    """The place a header opens: names of repeated tables on the way get the index of their latest row."""
    place: Place = ()
    for step in steps[:-1]:
        place = (*place, step)
        if place in counts:
            place = (*place, counts[place])
    place = (*place, steps[-1])
    if not repeated:
        return place
    counts[place] = counts.get(place, -1) + 1
    return (*place, counts[place])


def _steps(dotted: str) -> Place:
    return tuple(step.strip("\"'") for step in _STEP.findall(dotted))
