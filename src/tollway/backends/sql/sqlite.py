"""The engine that is a file: one writer at a time, readers beside it, nothing to install."""

import functools
import re
import sqlite3
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tollway.backends.sql.engine import Engine
from tollway.kit.counter import SharedCounter
from tollway.ports import Row

BUSY_TIMEOUT_S = 5.0
PARAMETER = re.compile(r"(?<![:\w]):(\w+)")


def engine(file: Path, timeout_s: float = BUSY_TIMEOUT_S) -> Engine:
    """The engine of a file, which waits `timeout_s` for another process that writes."""

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            file, timeout=timeout_s, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        _write_ahead(connection, timeout_s)
        for setting in ("synchronous=NORMAL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {setting}")
        return connection

    return Engine(
        connect=connect,
        url=f"sqlite:///{file}",
        work=Work,
        begin_write="BEGIN IMMEDIATE",
        begin_read="BEGIN",
        begin_schema="BEGIN IMMEDIATE",
        lock_schema=("BEGIN IMMEDIATE",),
        schema_exists="SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name <> 'alembic_version' LIMIT 1",
        errors=sqlite3.Error,
        refusals=(sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.DataError),
        busy=_is_busy,
        hang_up=sqlite3.Connection.interrupt,
        snapshot=True,
    )


def _is_busy(error: Exception) -> bool:
    primary = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _write_ahead(connection: sqlite3.Connection, timeout_s: float) -> None:
    """Choose the write-ahead log. Of two that turn a new file to it at once, SQLite refuses one without a wait."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                connection.close()
                raise
            time.sleep(0.01)


@functools.lru_cache(maxsize=256)
def unnamed(sql: str) -> str:
    """For rows whose values are in the order of the names, which SQLite binds a third faster than by name."""
    return PARAMETER.sub("?", sql)


class Work:
    """SQL as it is written: sqlite3 takes `:named` parameters."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.announced = 0

    def run(self, sql: str, **values: Any) -> list[Row]:
        """Execute one statement; its rows, if it returns any."""
        return self._connection.execute(sql, values).fetchall()

    def many(self, sql: str, rows: Sequence[Mapping[str, Any]] | Sequence[Row]) -> int:
        """Execute one statement for each row of parameters; how many rows of the table changed in all."""
        if not rows:
            return 0
        if isinstance(rows[0], tuple):
            sql = unnamed(sql)
        return self._connection.executemany(sql, rows).rowcount

    def announce(self) -> None:
        """When this is committed, let every process see another epoch."""
        self.announced = 1


class FileEpoch:
    """The epoch as a page of memory that all processes on the file share."""

    def __init__(self, path: Path) -> None:
        self._counter = SharedCounter(path)
        self.read = self._counter.read

    def committed(self, announced: int) -> None:
        """Tell all."""
        self._counter.bump()

    def listen(self) -> None:
        """Nothing: the page is simply there."""

    async def close(self) -> None:
        """Let the page go."""
        self._counter.close()
