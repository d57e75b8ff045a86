"""Fresh books for each test, on both databases."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.ledger.books import Books, new_books


@pytest.fixture
async def books(tmp_path: Path, database_url: str) -> AsyncIterator[Books]:
    async with new_books(tmp_path, database_url) as made:
        yield made
