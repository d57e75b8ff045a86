"""The two databases as the bench handles them: set up, taken away for a while, and read when all is over."""

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import psycopg
from tests.postgres import Postgres

LOCK = (
    "import sqlite3, sys, time; c = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None);"
    " c.execute('BEGIN EXCLUSIVE'); time.sleep(float(sys.argv[2]))"
)
Row = Sequence[Any]


class Storage(Protocol):
    """A database under torment."""

    url: str

    async def outage(self, seconds: float) -> None:
        """Nobody can use it for about so long."""

    def reader(self) -> contextlib.AbstractContextManager["Reader"]:
        """Read it with nothing of the product's code."""

    def close(self) -> None:
        """Leave nothing behind."""


class Reader:
    """Plain SQL."""

    def __init__(self, connection: Any, tables: str) -> None:
        self._connection, self._tables = connection, tables

    def run(self, sql: str) -> list[Row]:
        """All rows."""
        return list(self._connection.execute(sql).fetchall())

    def tables(self) -> list[str]:
        """Their names."""
        return sorted(str(name) for (name,) in self.run(self._tables))


def open_leases(reader: Reader) -> list[str]:
    """The process of each open lease."""
    return [str(process) for (process,) in reader.run("SELECT process FROM leases")]


class Sqlite:
    """A file; its outages are an exclusive lock of another process's."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "books.db"
        self.url = f"sqlite:///{self.file}"

    async def outage(self, seconds: float) -> None:
        """Hold the whole file locked, as a backup that misbehaves would."""
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", LOCK, str(self.file), str(seconds), stdout=subprocess.PIPE
        )
        await child.wait()

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        """The file itself."""
        with contextlib.closing(sqlite3.connect(self.file)) as connection:
            yield Reader(connection, "SELECT name FROM sqlite_master WHERE type = 'table'")

    def close(self) -> None:
        """The folder goes with the run."""


class Postgresql:
    """A private server; its outages are immediate shutdowns, as by a crash, and a start."""

    def __init__(self) -> None:
        self._server = Postgres().start()
        self.url = self._server.fresh("template0")

    async def outage(self, seconds: float) -> None:
        """Shut down without any farewell; recover after a while."""
        await asyncio.to_thread(self._server.stop, "immediate")
        await asyncio.sleep(seconds / 2)
        await asyncio.to_thread(self._server.start)

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        """A plain connection."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            yield Reader(connection, "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")

    def close(self) -> None:
        """Stop the server and remove it."""
        self._server.close()
