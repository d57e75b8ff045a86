"""A real database in a temporary folder, and a clock that is moved by hand."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tollway.backends import sql
from tollway.backends.sql import SqlDatabase
from tollway.gateway.admin.users import Users
from tollway.gateway.auth.api_keys import ApiKeys


class HandClock:
    """Time stands still until it is moved."""

    def __init__(self) -> None:
        self.at_s = 1_800_000_000.0

    def now_s(self) -> float:
        return self.at_s

    def monotonic_s(self) -> float:
        return self.at_s - 1_799_000_000.0


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqlDatabase]:
    opened = sql.open("sqlite://", tmp_path)
    await opened.migrate()
    yield opened
    await opened.close()


@pytest.fixture
def keys(database: SqlDatabase, clock: HandClock) -> ApiKeys:
    return ApiKeys(database, clock)


@pytest.fixture
def users(database: SqlDatabase, clock: HandClock, keys: ApiKeys) -> Users:
    return Users(database, clock, keys)
