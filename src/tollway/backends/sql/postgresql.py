"""The engine that is a server: many gateways on many hosts, their writing transactions taking turns."""

import contextlib
import functools
import os
import re
import socket
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Loader

from tollway.backends.sql.batch import Batch
from tollway.backends.sql.engine import Engine
from tollway.ports import Row

MIGRATION_LOCK = 7_011_977
"""Advisory lock that one migrating replica holds while the others wait."""
WRITER_LOCK = 7_011_978
"""Advisory lock that makes writing transactions take turns, as they do on SQLite: what one has read, no other changes
before it has written. Every batch of settled calls meets in the same few rows anyway."""
TIMEOUT_S = 5.0
"""For how long a writer waits for the others."""
SILENT_S = 4.0
"""A writer that says nothing for so long in mid-transaction (frozen, or its host gone) loses its turn: before the
others, who wait for it, lose their patience."""
STATEMENT_S, WRITE_S, READ_S = 15.0, 20.0, 10.0
PARAMETER = re.compile(r"(?<![:\w]):(\w+)")
EPOCH_CHANNEL = "tollway_epoch"
BUMP = """
INSERT INTO counters (name, value) VALUES ('epoch', 1)
ON CONFLICT (name) DO UPDATE SET value = counters.value + 1 RETURNING value
"""
TELL = f"SELECT pg_notify('{EPOCH_CHANNEL}', %s)".encode()
FAIL_FAST_S = 0.25
"""For so long after a failed connect, others fail without trying: else each waits out its own time."""


class Address(NamedTuple):
    """Where the server is, and for how long to wait for another writer."""

    url: str
    timeout_s: float


def address(url: str, name: str = "tollway") -> Address:
    """Our own `?timeout=` taken out of a URL, and what libpq should do about hosts that vanish put in.

    `name` is how the server lists us. Raises ValueError for what libpq does not understand.
    """
    parts = urlsplit(url)
    asked = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    timeout_s = float(asked.pop("timeout", TIMEOUT_S))
    careful = {
        "connect_timeout": "5",
        "application_name": name,
        "keepalives_idle": "5",
        "keepalives_interval": "2",
        "keepalives_count": "3",
        "tcp_user_timeout": "10000",
    }
    query = urlencode(careful | asked, safe="/")
    spelt = f"postgresql://{parts.netloc}{parts.path or '/'}?{query}"
    try:
        psycopg.conninfo.conninfo_to_dict(spelt)
    except psycopg.ProgrammingError as error:
        raise ValueError(str(error).strip()) from error
    return Address(spelt, timeout_s)


def engine(where: Address, *, patient: bool = False) -> Engine:
    """The engine of a server. `patient`: statements may take as long as they need."""
    statement_s, write_s, read_s = (0.0, None, None) if patient else (STATEMENT_S, WRITE_S, READ_S)
    silent_s = min(SILENT_S, where.timeout_s * 0.8)
    limits = (
        f"SET LOCAL lock_timeout = {round(where.timeout_s * 1000)};"
        f" SET LOCAL idle_in_transaction_session_timeout = {0 if patient else round(silent_s * 1000)};"
        f" SET LOCAL statement_timeout = {round(statement_s * 1000)}"
    )  # in each transaction and not once for the session: a pooler may stand between
    return Engine(
        connect=Connect(where.url),
        url=where.url.replace("postgresql://", "postgresql+psycopg://", 1),
        work=Work,
        begin_write=f"BEGIN; {limits}; SELECT pg_advisory_xact_lock({WRITER_LOCK})",
        begin_read=f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {limits}",
        begin_schema="BEGIN; SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0;"
        f" SELECT pg_advisory_xact_lock({MIGRATION_LOCK})",
        lock_schema=tuple(f"SELECT pg_advisory_xact_lock({lock})" for lock in (MIGRATION_LOCK, WRITER_LOCK)),
        schema_exists="SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
        " ORDER BY tablename <> 'alembic_version' LIMIT 1",
        errors=psycopg.Error,
        refusals=(psycopg.IntegrityError, psycopg.ProgrammingError, psycopg.DataError),
        busy=lambda error: isinstance(error, psycopg.errors.LockNotAvailable),
        hang_up=hang_up,
        write_s=write_s,
        read_s=read_s,
    )


class Connect:
    """Makes connections; while the server cannot be reached, most of those who ask are told so at once."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._failed: tuple[float, psycopg.Error] | None = None

    def __call__(self) -> psycopg.Connection:
        if self._failed is not None and time.monotonic() < self._failed[0] + FAIL_FAST_S:
            raise self._failed[1]
        try:
            made = psycopg.connect(self._url, autocommit=True)
        except psycopg.Error as error:
            self._failed = (time.monotonic(), error)
            raise
        made.adapters.register_loader("numeric", Plain)
        self._failed = None
        return made


class Plain(Loader):
    """Sums and averages are plain numbers, as on SQLite."""

    def load(self, data: Buffer) -> int | float:
        text = bytes(data)
        return float(text) if b"." in text else int(text)


def hang_up(connection: psycopg.Connection) -> None:
    """Shut a connection's socket, so that the thread that waits on it wakes up."""
    with contextlib.suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.pgconn.socket)) as wire:
        wire.shutdown(socket.SHUT_RDWR)


@functools.lru_cache(maxsize=1024)
def spell(sql: str) -> str:
    """`:named` parameters as psycopg wants them."""
    return PARAMETER.sub(r"%(\1)s", sql.replace("%", "%%"))


@functools.lru_cache(maxsize=256)
def batch(sql: str) -> Batch:
    """How a statement runs for many rows at once."""
    return Batch(sql)


class Work:
    """SQL in psycopg's spelling; many rows travel as one statement."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self.announced = 0

    def run(self, sql: str, **values: Any) -> list[Row]:
        """Execute one statement; its rows, if it returns any."""
        cursor = self._connection.execute(spell(sql).encode(), values)
        return cursor.fetchall() if cursor.description else []

    def many(self, sql: str, rows: Sequence[Mapping[str, Any]] | Sequence[Row]) -> int:
        """Execute one statement for each row of parameters; how many rows of the table changed in all."""
        if not rows:
            return 0
        form = batch(sql)
        at_once = form.of(rows) if len(rows) > 1 else None
        if at_once is not None:
            return self._connection.execute(at_once.sql, at_once.columns).rowcount
        cursor = self._connection.cursor()
        rows = [form.named(row) for row in rows]
        cursor.executemany(spell(sql).encode(), rows)
        return cursor.rowcount

    def announce(self) -> None:
        """When this is committed, let every process see another epoch, on whatever host."""
        if not self.announced:
            ((self.announced,),) = self._connection.execute(BUMP).fetchall()
            self._connection.execute(TELL, (str(self.announced),))
