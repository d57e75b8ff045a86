"""What every database promises, whatever it is made of."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tollway.backends import sql
from tollway.ports import Database, Transaction


@pytest.fixture
async def database(database_url: str, tmp_path: Path) -> AsyncIterator[Database]:
    made = sql.open(database_url, tmp_path)
    await made.migrate()
    yield made
    await made.close()


async def account(database: Database, balance: int) -> int:
    def open_one(tx: Transaction) -> int:
        sql = "INSERT INTO accounts (owner, kind, balance) VALUES ('ann', 'topup', :balance) RETURNING id"
        return tx.run(sql, balance=balance)[0][0]

    return await database.write(open_one)


async def test_a_hundred_parallel_guarded_withdrawals_never_overdraw(database: Database) -> None:
    number = await account(database, 33)
    guarded = "UPDATE accounts SET balance = balance - 1 WHERE id = :id AND balance >= 1 RETURNING balance"
    answers = await asyncio.gather(*(database.write(lambda tx: tx.run(guarded, id=number)) for _ in range(100)))
    assert sum(bool(rows) for rows in answers) == 33
    assert await database.read(lambda tx: tx.run("SELECT balance FROM accounts WHERE id = :id", id=number)) == [(0,)]


async def test_reading_then_writing_in_one_transaction_loses_no_update(database: Database) -> None:
    number = await account(database, 0)

    def add_one(tx: Transaction) -> None:
        ((balance,),) = tx.run("SELECT balance FROM accounts WHERE id = :id", id=number)
        tx.run("UPDATE accounts SET balance = :more WHERE id = :id AND balance = :was",
               more=balance + 1, was=balance, id=number)  # fmt: skip

    await asyncio.gather(*(database.write(add_one) for _ in range(50)))
    assert await database.read(lambda tx: tx.run("SELECT balance FROM accounts WHERE id = :id", id=number)) == [(50,)]


async def test_work_that_fails_leaves_nothing_behind(database: Database) -> None:
    def fail(tx: Transaction) -> None:
        tx.run("INSERT INTO meta VALUES ('half', 'done')")
        raise LookupError("half way")

    with pytest.raises(LookupError, match="half way"):
        await database.write(fail)
    assert await database.read(lambda tx: tx.run("SELECT * FROM meta")) == []


async def test_the_database_itself_refuses_a_negative_balance(database: Database) -> None:
    number = await account(database, 5)
    with pytest.raises(Exception, match="never_overdrawn"):
        await database.write(lambda tx: tx.run("UPDATE accounts SET balance = -1 WHERE id = :id", id=number))
    await database.write(lambda tx: tx.run("UPDATE accounts SET balance = -1 WHERE owner = 'hub' AND kind = 'issued'"))


async def test_many_says_how_many_rows_changed(database: Database) -> None:
    rows = [{"name": name, "value": "x"} for name in ("a", "b", "a")]
    keep = "INSERT INTO meta (name, value) VALUES (:name, :value) ON CONFLICT DO NOTHING"
    assert await database.write(lambda tx: tx.many(keep, rows)) == 2
    assert await database.write(lambda tx: tx.many(keep, rows)) == 0
    assert await database.write(lambda tx: tx.many(keep, [])) == 0


async def test_texts_keep_every_character_and_numbers_every_nano_dollar(database: Database) -> None:
    value = "100% :named 'quoted' ::cast \u2603 \U0001f600"
    await database.write(lambda tx: tx.run("INSERT INTO meta VALUES (:name, :value)", name="odd", value=value))
    read = "SELECT value FROM meta WHERE name = :name AND value LIKE '100%'"
    assert await database.read(lambda tx: tx.run(read, name="odd")) == [(value,)]
    number = await account(database, 2**62 + 1)
    assert await database.read(lambda tx: tx.run("SELECT balance FROM accounts WHERE id = :n", n=number)) == [
        (2**62 + 1,)
    ]


async def test_reading_does_not_wait_for_writing(database: Database) -> None:
    async def slow_write() -> None:
        def work(tx: Transaction) -> None:
            tx.run("INSERT INTO meta VALUES ('slow', '1')")
            gate.wait(5)

        await database.write(work)

    import threading

    gate = threading.Event()
    writing = asyncio.create_task(slow_write())
    await asyncio.sleep(0.02)
    assert await asyncio.wait_for(database.read(lambda tx: tx.run("SELECT * FROM meta")), 2) == []
    gate.set()
    await writing


async def test_migrating_again_or_by_many_at_once_is_harmless(tmp_path: Path) -> None:
    several = [sql.open("sqlite://", tmp_path) for _ in range(4)]
    await asyncio.gather(*(each.migrate() for each in several))
    await several[0].migrate()
    assert len(await several[3].read(lambda tx: tx.run("SELECT * FROM accounts WHERE owner = 'hub'"))) == 5
    for each in several:
        await each.close()


async def test_an_epoch_bumped_by_one_is_seen_by_all(tmp_path: Path) -> None:
    one, other = sql.open("sqlite://", tmp_path), sql.open("sqlite://", tmp_path)
    before = other.epoch()
    assert one.epoch(bump=True) == before + 1
    assert other.epoch() == before + 1
    await one.close()
    await other.close()
