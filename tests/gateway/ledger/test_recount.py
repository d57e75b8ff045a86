"""A balance counted again from its postings: as a rule it says the same, and otherwise the journal decides."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.ledger.test_statement import ANN, NOON_S, moved
from tollway.backends import sql
from tollway.gateway.ledger.audit import audit
from tollway.gateway.ledger.store.recount import recount
from tollway.ports import Database


@pytest.fixture
async def database(database_url: str, tmp_path: Path) -> AsyncIterator[Database]:
    opened = sql.open(database_url, tmp_path)
    await opened.migrate()
    await opened.write(lambda tx: moved(tx, "grant", "topup", 100, NOON_S))
    await opened.write(lambda tx: moved(tx, "settle", "topup", -30, NOON_S))
    yield opened
    await opened.close()


async def test_exact_books_stay_as_they_are(database: Database) -> None:
    assert await database.write(lambda tx: recount(tx, ANN)) == []


async def test_a_wrong_balance_is_told_and_set_right(database: Database) -> None:
    await database.write(lambda tx: tx.run("UPDATE accounts SET balance = 100 WHERE owner = :who", who=ANN))
    (found,) = await database.write(lambda tx: recount(tx, ANN))
    assert (found.kind, found.said, found.counted) == ("topup", 100, 70)
    assert await database.write(lambda tx: recount(tx, ANN)) == []
    assert not [words for words in await database.read(audit) if words.startswith("account")]
