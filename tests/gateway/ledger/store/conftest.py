"""A desk, or three that race each other, on each database in turn."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.ledger.store.desk import Desk
from tollway.backends import sql


@pytest.fixture
async def desk(database_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    database = sql.open(database_url, tmp_path)
    await database.migrate()
    yield Desk(database)
    await database.close()


@pytest.fixture
async def three(database_url: str, tmp_path: Path) -> AsyncIterator[list[Desk]]:
    """Three processes' worth of connections to one database."""
    databases = [sql.open(database_url, tmp_path) for _ in range(3)]
    await databases[0].migrate()
    yield [Desk(database) for database in databases]
    for database in databases:
        await database.close()
