"""Fresh books for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.ledger.books import Books, new_books


@pytest.fixture
async def books(tmp_path: Path) -> AsyncIterator[Books]:
    async with new_books(tmp_path) as made:
        yield made
