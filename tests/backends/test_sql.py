"""Where SQLite keeps its file, how it is migrated, and what other processes see of it."""

import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.backends.snapshot import dump, migrated
from tollway.backends import sql
from tollway.backends.sql import migrations
from tollway.core.errors import Unavailable

TABLES = {
    "accounts", "alembic_version", "allowances", "api_keys", "channels", "closed_months", "counters", "entries",
    "leases", "listed_prices", "locks", "meta", "months", "organisations", "postings", "price_cards", "price_updates",
    "purses", "redemptions", "referrals", "referrers", "refunds", "stored_settings", "usage_daily", "users", "vouchers",
}  # fmt: skip


def tables(file: Path) -> set[str]:
    with sqlite3.connect(file) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


async def test_the_default_is_a_file_in_the_data_folder_that_only_its_owner_reads(tmp_path: Path) -> None:
    database = sql.open("sqlite://", tmp_path / "new")
    await database.migrate()
    await database.close()
    for name in ("tollway.db", "tollway.db-epoch"):
        assert stat.S_IMODE((tmp_path / "new" / name).stat().st_mode) == 0o600
    assert tables(tmp_path / "new" / "tollway.db") - {"sqlite_sequence"} == TABLES


async def test_a_path_in_the_url_is_used(tmp_path: Path) -> None:
    database = sql.open(f"sqlite:///{tmp_path}/deep/books.db", tmp_path)
    await database.migrate()
    await database.close()
    assert tables(tmp_path / "deep" / "books.db") >= TABLES


def test_a_url_of_another_kind_is_refused_in_plain_words(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="use sqlite:// or postgresql://"):
        sql.open("mysql://localhost/x", tmp_path)


async def test_an_existing_database_is_brought_forward_and_keeps_its_rows(tmp_path: Path) -> None:
    database = sql.open("sqlite://", tmp_path)
    await database.migrate()
    await database.write(lambda tx: tx.run("INSERT INTO meta VALUES ('kept', 'yes')"))
    await database.migrate()
    assert await database.read(lambda tx: tx.run("SELECT value FROM meta")) == [("yes",)]
    await database.close()


async def test_a_migration_that_fails_leaves_the_database_as_it_was(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "tollway.db") as connection:
        connection.execute("CREATE TABLE receipts (in_the_way INTEGER)")
    database = sql.open("sqlite://", tmp_path)
    with pytest.raises(Exception, match="receipts already exists"):
        await database.migrate()
    await database.close()
    assert tables(tmp_path / "tollway.db") == {"receipts"}


async def test_the_snapshot_of_the_schema_is_what_the_migrations_make(tmp_path: Path) -> None:
    again = "run `python -m tests.backends.snapshot` after adding a migration"
    assert migrations.SNAPSHOT.read_text() == migrated() + "\n", again
    database = sql.open("sqlite://", tmp_path)
    await database.migrate()
    await database.close()
    assert dump(tmp_path / "tollway.db") == migrated()


async def test_a_file_that_is_no_database_is_unavailable_and_the_log_says_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "tollway.db").write_bytes(b"the diary of a nobody" * 200)
    database = sql.open("sqlite://", tmp_path)
    with pytest.raises(Unavailable, match="DatabaseError"):
        await database.migrate()
    assert "file is not a database" in caplog.text
    await database.close()


def test_a_start_loads_neither_alembic_nor_sqlalchemy(tmp_path: Path) -> None:
    script = (
        "import asyncio, pathlib, sys\n"
        "from tollway.backends import sql\n"
        "async def main():\n"
        "    database = sql.open('sqlite://', pathlib.Path(sys.argv[1]))\n"
        "    await database.migrate()\n"
        "    await database.close()\n"
        "asyncio.run(main())\n"
        "print({'alembic', 'sqlalchemy'} & set(sys.modules))\n"
    )
    said = [subprocess.check_output([sys.executable, "-c", script, str(tmp_path)], text=True) for _ in range(2)]
    assert said == ["set()\n", "set()\n"]


async def test_another_process_sees_the_epoch_change_on_its_next_look(tmp_path: Path) -> None:
    database = sql.open("sqlite://", tmp_path)
    script = (
        "import pathlib, sys; from tollway.kit.counter import SharedCounter as C; C(pathlib.Path(sys.argv[1])).bump()"
    )
    before = database.epoch()
    for _ in range(3):
        subprocess.run([sys.executable, "-c", script, str(tmp_path / "tollway.db-epoch")], check=True)
    assert database.epoch() == before + 3
    await database.close()


async def test_a_database_that_another_keeps_locked_is_unavailable_not_wrong(tmp_path: Path) -> None:
    database = sql.open("sqlite://?timeout=0.05", tmp_path)
    await database.migrate()
    other = sqlite3.connect(tmp_path / "tollway.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable) as refused:
        await database.write(lambda tx: tx.run("INSERT INTO meta VALUES ('a', 'b')"))
    assert refused.value.status == 503
    other.execute("ROLLBACK")
    await database.write(lambda tx: tx.run("INSERT INTO meta VALUES ('a', 'b')"))
    other.close()
    await database.close()
