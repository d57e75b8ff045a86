"""Transactions on threads of their own: what may be tried again is, and what cannot be reached is said to be so."""

import asyncio
import functools
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any, TypeVar

from tollway.backends.sql import migrations
from tollway.backends.sql.engine import Engine, Epoch
from tollway.core.errors import Unavailable
from tollway.kit.stillness import unstopped
from tollway.ports import Transaction

T = TypeVar("T")
log = logging.getLogger(__name__)

BUSY = "the database is busy: others have been writing for too long; try again in a moment"
AWAY = "the database cannot be reached now ({}); try again in a moment"
READERS = 2
"""With one that writes and one that listens, a process has four connections at most."""
TRIES = 5
LOST_RACE = {"40001", "40P01"}
"""PostgreSQL's serialization failure and deadlock: nothing happened, and a second try may well succeed."""


class SqlDatabase:
    """Writing work on one thread, reading work on a few others. Each thread keeps one connection."""

    def __init__(self, engine: Engine, epoch: Epoch) -> None:
        self._engine, self._epoch = engine, epoch
        self._thread = threading.local()
        self._connections: set[Any] = set()
        self._busy: dict[Any, float] = {}
        """Connections at work, since when."""
        self._writer = ThreadPoolExecutor(1, "database-write")
        self._readers = ThreadPoolExecutor(READERS, "database-read")

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` as one writing transaction. Raises Unavailable when the database cannot be reached now."""
        begin, most_s = self._engine.begin_write, self._engine.write_s
        return await self._off_loop(self._writer, functools.partial(self._write, begin, work), most_s)

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` as one reading transaction. Raises Unavailable when the database cannot be reached now."""
        begin, most_s = self._engine.begin_read, self._engine.read_s
        return await self._off_loop(self._readers, functools.partial(self._transact, begin, work), most_s)

    @property
    def of_file(self) -> bool:
        """Whether this is a file, and not a server."""
        return self._engine.snapshot

    @property
    def refusals(self) -> tuple[type[Exception], ...]:
        """What its driver raises for rows that it does not take."""
        return self._engine.refusals

    async def migrate(self) -> str | None:
        """Bring the schema forward to this version, under a lock; the version it had, None when it had none."""
        transact = functools.partial(self._transact, self._engine.begin_schema)
        return await self._off_loop(self._writer, functools.partial(migrations.migrate, self._engine, transact), None)

    def epoch(self) -> int:
        """A number that becomes another in every process when one of them announces a change."""
        return self._epoch.read()

    async def close(self) -> None:
        """Finish what was begun and let go."""
        await asyncio.get_running_loop().run_in_executor(None, self._close)
        await self._epoch.close()

    def _close(self) -> None:
        self._writer.shutdown()
        self._readers.shutdown()
        for connection in self._connections:
            connection.close()

    async def _off_loop(self, pool: Executor, work: Callable[[], T], most_s: float | None) -> T:
        self._epoch.listen()
        try:
            running = asyncio.get_running_loop().run_in_executor(pool, work)
            return await (running if most_s is None else self._in_time(running, most_s))
        except self._engine.errors as error:
            if isinstance(error, self._engine.refusals):
                raise
            log.warning("the database: %s", error)  # the operator's to know; the caller may be anybody
            raise Unavailable(BUSY if self._engine.busy(error) else AWAY.format(type(error).__name__)) from error

    async def _in_time(self, running: asyncio.Future[T], most_s: float) -> T:
        """The result, or the failure that hanging up on a silent server makes."""
        try:
            while not (await asyncio.wait((running,), timeout=most_s))[0]:
                for connection, since_s in list(self._busy.items()):
                    if time.monotonic() - since_s > most_s:
                        self._engine.hang_up(connection)
        finally:
            running.cancel()
        return running.result()

    def _write(self, begin: str, work: Callable[[Transaction], T]) -> T:
        with unstopped():  # other processes' writers wait for it
            return self._transact(begin, work)

    def _transact(self, begin: str, work: Callable[[Transaction], T]) -> T:
        for attempt in range(1, TRIES + 1):
            try:
                return self._once(begin, work)
            except self._engine.errors as error:
                if attempt == TRIES or getattr(error, "sqlstate", None) not in LOST_RACE:
                    raise
        raise AssertionError("the last try either returned or raised")

    def _once(self, begin: str, work: Callable[[Transaction], T]) -> T:
        connection = self._begun(begin)
        try:
            inside = self._engine.work(connection)
            result = work(inside)
            connection.execute("COMMIT")
        except self._engine.refusals:
            self._undo(connection)
            raise
        except self._engine.errors:
            self._drop(connection)  # with whatever it had begun; the next work gets a new one
            raise
        except BaseException:
            self._undo(connection)
            raise
        finally:
            self._busy.pop(connection, None)
        if inside.announced:
            self._epoch.committed(inside.announced)
        return result

    def _begun(self, begin: str) -> Any:
        """This thread's connection, in a transaction. One that was lost while it was idle is replaced."""
        kept = getattr(self._thread, "connection", None)
        connection = kept or self._new()
        self._busy[connection] = time.monotonic()
        try:
            connection.execute(begin)
        except self._engine.errors as error:
            lost = kept is not None and getattr(connection, "broken", False)
            self._drop(connection)
            if not lost:
                raise
            log.info("the database hung up meanwhile: %s", error)
            return self._begun(begin)
        return connection

    def _new(self) -> Any:
        connection = self._thread.connection = self._engine.connect()
        self._connections.add(connection)
        return connection

    def _undo(self, connection: Any) -> None:
        try:
            connection.execute("ROLLBACK")
        except self._engine.errors:
            self._drop(connection)

    def _drop(self, connection: Any) -> None:
        self._thread.connection = None
        self._busy.pop(connection, None)
        self._connections.discard(connection)
        connection.close()
