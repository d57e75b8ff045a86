"""What a gateway sees of a PostgreSQL that restarts, hangs, is slow, or is shared with others that misbehave."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from tests.postgres import Postgres
from tollway.backends import sql
from tollway.backends.sql import SqlDatabase
from tollway.backends.sql.announcements import Announcements
from tollway.backends.sql.postgresql import MIGRATION_LOCK, address, engine
from tollway.core.errors import Unavailable
from tollway.ports import Row, Transaction

NOTE = "INSERT INTO meta VALUES (:name, '1')"


@pytest.fixture
async def database(postgresql_url: str, tmp_path: Path) -> AsyncIterator[SqlDatabase]:
    made = sql.open(postgresql_url, tmp_path)
    yield made
    await made.close()


@pytest.fixture
async def mortal(own_postgres: Postgres, tmp_path: Path) -> AsyncIterator[SqlDatabase]:
    """On a server that the test may break."""
    made = sql.open(own_postgres.fresh(), tmp_path)
    yield made
    await made.close()


async def names(database: SqlDatabase) -> list[str]:
    return [str(name) for (name,) in await database.read(lambda tx: tx.run("SELECT name FROM meta ORDER BY name"))]


async def note(database: SqlDatabase, name: str) -> None:
    await database.write(lambda tx: tx.run(NOTE, name=name))


async def test_a_connection_lost_in_mid_transaction_is_unavailable_and_leaves_nothing(
    database: SqlDatabase, postgres: Postgres
) -> None:
    def lose(tx: Transaction) -> None:
        tx.run(NOTE, name="half")
        ((pid,),) = tx.run("SELECT pg_backend_pid()")
        postgres.run(f"SELECT pg_terminate_backend({pid})")
        tx.run(NOTE, name="other half")

    with pytest.raises(Unavailable):
        await database.write(lose)
    await note(database, "next")
    assert await names(database) == ["next"]


async def test_a_restart_between_two_calls_is_not_even_noticed(mortal: SqlDatabase, own_postgres: Postgres) -> None:
    await note(mortal, "before")
    own_postgres.kill()
    own_postgres.start()
    await note(mortal, "after")
    assert await names(mortal) == ["after", "before"]


async def test_a_stopped_server_is_unavailable_and_used_again_when_it_is_back(
    mortal: SqlDatabase, own_postgres: Postgres
) -> None:
    await note(mortal, "before")
    own_postgres.stop()
    for _ in range(3):
        with pytest.raises(Unavailable):
            await note(mortal, "lost")
    with pytest.raises(Unavailable):
        await names(mortal)
    own_postgres.start()
    await asyncio.sleep(0.3)
    await note(mortal, "after")
    assert await names(mortal) == ["after", "before"]


async def test_a_server_that_falls_silent_is_hung_up_on(own_postgres: Postgres, tmp_path: Path) -> None:
    where = address(own_postgres.fresh())
    database = SqlDatabase(engine(where)._replace(write_s=0.3, read_s=0.3), Announcements(where.url))
    await note(database, "before")
    own_postgres.freeze()
    began = time.monotonic()
    refused = await asyncio.gather(note(database, "lost"), names(database), return_exceptions=True)
    own_postgres.thaw()
    assert all(isinstance(one, Unavailable) for one in refused)
    assert time.monotonic() - began < 8
    await asyncio.sleep(0.3)
    await note(database, "after")
    assert {"before", "after"} <= set(await names(database))
    await database.close()


async def test_a_statement_that_takes_too_long_is_ended_by_the_server(postgresql_url: str, tmp_path: Path) -> None:
    where = address(postgresql_url)
    quick = engine(where)
    quick = quick._replace(begin_read=quick.begin_read.replace("statement_timeout = 15000", "statement_timeout = 50"))
    database = SqlDatabase(quick, Announcements(where.url))
    with pytest.raises(Unavailable, match="QueryCanceled"):
        await database.read(lambda tx: tx.run("SELECT pg_sleep(5)"))
    assert await names(database) == []
    await database.close()


async def test_a_writer_that_falls_silent_in_mid_transaction_loses_its_turn(
    postgresql_url: str, database: SqlDatabase, tmp_path: Path
) -> None:
    frozen = sql.open(postgresql_url + "&timeout=0.5", tmp_path)
    begun, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def dawdle(tx: Transaction) -> None:
        tx.run(NOTE, name="frozen")
        loop.call_soon_threadsafe(begun.set)
        go_on.wait(10)
        tx.run(NOTE, name="thawed")

    slow = asyncio.create_task(frozen.write(dawdle))
    await begun.wait()
    await asyncio.wait_for(note(database, "others"), 4)
    go_on.set()
    with pytest.raises(Unavailable):
        await slow
    assert await names(database) == ["others"]
    await note(frozen, "again")
    await frozen.close()


async def test_one_that_waits_too_long_for_another_writer_is_told_so(
    postgresql_url: str, database: SqlDatabase, tmp_path: Path
) -> None:
    hasty = sql.open(postgresql_url + "&timeout=0.1", tmp_path)
    gate = threading.Event()
    holding = asyncio.create_task(database.write(lambda tx: gate.wait(10)))
    await asyncio.sleep(0.1)
    with pytest.raises(Unavailable, match="the database is busy"):
        await note(hasty, "late")
    gate.set()
    await holding
    await note(hasty, "in turn")
    assert await names(database) == ["in turn"]
    await hasty.close()


async def test_a_replica_waits_for_as_long_as_another_migrates(postgresql_url: str, tmp_path: Path) -> None:
    hasty = sql.open(postgresql_url + "&timeout=0.1", tmp_path)
    with psycopg.connect(postgresql_url) as other:
        other.execute(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
        migrating = asyncio.create_task(hasty.migrate())
        await asyncio.sleep(0.5)
        assert not migrating.done()
        other.commit()
    await asyncio.wait_for(migrating, 10)
    await hasty.close()


async def test_work_that_loses_a_deadlock_runs_again_from_its_start(postgresql_url: str, database: SqlDatabase) -> None:
    for name in ("a", "b"):
        await note(database, name)
    runs: list[int] = []
    change = "UPDATE meta SET value = value || :by WHERE name = :name"

    def cross(tx: Transaction) -> None:
        runs.append(1)
        tx.run("SET LOCAL deadlock_timeout = '20ms'")
        tx.run(change, name="a", by="w")
        if len(runs) == 1:
            outsider.execute("UPDATE meta SET value = value || 'o' WHERE name = 'b'")
            threading.Thread(target=finish).start()
            time.sleep(0.1)
        tx.run(change, name="b", by="w")

    def finish() -> None:
        outsider.execute("UPDATE meta SET value = value || 'o' WHERE name = 'a'")
        outsider.commit()
        done.set()

    done = threading.Event()
    with psycopg.connect(postgresql_url, options="-c deadlock_timeout=10s") as outsider:
        await database.write(cross)
        assert done.wait(5)
    assert len(runs) == 2
    assert await database.read(lambda tx: tx.run("SELECT name, value FROM meta ORDER BY name")) == [
        ("a", "1ow"),
        ("b", "1ow"),
    ]


async def test_a_process_has_four_connections_at_most(postgresql_url: str, database: SqlDatabase) -> None:
    database.epoch()

    def count(tx: Transaction) -> list[Row]:
        return tx.run(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'tollway'"
        )

    writes = [note(database, f"n{number}") for number in range(50)]
    counted = await asyncio.gather(*(database.read(count) for _ in range(50)), *writes)
    assert max(rows[0][0] for rows in counted if rows) <= 4


async def test_while_nothing_is_heard_nothing_is_remembered_for_long(
    mortal: SqlDatabase, own_postgres: Postgres
) -> None:
    mortal.epoch()
    await note(mortal, "before")
    await asyncio.sleep(0.2)
    heard = mortal.epoch()
    own_postgres.kill()
    own_postgres.start()
    await asyncio.sleep(1.5)
    assert mortal.epoch() == heard, "a short restart is no news"
    own_postgres.stop()
    await asyncio.sleep(4)
    doubted = mortal.epoch()
    assert doubted != heard
    await asyncio.sleep(0.2)
    assert mortal.epoch() != doubted
    own_postgres.start()
    await asyncio.sleep(1.5)
    heard = mortal.epoch()
    await asyncio.sleep(0.2)
    assert mortal.epoch() == heard


async def test_an_announcement_missed_while_the_line_was_down_is_read_afterwards(
    mortal: SqlDatabase, own_postgres: Postgres
) -> None:
    mortal.epoch()
    await note(mortal, "before")
    await asyncio.sleep(0.2)
    heard = mortal.epoch()
    name = str(own_postgres.run("SELECT max(datname) FROM pg_database WHERE datname LIKE 'test_%'")[0][0])
    own_postgres.stop()
    own_postgres.start()
    own_postgres.run("UPDATE counters SET value = value + 1 WHERE name = 'epoch'", name)
    own_postgres.run("INSERT INTO counters VALUES ('epoch', 1) ON CONFLICT DO NOTHING", name)
    async with asyncio.timeout(2.5):
        while mortal.epoch() == heard:
            await asyncio.sleep(0.01)
    assert mortal.epoch() > heard, "the number only goes forward"


def test_our_own_words_in_a_url_do_not_reach_the_driver() -> None:
    where = address("postgresql://ann:s%40crt@db.example:5433/hub?timeout=2.5&sslmode=require")
    assert where.timeout_s == 2.5
    known = psycopg.conninfo.conninfo_to_dict(where.url)
    assert (known["host"], known["port"], known["dbname"], known["password"]) == ("db.example", "5433", "hub", "s@crt")
    assert (known["sslmode"], known["connect_timeout"]) == ("require", "5")
    assert "timeout" not in known


async def test_a_url_that_nobody_can_read_is_unavailable(tmp_path: Path) -> None:
    database = sql.open("postgresql://nobody@localhost:1/none?connect_timeout=1", tmp_path)
    with pytest.raises(Unavailable):
        await names(database)
    await database.close()
