"""Which tables a database really has, and what they look like: read from the database itself."""

from collections.abc import Iterable
from typing import NamedTuple

from tollway.ports import Transaction

OURS_NOT = {"alembic_version", "sqlite_sequence"}
"""Tables that tell of the schema itself."""
TYPES: dict[str, str] = {"BIGINT": "BIGINT", "INTEGER": "INTEGER", "TEXT": "TEXT", "DOUBLE": "DOUBLE PRECISION"}
TYPES |= {"DOUBLE PRECISION": "DOUBLE PRECISION", "FLOAT": "DOUBLE PRECISION", "REAL": "DOUBLE PRECISION"}


class Column(NamedTuple):
    """One column, its type in words that both databases know."""

    name: str
    type: str
    required: bool


class Index(NamedTuple):
    """One index that is not the primary key's."""

    name: str
    unique: bool
    columns: tuple[str, ...]


class Shape(NamedTuple):
    """What a table looks like."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    """Columns of the primary key."""
    indexes: tuple[Index, ...]
    parents: frozenset[str]
    """Tables whose rows these rows refer to."""

    @property
    def names(self) -> str:
        """The columns, as SQL lists them."""
        return ", ".join(column.name for column in self.columns)

    def statements(self) -> list[str]:
        """SQL that makes such a table."""
        lines = [f"{name} {kind}{' NOT NULL' if required else ''}" for name, kind, required in self.columns]
        key = [f"PRIMARY KEY ({', '.join(self.key)})"] if self.key else []
        made = [f"CREATE TABLE {self.name} ({', '.join(lines + key)})"]
        for name, unique, columns in self.indexes:
            made.append(f"CREATE {'UNIQUE ' if unique else ''}INDEX {name} ON {self.name} ({', '.join(columns)})")
        return made


def shapes(tx: Transaction, *, of_file: bool) -> dict[str, Shape]:
    """Every table by name, those that others refer to first."""
    return _ordered((_of_file if of_file else _of_server)(tx))


def _ordered(found: Iterable[Shape]) -> dict[str, Shape]:
    waiting, done = sorted(found, key=lambda shape: shape.name), dict[str, Shape]()
    while waiting:
        free = [shape for shape in waiting if shape.parents <= {*done, shape.name}] or waiting
        done |= {shape.name: shape for shape in free}
        waiting = [shape for shape in waiting if shape.name not in done]
    return done


def _type(told: str) -> str:
    return TYPES.get(told.upper(), told)


def _of_file(tx: Transaction) -> list[Shape]:
    return [
        _of_table(tx, str(name))
        for (name,) in tx.run("SELECT name FROM sqlite_master WHERE type = 'table'")
        if name not in OURS_NOT
    ]


def _of_table(tx: Transaction, table: str) -> Shape:
    columns, key = [], {}
    for _, name, kind, required, _, place in tx.run(f"PRAGMA table_info({table})"):
        columns.append(Column(name, _type(kind), bool(required or place)))
        if place:
            key[place] = name
    indexes = []
    for _, name, unique, origin, _ in tx.run(f"PRAGMA index_list({table})"):
        if origin == "c":
            names = tuple(row[2] for row in tx.run(f"PRAGMA index_info({name})"))
            indexes.append(Index(name, bool(unique), names))
    parents = frozenset(row[2] for row in tx.run(f"PRAGMA foreign_key_list({table})"))
    return Shape(table, tuple(columns), tuple(key[place] for place in sorted(key)), tuple(indexes), parents)


COLUMNS = """
SELECT c.table_name, c.column_name, c.data_type, c.is_nullable FROM information_schema.columns c
JOIN pg_tables t ON t.schemaname = c.table_schema AND t.tablename = c.table_name
WHERE c.table_schema = current_schema() ORDER BY c.table_name, c.ordinal_position
"""
INDEXES = """
SELECT t.relname, i.relname, x.indisprimary, x.indisunique,
ARRAY(SELECT pg_get_indexdef(x.indexrelid, k, true) FROM generate_series(1, x.indnkeyatts) k)
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
JOIN pg_namespace n ON n.oid = t.relnamespace WHERE n.nspname = current_schema() ORDER BY 1, 2
"""
PARENTS = """
SELECT t.relname, p.relname FROM pg_constraint k JOIN pg_class t ON t.oid = k.conrelid
JOIN pg_class p ON p.oid = k.confrelid WHERE k.contype = 'f' AND t.relnamespace = current_schema()::regnamespace
"""


def _of_server(tx: Transaction) -> list[Shape]:
    columns: dict[str, list[Column]] = {}
    for table, name, kind, nullable in tx.run(COLUMNS):
        columns.setdefault(table, []).append(Column(name, _type(kind), nullable == "NO"))
    keys: dict[str, tuple[str, ...]] = {}
    indexes: dict[str, list[Index]] = {}
    for table, name, primary, unique, names in tx.run(INDEXES):
        if primary:
            keys[table] = tuple(names)
        else:
            indexes.setdefault(table, []).append(Index(name, unique, tuple(names)))
    parents: dict[str, set[str]] = {}
    for table, parent in tx.run(PARENTS):
        parents.setdefault(table, set()).add(parent)
    return [
        Shape(table, tuple(all_of_it), keys.get(table, ()), tuple(indexes.get(table, ())),
              frozenset(parents.get(table, ())))
        for table, all_of_it in columns.items()
        if table not in OURS_NOT
    ]  # fmt: skip
