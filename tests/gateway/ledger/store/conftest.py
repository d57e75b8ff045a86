"""A desk on each database in turn."""

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
