"""One PostgreSQL statement for many rows: a column of parameters travels as one JSON array, whatever its length."""

import re
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec
from psycopg.types.json import Json

PARAMETER = re.compile(r"(?<![:\w]):(\w+)")
INSERT = re.compile(r"\s*(INSERT INTO \w+\s*(?:\((?P<columns>[^()]*)\)\s*)?)VALUES\s*\(", re.IGNORECASE)
CONFLICT = re.compile(r"\s*ON CONFLICT\s*(?:\((?P<key>[^()]*)\))?.*?DO\s+(?P<does>NOTHING|UPDATE)", re.IGNORECASE)
CHANGE = re.compile(
    r"\s*(?:(?P<update>UPDATE \w+ SET (?P<sets>.*?))|DELETE FROM (?P<table>\w+))\s+WHERE\s+(?P<where>.*)$",
    re.IGNORECASE | re.DOTALL,
)
EQUAL = re.compile(r"(\w+)\s*=\s*:(\w+)")
TYPES = {int: "bigint", str: "text", float: "double precision", bool: "boolean"}
encode = msgspec.json.encode
Values = Mapping[str, Any] | tuple[Any, ...]
"""One row's parameters: by name, or in the order of the names."""


class AtOnce(NamedTuple):
    """A statement, and its parameters: one column each."""

    sql: bytes
    columns: list[Json]


class Batch:
    """A statement that may be run for many rows at once, when what they ask of each other allows it."""

    def __init__(self, sql: str) -> None:
        self.names = list(dict.fromkeys(PARAMETER.findall(sql)))
        form: tuple[Form | None, tuple[str, ...]] = _insert(sql) or _change(sql) or (None, ())
        self._form, self._distinct = form
        self._pick: Callable[[Any], Any] | None = itemgetter(*self.names) if self.names else None
        self._made: dict[tuple[str | None, ...], bytes] = {}

    def named(self, row: Values) -> Mapping[str, Any]:
        """A row's values by their names."""
        return dict(zip(self.names, row, strict=True)) if isinstance(row, tuple) else row

    def of(self, rows: Sequence[Values]) -> AtOnce | None:
        """The statement for these rows; None when they must run one after the other."""
        if self._form is None or self._pick is None or not self._each_its_own(rows):
            return None
        if isinstance(rows[0], tuple):
            columns = list(zip(*rows, strict=True))
        else:
            picked = map(self._pick, rows)
            columns = list(zip(*picked, strict=True)) if len(self.names) > 1 else [tuple(picked)]
        types = tuple(map(_type_of, columns))
        if "" in types:
            return None
        if types not in self._made:
            self._made[types] = self._form(self.names, types).encode()
        sent = [Json(column, encode) for column, kind in zip(columns, types, strict=True) if kind is not None]
        return AtOnce(self._made[types], sent) if sent else None

    def _each_its_own(self, rows: Sequence[Values]) -> bool:
        """No two of them touch the same row of the table, where that would make a difference."""
        if not self._distinct:
            return True
        by_place = isinstance(rows[0], tuple)
        key = itemgetter(*(map(self.names.index, self._distinct) if by_place else self._distinct))
        return len(set(map(key, rows))) == len(rows)


Form = Callable[[list[str], tuple[str | None, ...]], str]


def _insert(sql: str) -> tuple[Form, tuple[str, ...]] | None:
    found = INSERT.match(sql)
    if found is None:
        return None
    end = _closing(sql, found.end())
    head, values, tail = found[1], sql[found.end() : end], sql[end + 1 :].strip()
    conflict = CONFLICT.match(tail)
    if PARAMETER.search(tail) or "RETURNING" in tail.upper() or (tail and conflict is None):
        return None
    distinct: tuple[str, ...] = ()
    if conflict is not None and conflict["does"].upper() == "UPDATE":
        columns = [name.strip() for name in (found["columns"] or "").split(",")]
        bare = dict(zip(columns, (part.strip() for part in _split(values)), strict=False))
        keys = [bare.get(name.strip(), "") for name in (conflict["key"] or "").split(",")]
        distinct = tuple(key[1:] for key in keys if PARAMETER.fullmatch(key))
        if not distinct:
            return None

    def form(names: list[str], types: tuple[str | None, ...]) -> str:
        chosen = _named(values, types, names)
        return f"{_plain(head)}SELECT {chosen} FROM {_rows(names, types)} {_plain(tail)}"

    return form, distinct


def _change(sql: str) -> tuple[Form, tuple[str, ...]] | None:
    found = CHANGE.match(sql)
    if found is None or re.search(r"\b(SELECT|RETURNING|OR|FROM\s+\w+\s+WHERE.*FROM)\b", sql[6:], re.IGNORECASE):
        return None
    keys = EQUAL.findall(found["where"])
    changed = set(re.findall(r"(\w+)\s*=", found["sets"] or ""))
    if not keys or changed & {column for column, _ in keys}:
        return None

    def form(names: list[str], types: tuple[str | None, ...]) -> str:
        where = _named(found["where"], types, names)
        if found["update"]:
            return f"{_named(found['update'], types, names)} FROM {_rows(names, types)} WHERE {where}"
        return f"DELETE FROM {found['table']} USING {_rows(names, types)} WHERE {where}"

    return form, tuple(name for _, name in keys)


def _rows(names: list[str], types: tuple[str | None, ...]) -> str:
    """The parameters as a table `v`: one column for each name that has any value."""
    kept = [(name, kind) for name, kind in zip(names, types, strict=True) if kind is not None]
    casts = ", ".join(f"c{number}::{kind} AS p_{name}" for number, (name, kind) in enumerate(kept))
    arrays = ", ".join("json_array_elements_text(%s)" for _ in kept)
    columns = ", ".join(f"c{number}" for number in range(len(kept)))
    return f"(SELECT {casts} FROM ROWS FROM ({arrays}) AS r({columns})) AS v"


def _named(sql: str, types: tuple[str | None, ...], names: list[str]) -> str:
    """The text with each parameter's place taken by its column."""
    kinds = dict(zip(names, types, strict=True))
    return PARAMETER.sub(lambda one: f"v.p_{one[1]}" if kinds[one[1]] else "NULL", _plain(sql))


def _plain(sql: str) -> str:
    return sql.replace("%", "%%")


def _type_of(column: tuple[Any, ...]) -> str | None:
    """PostgreSQL's type of a column of values; None when it holds nothing but NULL, empty when it cannot be told."""
    kinds = set(map(type, column))
    kinds.discard(type(None))
    if not kinds:
        return None
    if len(kinds) == 1:
        return TYPES.get(kinds.pop(), "")
    return "double precision" if kinds == {int, float} else ""


def _closing(sql: str, start: int) -> int:
    """Where the parenthesis that was opened before `start` ends."""
    depth, quoted = 1, False
    for place in range(start, len(sql)):
        sign = sql[place]
        quoted ^= sign == "'"
        if not quoted:
            depth += (sign == "(") - (sign == ")")
        if depth == 0:
            return place
    raise ValueError(f"a parenthesis is not closed: {sql}")


def _split(values: str) -> list[str]:
    """The parts between the commas that stand outside parentheses and quotes."""
    parts, depth, quoted = [""], 0, False
    for sign in values:
        quoted ^= sign == "'"
        if not quoted:
            depth += (sign == "(") - (sign == ")")
        if sign == "," and depth == 0 and not quoted:
            parts.append("")
        else:
            parts[-1] += sign
    return parts
