"""Moves everything from one database to another, in one transaction of the target: all of it arrives, or nothing."""

import asyncio
import hashlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import NamedTuple

from tollway.backends.sql.database import SqlDatabase
from tollway.backends.sql.migrations import SNAPSHOT
from tollway.backends.sql.shape import Shape, shapes
from tollway.ports import Row, Transaction

PAGE = 2_000
"""Rows that travel together."""
Audit = Callable[[Transaction], list[str]]


class Refused(Exception):
    """Nothing was moved; the words say why."""


class Stopped(Refused):
    """Somebody wanted it to end; nothing was moved."""


class Moved(NamedTuple):
    """One table that arrived."""

    table: str
    rows: int


class Sum(NamedTuple):
    """What tells two tables apart, whatever the order of their rows."""

    rows: int
    digest: int

    def add(self, row: Row) -> "Sum":
        """With one row more."""
        told = hashlib.blake2b(repr(row).encode(), digest_size=8).digest()
        return Sum(self.rows + 1, (self.digest + int.from_bytes(told, "big")) % 2**64)


async def move(source: SqlDatabase, target: SqlDatabase, audit: Audit) -> list[Moved]:
    """Copy every table, compare every row, audit both sides, and only then commit.

    Nobody can write to the source meanwhile. Both must have the newest schema. Raises Refused when the target is not
    empty, when the books of either side are not exact, or when a row did not arrive as it was; Stopped when cancelled
    in time: when that comes too late, all has arrived, and is returned.
    """
    loop, stop = asyncio.get_running_loop(), threading.Event()

    def out_of(here: Transaction) -> list[Moved]:
        def into(there: Transaction) -> list[Moved]:
            return _move(Side(here, stop, of_file=source.of_file), Side(there, stop, of_file=target.of_file), audit)

        # On two threads, one for each connection; this one only waits.
        return asyncio.run_coroutine_threadsafe(target.write(into), loop).result()

    moving = asyncio.ensure_future(source.write(out_of))
    try:
        try:
            return await asyncio.shield(moving)
        except asyncio.CancelledError:
            stop.set()
            return await moving
    except target.refusals as error:
        raise Refused(f"the target does not take what the source has; nothing was moved: {error}") from error


class Side:
    """A database as a set of tables."""

    def __init__(self, tx: Transaction, stop: threading.Event, *, of_file: bool) -> None:
        self.tx, self._stop, self.of_file = tx, stop, of_file
        self.shapes = shapes(tx, of_file=of_file)

    def count(self, table: str) -> int:
        """How many rows the table has."""
        return int(self.tx.run(f"SELECT count(*) FROM {table}")[0][0])

    def pages(self, shape: Shape) -> Iterator[list[Row]]:
        """All rows, in the order of the primary key, a page at a time."""
        if not shape.key:
            yield self.tx.run(f"SELECT {shape.names} FROM {shape.name}")
            return
        key = ", ".join(shape.key)
        places = [[column.name for column in shape.columns].index(name) for name in shape.key]
        after = ", ".join(f":k{number}" for number in range(len(shape.key)))
        first = f"SELECT {shape.names} FROM {shape.name} ORDER BY {key} LIMIT {PAGE}"
        later = f"SELECT {shape.names} FROM {shape.name} WHERE ({key}) > ({after}) ORDER BY {key} LIMIT {PAGE}"
        rows = self.tx.run(first)
        while rows:
            self.go_on()
            yield rows
            last = {f"k{number}": rows[-1][place] for number, place in enumerate(places)}
            rows = self.tx.run(later, **last) if len(rows) == PAGE else []

    def go_on(self) -> None:
        """Raises Stopped when somebody wants the move to end."""
        if self._stop.is_set():
            raise Stopped("stopped: nothing was moved, and the source is as it was")

    def sum(self, shape: Shape) -> Sum:
        """What all rows come to."""
        total = Sum(0, 0)
        for page in self.pages(shape):
            for row in page:
                total = total.add(row)
        return total


def _move(source: Side, target: Side, audit: Audit) -> list[Moved]:
    _exact(audit(source.tx), "the books of the database to move are not exact")
    _empty(target)
    for name in reversed(target.shapes):
        target.tx.run(f"DELETE FROM {name}")  # what a new schema comes with; the source has it too
    for name, shape in source.shapes.items():
        if name not in target.shapes:
            for statement in shape.statements():
                target.tx.run(statement)
    moved = []
    for name, shape in source.shapes.items():
        total = _copy(source, target, shape)
        if target.sum(shape) != total:
            raise Refused(f"the rows of {name} did not arrive as they were; nothing was moved")
        moved.append(Moved(name, total.rows))
    if not target.of_file:
        _number_on(target.tx)
    _exact(audit(target.tx), "the books do not add up after the move; nothing was moved")
    target.go_on()
    return moved


def _copy(source: Side, target: Side, shape: Shape) -> Sum:
    names = [column.name for column in shape.columns]
    insert = f"INSERT INTO {shape.name} ({shape.names}) VALUES ({', '.join(f':{name}' for name in names)})"
    total = Sum(0, 0)
    for page in source.pages(shape):
        target.tx.many(insert, [dict(zip(names, row, strict=True)) for row in page])
        for row in page:
            total = total.add(row)
    return total


def _exact(differences: list[str], words: str) -> None:
    if differences:
        more = f" and {len(differences) - 3} more" if len(differences) > 3 else ""
        raise Refused(f"{words}: {'; '.join(differences[:3])}{more}")


def _empty(target: Side) -> None:
    """As a new schema is. Raises Refused."""
    new = _new_schema()
    for name in target.shapes:
        rows = target.count(name)
        if rows > new.get(name, 0):
            raise Refused(f"the target is not empty: {name} has {rows} rows")


def _new_schema() -> dict[str, int]:
    """How many rows each table has from the beginning."""
    with closing(sqlite3.connect(":memory:")) as empty:
        empty.executescript(SNAPSHOT.read_text())
        names = [name for (name,) in empty.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: empty.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names}


def _number_on(tx: Transaction) -> None:
    """Let PostgreSQL's own numbering go on after the highest number that arrived."""
    numbered = "SELECT table_name, column_name FROM information_schema.columns" \
        " WHERE table_schema = current_schema() AND is_identity = 'YES'"  # fmt: skip
    for table, column in tx.run(numbered):
        sequence = f"pg_get_serial_sequence('{table}', '{column}')"
        reached = f"GREATEST((SELECT max({column}) FROM {table}), nextval({sequence}) - 1)"
        tx.run(f"SELECT setval({sequence}, {reached})")
