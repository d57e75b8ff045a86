"""Stored channels on a real database of each kind, by a clock that is moved by hand."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from tests.gateway.auth.conftest import HandClock
from tollway.backends import sql
from tollway.backends.localvault import LocalVault
from tollway.core.errors import Unavailable
from tollway.gateway.channels.board import ChannelBoard
from tollway.gateway.channels.form import Form
from tollway.gateway.channels.groups import GroupBook
from tollway.gateway.channels.kept import StoredChannels
from tollway.gateway.stock import known_providers
from tollway.ports import Database, Transaction

T = TypeVar("T")
SECRET = "sk-very-secret-0123456789"


@dataclass
class Store:
    """Stored channels, and a process that follows them."""

    database: Database
    clock: HandClock
    folder: Path
    line: "Line"

    def channels(self, vault_file: str = "vault.keys") -> StoredChannels:
        """The channels as a host with this vault handles them."""
        vault = LocalVault(self.folder / vault_file)
        return StoredChannels(self.database, self.clock, vault, Form(known_providers(), {"idle_timeout_s": 7.0}))

    def board(self, vault_file: str = "vault.keys") -> ChannelBoard:
        """What a running process on that host knows."""
        return ChannelBoard(self.line, self.clock, self.channels(vault_file))

    @property
    def groups(self) -> GroupBook:
        return GroupBook(self.database, self.clock)

    async def dump(self) -> str:
        """All that whoever reads the table may see."""
        rows = await self.database.read(lambda tx: tx.run("SELECT * FROM channels"))
        return repr(rows)


class Line:
    """The database over a line that may be cut."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.write, self.migrate, self.close, self.epoch = (
            database.write,
            database.migrate,
            database.close,
            database.epoch,
        )
        self.cut = False

    async def read(self, work: Callable[[Transaction], T]) -> T:
        if self.cut:
            raise Unavailable("the line is cut")
        return await self._database.read(work)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def database(database_url: str, tmp_path: Path) -> AsyncIterator[Database]:
    opened = sql.open(database_url, tmp_path)
    await opened.migrate()
    yield opened
    await opened.close()


@pytest.fixture
def stock(database: Database, clock: HandClock, tmp_path: Path) -> Store:
    return Store(database, clock, tmp_path, Line(database))
