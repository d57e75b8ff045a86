"""The Database port over SQLAlchemy: SQLite in a file by default, PostgreSQL by URL, one SQL for both."""

import asyncio
import functools
import importlib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import event, text
from sqlalchemy.engine import URL, Connection, Engine, create_engine, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import QueuePool

from tollway.core.errors import Unavailable
from tollway.kit.counter import SharedCounter
from tollway.ports import Row, Transaction

T = TypeVar("T")

MIGRATIONS = Path(__file__).parent.parent / "data" / "migrations"
BUSY_TIMEOUT_MS = 5_000
READERS = 2
TRIES = 5
LOST_RACE = {"40001", "40P01", "23505", "23514"}
"""PostgreSQL's serialization failure, deadlock, duplicate and failed check: nothing happened, and a second look at
the rows that another transaction changed meanwhile decides better."""
PARAMETER = re.compile(r"(?<![:\w]):(\w+)")
MIGRATION_LOCK = 7_011_977
"""PostgreSQL advisory lock that one migrating replica holds while the others wait."""


def open(url: str, data_dir: Path) -> "SqlDatabase":
    """A database that is not connected yet. `sqlite://` alone is `tollway.db` in the data folder.

    Raises ValueError for a URL of another kind.
    """
    parsed = make_url(url)
    data_dir.mkdir(parents=True, exist_ok=True)
    if parsed.get_backend_name() == "sqlite":
        file = Path(parsed.database or data_dir / "tollway.db")
        file.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
        counter = SharedCounter(file.with_name(file.name + "-epoch"))
        return SqlDatabase(_sqlite(URL.create("sqlite", database=str(file))), counter, writers=1)
    if parsed.get_backend_name() == "postgresql":
        engine = create_engine(parsed.set(drivername="postgresql+psycopg"), pool_size=8, pool_pre_ping=True)
        return SqlDatabase(engine, SharedCounter(data_dir / "epoch"), writers=2)
    raise ValueError(f"no database speaks {parsed.drivername!r}: use sqlite:// or postgresql://")


def _sqlite(url: URL) -> Engine:
    engine = create_engine(url, poolclass=QueuePool, pool_size=READERS + 1, connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the driver must not begin on its own: "begin" below decides how
        for setting in (
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "foreign_keys=ON",
        ):
            connection.execute(f"PRAGMA {setting}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


@functools.lru_cache(maxsize=512)
def _spelled(sql: str, paramstyle: str) -> str:
    """SQL with its `:named` parameters as the driver spells them; a batch then costs nothing in SQLAlchemy."""
    if paramstyle == "pyformat":
        return PARAMETER.sub(r"%(\1)s", sql.replace("%", "%%"))
    return sql  # sqlite3 takes `:named` as it is


class _Transaction:
    """SQL on one connection, inside one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._paramstyle = connection, connection.dialect.paramstyle

    def run(self, sql: str, **values: Any) -> list[Row]:
        result = self._connection.exec_driver_sql(_spelled(sql, self._paramstyle), values)
        return [tuple(row) for row in result] if result.returns_rows else []

    def many(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> int:
        if not rows:
            return 0
        return self._connection.exec_driver_sql(_spelled(sql, self._paramstyle), rows).rowcount


class SqlDatabase:
    """One engine; writing work on its own thread (one for SQLite, which has one writer), reading work on a few."""

    def __init__(self, engine: Engine, counter: SharedCounter, *, writers: int) -> None:
        self._engine = engine
        self._writing = engine.execution_options(writes=True)
        self._counter = counter
        self._writers = ThreadPoolExecutor(writers, "database-write")
        self._readers = ThreadPoolExecutor(READERS, "database-read")

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` as one writing transaction. Raises Unavailable when the database cannot be reached now."""
        return await self._off_loop(self._writers, functools.partial(self._transact, self._writing, work))

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` as one reading transaction. Raises Unavailable when the database cannot be reached now."""
        return await self._off_loop(self._readers, functools.partial(self._transact, self._engine, work))

    async def migrate(self) -> None:
        """Bring the schema forward to this version, under a lock; plain SQL says when there is nothing to do."""
        await self._off_loop(self._writers, self._migrate)

    def epoch(self, bump: bool = False) -> int:
        """The shared number, after adding one when asked to."""
        return self._counter.bump() if bump else self._counter.read()

    async def close(self) -> None:
        """Finish what was begun and let go."""
        await asyncio.get_running_loop().run_in_executor(None, self._close)

    def _close(self) -> None:
        self._writers.shutdown()
        self._readers.shutdown()
        self._engine.dispose()
        self._counter.close()

    async def _off_loop(self, pool: Executor, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, work)
        except (OperationalError, InterfaceError, PoolTimeout) as error:
            raise Unavailable(f"the database cannot be reached now ({type(error).__name__})") from error

    def _transact(self, engine: Engine, work: Callable[[Transaction], T]) -> T:
        for attempt in range(1, TRIES + 1):
            try:
                with engine.begin() as connection:
                    return work(_Transaction(connection))
            except DBAPIError as error:
                if attempt == TRIES or getattr(error.orig, "sqlstate", None) not in LOST_RACE:
                    raise
        raise AssertionError("the last try either returned or raised")

    def _migrate(self) -> None:
        newest = max(file.name.split("_")[0] for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))
        with self._writing.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": MIGRATION_LOCK})
            if _version(connection) != newest:
                _upgrade(connection)


def _version(connection: Connection) -> str | None:
    """The schema's version, None on an empty database."""
    if not connection.dialect.has_table(connection, "alembic_version"):
        return None
    row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
    return row[0] if row else None


def _upgrade(connection: Connection) -> None:
    # Alembic costs a start some 0.1 s and 7 MB, so only a start that needs it pays.
    command = importlib.import_module("alembic.command")
    config = importlib.import_module("alembic.config").Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    command.upgrade(config, "head")
