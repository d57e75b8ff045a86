"""The Database port over the plain drivers: SQLite in a file by default, PostgreSQL by URL, one SQL for both.

SQLAlchemy and Alembic are loaded only to bring an older schema forward: they cost a start half a second and 30 MB.
"""

import asyncio
import functools
import importlib
import logging
import os
import re
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import parse_qsl

from tollway.core.errors import Unavailable
from tollway.kit.counter import SharedCounter
from tollway.ports import Row, Transaction

T = TypeVar("T")
log = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).parent.parent / "data" / "migrations"
SNAPSHOT = MIGRATIONS / "sqlite.sql"
"""What all migrations make of an empty SQLite file; a test holds the two together."""
BUSY_TIMEOUT_S = 5.0
READERS = 2
TRIES = 5
LOST_RACE = {"40001", "40P01"}
"""PostgreSQL's serialization failure and deadlock: nothing happened, and a second try may well succeed."""
PARAMETER = re.compile(r"(?<![:\w]):(\w+)")
MIGRATION_LOCK = 7_011_977
"""PostgreSQL advisory lock that one migrating replica holds while the others wait."""
WRITER_LOCK = 7_011_978
"""PostgreSQL advisory lock that makes writing transactions take turns, as they do on SQLite: what one has read, no
other changes before it has written. Every batch of settled calls meets in the same few rows anyway."""


class Engine(NamedTuple):
    """What differs between the two databases."""

    connect: Callable[[], Any]
    url: str
    """For SQLAlchemy."""
    writers: int
    begin_write: str
    begin_read: str
    lock_schema: str
    schema_exists: str
    """Finds a row when there is any table, `alembic_version` first."""
    errors: type[Exception]
    """Root of the driver's errors: they say that the database cannot be reached or used now …"""
    refusals: tuple[type[Exception], ...]
    """… except these, which say that the work is wrong."""
    spell: Callable[[str], str]


