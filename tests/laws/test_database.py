"""What every database promises, whatever it is made of."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tollway.backends import sql
from tollway.kit.stillness import await_moment
from tollway.ports import Database, Row, Transaction


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


async def test_serving_20_work_on_the_database_never_runs_in_the_event_loops_thread(database: Database) -> None:
    """Whoever waits for a disk or a lock holds up his own call and nobody else's."""
    here = threading.get_ident()
    threads = [await do(lambda _: threading.get_ident()) for do in (database.read, database.write)]
    assert here not in threads


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


async def test_rows_may_be_tuples_in_the_order_of_the_names(database: Database) -> None:
    keep = "INSERT INTO meta (value, name) VALUES (:value, :name) ON CONFLICT DO NOTHING"
    assert await database.write(lambda tx: tx.many(keep, [("1", "a"), ("2", "b"), ("3", "a")])) == 2
    assert await database.write(lambda tx: tx.many(keep, [("4", "c")])) == 1
    change = "UPDATE meta SET value = :value WHERE name = :name"
    assert await database.write(lambda tx: tx.many(change, [("5", "a"), ("6", "b"), ("7", "z")])) == 2
    assert await database.write(lambda tx: tx.many(change, [("8", "c"), ("9", "c")])) == 2
    read = "SELECT name, value FROM meta ORDER BY name"
    assert await database.read(lambda tx: tx.run(read)) == [("a", "5"), ("b", "6"), ("c", "9")]


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

    gate = threading.Event()
    writing = asyncio.create_task(slow_write())
    await asyncio.sleep(0.02)
    assert await asyncio.wait_for(database.read(lambda tx: tx.run("SELECT * FROM meta")), 2) == []
    gate.set()
    await writing


async def test_many_does_to_each_row_what_one_statement_after_the_other_would(database: Database) -> None:
    keep = (
        "INSERT INTO meta (name, value) VALUES (:name, 'is ' || :value)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value || meta.value"
    )
    first = [{"name": f"n{n}", "value": str(n), "other": object()} for n in range(5)]
    assert await database.write(lambda tx: tx.many(keep, first)) == 5
    assert await database.write(lambda tx: tx.many(keep, [*first[:1], *first[:1]])) == 2
    change = "UPDATE meta SET value = :more || value WHERE name = :name"
    assert await database.write(lambda tx: tx.many(change, [{"name": "n1", "more": m} for m in ("a", "b")])) == 2
    assert await database.write(lambda tx: tx.many(change, [{"name": n, "more": "x"} for n in ("n2", "n3", "no")])) == 2
    forget = "DELETE FROM meta WHERE name = :name"
    assert await database.write(lambda tx: tx.many(forget, [{"name": n} for n in ("n4", "n4", "no")])) == 1
    read = "SELECT name, value FROM meta ORDER BY name"
    assert await database.read(lambda tx: tx.run(read)) == [
        ("n0", "is 0is 0is 0"), ("n1", "bais 1"), ("n2", "xis 2"), ("n3", "xis 3"),
    ]  # fmt: skip


async def test_many_keeps_big_numbers_nothing_and_every_character(database: Database) -> None:
    odd = '100% :named "quoted" \\ {json} ::cast \u2603 \U0001f600 \n\t'
    rows = [
        {"owner": f"{odd}{n}", "kind": "topup", "balance": 2**62 + n, "expires": None if n % 2 else 0.1 + n}
        for n in range(500)
    ]
    keep = (
        "INSERT INTO leases (id, owner, process, fence, taken, expires_at)"
        " VALUES (:owner, :kind, 'p', -:balance, 0, COALESCE(:expires, -1))"
    )
    assert await database.write(lambda tx: tx.many(keep, rows)) == 500
    found = await database.read(lambda tx: tx.run("SELECT id, fence, expires_at FROM leases ORDER BY fence DESC"))
    assert found == [
        (row["owner"], -row["balance"], -1.0 if row["expires"] is None else row["expires"]) for row in rows
    ]


async def test_sums_and_averages_are_plain_numbers(database: Database) -> None:
    rows = [{"owner": name, "balance": 2**61 + more} for name, more in (("a", 0), ("b", 2))]
    await database.write(
        lambda tx: tx.many("INSERT INTO accounts (owner, kind, balance) VALUES (:owner, 'topup', :balance)", rows)
    )
    sums = "SELECT SUM(balance), COUNT(*), AVG(balance * 1.0), MAX(balance), SUM(balance) > 1 FROM accounts"
    found = await database.read(lambda tx: tx.run(f"{sums} WHERE kind = 'topup'"))
    ((total, count, average, most, positive),) = found
    assert (total, count, most, bool(positive)) == (2**62 + 2, 2, 2**61 + 2, True)
    assert [type(number) for number in (total, count, average, most)] == [int, int, float, int]