def open(url: str, data_dir: Path) -> "SqlDatabase":
    """A database that is not connected yet. `sqlite://` alone is `tollway.db` in the data folder.

    `?timeout=` says for how many seconds SQLite waits for another process. Raises ValueError for a URL of another kind.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    kind, _, rest = url.partition("://")
    if kind == "sqlite":
        path, _, query = rest.partition("?")
        file = Path(path.removeprefix("/") or data_dir / "tollway.db")
        file.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
        return SqlDatabase(
            _sqlite(file, float(dict(parse_qsl(query)).get("timeout", BUSY_TIMEOUT_S))),
            SharedCounter(file.with_name(file.name + "-epoch")),
        )
    if kind in ("postgresql", "postgres"):
        return SqlDatabase(_postgresql(f"postgresql://{rest}"), SharedCounter(data_dir / "epoch"))
    raise ValueError(f"no database speaks {kind!r}: use sqlite:// or postgresql://")


def _sqlite(file: Path, timeout_s: float = BUSY_TIMEOUT_S) -> Engine:
    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            file, timeout=timeout_s, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        for setting in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {setting}")
        return connection

    return Engine(
        connect=connect,
        url=f"sqlite:///{file}",
        writers=1,
        begin_write="BEGIN IMMEDIATE",
        begin_read="BEGIN",
        lock_schema="SELECT 1",
        schema_exists="SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name <> 'alembic_version' LIMIT 1",
        errors=sqlite3.Error,
        refusals=(sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.DataError),
        spell=str,  # sqlite3 takes `:named` as it is
    )


def _postgresql(url: str) -> Engine:
    driver = importlib.import_module("psycopg")
    return Engine(
        connect=functools.partial(driver.connect, url, autocommit=True),
        url=url.replace("postgresql://", "postgresql+psycopg://", 1),
        writers=2,
        begin_write=f"BEGIN; SELECT pg_advisory_xact_lock({WRITER_LOCK})",
        begin_read="BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        lock_schema=f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})",
        schema_exists="SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
        " ORDER BY tablename <> 'alembic_version' LIMIT 1",
        errors=driver.Error,
        refusals=(driver.IntegrityError, driver.ProgrammingError, driver.DataError),
        spell=_pyformat,
    )


@functools.lru_cache(maxsize=512)
def _pyformat(sql: str) -> str:
    return PARAMETER.sub(r"%(\1)s", sql.replace("%", "%%"))


class _Transaction:
    """SQL on one connection, inside one transaction."""

    def __init__(self, connection: Any, spell: Callable[[str], str]) -> None:
        self._connection, self._spell = connection, spell

    def run(self, sql: str, **values: Any) -> list[Row]:
        cursor = self._connection.execute(self._spell(sql), values)
        return list(cursor.fetchall()) if cursor.description else []

    def many(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> int:
        if not rows:
            return 0
        cursor = self._connection.cursor()
        cursor.executemany(self._spell(sql), rows)
        return int(cursor.rowcount)


class SqlDatabase:
    """Writing work on threads of its own (one for SQLite, which has one writer), reading work on a few others.

    Each thread keeps one connection.
    """

    def __init__(self, engine: Engine, counter: SharedCounter) -> None:
        self._engine, self._counter = engine, counter
        self._thread = threading.local()
        self._connections: set[Any] = set()
        self._writers = ThreadPoolExecutor(engine.writers, "database-write")
        self._readers = ThreadPoolExecutor(READERS, "database-read")

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` as one writing transaction. Raises Unavailable when the database cannot be reached now."""
        return await self._off_loop(self._writers, functools.partial(self._transact, self._engine.begin_write, work))

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` as one reading transaction. Raises Unavailable when the database cannot be reached now."""
        return await self._off_loop(self._readers, functools.partial(self._transact, self._engine.begin_read, work))

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
        for connection in self._connections:
            connection.close()
        self._counter.close()

    async def _off_loop(self, pool: Executor, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, work)
        except self._engine.errors as error:
            if isinstance(error, self._engine.refusals):
                raise
            log.warning("the database: %s", error)  # the operator's to know; the caller may be anybody
            raise Unavailable(f"the database cannot be reached now ({type(error).__name__})") from error

    def _transact(self, begin: str, work: Callable[[Transaction], T]) -> T:
        for attempt in range(1, TRIES + 1):
            try:
                return self._once(begin, work)
            except self._engine.errors as error:
                if attempt == TRIES or getattr(error, "sqlstate", None) not in LOST_RACE:
                    raise
        raise AssertionError("the last try either returned or raised")

    def _once(self, begin: str, work: Callable[[Transaction], T]) -> T:
        connection = self._connection()
        try:
            connection.execute(begin)
            result = work(_Transaction(connection, self._engine.spell))
            connection.execute("COMMIT")
        except self._engine.refusals:
            connection.execute("ROLLBACK")
            raise
        except self._engine.errors:
            self._drop(connection)  # with whatever it had begun; the next work gets a new one
            raise
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        return result

    def _connection(self) -> Any:
        connection = getattr(self._thread, "connection", None)
        if connection is None:
            connection = self._thread.connection = self._engine.connect()
            self._connections.add(connection)
        return connection

    def _drop(self, connection: Any) -> None:
        self._thread.connection = None
        self._connections.discard(connection)
        connection.close()

    def _migrate(self) -> None:
        newest = max(file.name.split("_")[0] for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))
        if self._transact(self._engine.begin_write, self._forward) != newest:
            _upgrade(self._engine)

    def _forward(self, tx: Transaction) -> str | None:
        """The schema's version, None when it has none; an empty SQLite file gets the whole schema at once."""
        tx.run(self._engine.lock_schema)
        found = tx.run(self._engine.schema_exists)
        if not found and self._engine.writers == 1:
            for statement in SNAPSHOT.read_text().split(";\n"):
                tx.run(statement)
            found = [("alembic_version",)]
        if found != [("alembic_version",)]:
            return None
        rows = tx.run("SELECT version_num FROM alembic_version")
        return str(rows[0][0]) if rows else None


def _upgrade(engine: Engine) -> None:
    """Run the missing migrations with Alembic, as one transaction that other replicas wait for."""
    create_engine = importlib.import_module("sqlalchemy").create_engine
    command = importlib.import_module("alembic.command")
    sqlite = engine.url.startswith("sqlite")
    bare = {"isolation_level": None, "timeout": BUSY_TIMEOUT_S} if sqlite else {}
    made = create_engine(engine.url, connect_args=bare)
    try:
        with made.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if sqlite else engine.lock_schema)
            config = importlib.import_module("alembic.config").Config(attributes={"connection": connection})
            config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
            command.upgrade(config, "head")
            connection.commit()
    finally:
        made.dispose()