async def test_a_reader_sees_one_moment_whatever_is_written_meanwhile(database: Database) -> None:
    loop, seen, written = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def look_twice(tx: Transaction) -> tuple[list[Row], list[Row]]:
        before = tx.run("SELECT name FROM meta")
        loop.call_soon_threadsafe(seen.set)
        assert written.wait(10)
        return before, tx.run("SELECT name FROM meta")

    reading = asyncio.create_task(database.read(look_twice))
    await seen.wait()
    await database.write(lambda tx: tx.run("INSERT INTO meta VALUES ('new', '1')"))
    written.set()
    assert await reading == ([], [])


async def test_what_two_processes_read_and_write_by_turns_loses_no_update(database_url: str, tmp_path: Path) -> None:
    databases = [sql.open(database_url, tmp_path) for _ in range(3)]
    await databases[0].migrate()
    await databases[0].write(lambda tx: tx.run("INSERT INTO meta VALUES ('n', '0')"))

    def add_one(tx: Transaction) -> None:
        ((value,),) = tx.run("SELECT value FROM meta WHERE name = 'n'")
        tx.run("UPDATE meta SET value = :value WHERE name = 'n'", value=str(int(value) + 1))

    await asyncio.gather(*(each.write(add_one) for _ in range(30) for each in databases))
    assert await databases[0].read(lambda tx: tx.run("SELECT value FROM meta")) == [("90",)]
    for each in databases:
        await each.close()


MIGRATE = """
import asyncio, pathlib, sys
from tollway.backends import sql
async def main():
    database = sql.open(sys.argv[1], pathlib.Path(sys.argv[2]))
    sys.stdin.read()
    await database.migrate()
    await database.close()
asyncio.run(main())
"""


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_five_processes_that_migrate_a_new_database_at_once_do_it_once(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = "sqlite://" if kind == "sqlite" else request.getfixturevalue("postgres").fresh("template0")
    words = [sys.executable, "-c", MIGRATE, url, str(tmp_path)]
    racers = [subprocess.Popen(words, stdin=subprocess.PIPE) for _ in range(5)]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.close()
    assert [racer.wait(60) for racer in racers] == [0] * 5
    database = sql.open(url, tmp_path)
    await database.migrate()
    hub = "SELECT kind, count(*) FROM accounts WHERE owner = 'hub' AND id < 6 GROUP BY kind"
    assert sorted(count for _, count in await database.read(lambda tx: tx.run(hub))) == [1] * 5
    await database.close()


async def test_an_announced_epoch_is_seen_by_all(database_url: str, tmp_path: Path) -> None:
    one, other = (sql.open(database_url, tmp_path / name) for name in ("a", "a" if "sqlite" in database_url else "b"))
    await one.migrate()
    for each in (one, other):
        await settled(each, database_url)
    before, before_here = other.epoch(), one.epoch()
    await one.write(lambda tx: tx.announce())
    assert one.epoch() != before_here
    async with asyncio.timeout(0.5):
        while other.epoch() == before:
            await asyncio.sleep(0.001)
    before, before_here = other.epoch(), one.epoch()
    with pytest.raises(LookupError):
        await one.write(announce_and_fail)
    await asyncio.sleep(0.05)
    assert (other.epoch(), one.epoch()) == (before, before_here)
    await one.close()
    await other.close()


def announce_and_fail(tx: Transaction) -> None:
    tx.announce()
    raise LookupError("so it is not true")


async def settled(database: Database, url: str) -> None:
    """Until it has heard from the server how things stand; a file needs no telling."""
    async with asyncio.timeout(5):
        while database.epoch() == 0 and "sqlite" not in url:
            await database.read(lambda tx: tx.run("SELECT 1"))
            await asyncio.sleep(0.01)


async def test_what_stops_all_threads_finds_no_writer_in_the_midst_of_its_transaction(database: Database) -> None:
    """A tokenizer loads for a second without letting any other thread run: other processes' writers would wait."""
    inside, leave = threading.Event(), threading.Event()

    def slow(tx: Transaction) -> None:
        tx.run("SELECT 1")
        inside.set()
        assert leave.wait(10)

    writing = asyncio.create_task(database.write(slow))
    assert await asyncio.to_thread(inside.wait, 10)
    assert not await asyncio.to_thread(await_moment, 0.05)
    leave.set()
    await writing
    assert await asyncio.to_thread(await_moment, 10)
