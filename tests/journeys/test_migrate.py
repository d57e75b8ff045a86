"""A hub outgrows its file: everything moves to PostgreSQL, and back, or nothing does."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.journeys.callers import OPENAI, newcomer
from tests.journeys.crowd import left
from tests.journeys.hub import Hub
from tests.postgres import Postgres

MONTH = """
CREATE TABLE receipts_209901 (call_id TEXT PRIMARY KEY, at DOUBLE PRECISION NOT NULL, charge BIGINT, body TEXT);
CREATE INDEX receipts_209901_by_at ON receipts_209901 (at);
INSERT INTO receipts_209901 VALUES ('c1', 0.1, 4611686018427387905, 'snow \u2603'), ('c2', 1e22, NULL, '')
"""
BULK = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
INSERT INTO meta SELECT 'name ' || i, 'value of ' || i FROM n
"""


@pytest.fixture
def target(postgres: Postgres) -> Iterator[str]:
    """The URL of a PostgreSQL database with nothing in it."""
    url = postgres.fresh("template0")
    yield url
    postgres.drop(url)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """A gateway on a file, where somebody has had five answers."""
    made = Hub(tmp_path / "hub").start()
    yield made
    if made.process is not None:
        made.stop()


def fill(hub: Hub) -> str:
    """The key of somebody who has had five answers."""
    _, key = newcomer(hub, 100)
    for number in range(5):
        assert OPENAI.ask(hub, key, f"hello {number}", model="echo").status == 200
    return key


def sqlite_do(hub: Hub, script: str) -> None:
    with closing(sqlite3.connect(hub.folder / "tollway.db")) as file:
        file.executescript(script)
        file.commit()


def on(hub: Hub, url: str) -> Hub:
    """The same data folder, its books elsewhere."""
    return Hub(hub.folder, {**hub.environ, "TOLLWAY_DATABASE_URL": url})


def contents(hub: Hub) -> dict[str, Counter[Any]]:
    """Every row of every table; but not what tells of the schema itself."""
    return {
        table: Counter(repr(row) for row in hub.rows(f"SELECT {columns(hub, table)} FROM {table}"))
        for table in hub.tables()
        if table not in ("alembic_version", "sqlite_sequence")
    }


def columns(hub: Hub, table: str) -> str:
    """Their names in one order, whatever the database's."""
    if hub.environ.get("TOLLWAY_DATABASE_URL"):
        found = hub.rows(f"SELECT column_name FROM information_schema.columns WHERE table_name = '{table}'")
    else:
        found = [(row[1],) for row in hub.rows(f"PRAGMA table_info({table})")]
    return ", ".join(sorted(name for (name,) in found))


def refused(hub: Hub, *words: str) -> str:
    """What `tollway migrate` says when it does not."""
    done = subprocess.run(
        [sys.executable, "-m", "tollway", "migrate", *words], env=hub._env(), capture_output=True, text=True, timeout=60
    )
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_filled_hub_moves_to_postgresql_and_back_row_for_row(hub: Hub, target: str) -> None:
    key = fill(hub)
    balance = left(hub, key)
    hub.stop()
    sqlite_do(hub, MONTH)
    told = hub.tollway("migrate", "--to", "postgresql", target)
    before, moved = contents(hub), on(hub, target)
    assert contents(moved) == before
    assert told["moved"] == {table: rows.total() for table, rows in before.items()}
    assert moved.rows("SELECT indexdef FROM pg_indexes WHERE indexname = 'receipts_209901_by_at'")
    assert moved.audit() == []
    moved.start()
    assert left(moved, key) == balance
    heard = OPENAI.ask(moved, key, "still me", model="echo")
    assert heard.status == 200
    assert newcomer(moved, 1), "numbers go on after the highest that arrived"
    moved.stop()
    back = on(hub, f"sqlite:///{hub.folder}/back.db")
    moved.tollway("migrate", "--to", back.environ["TOLLWAY_DATABASE_URL"])
    (hub.folder / "tollway.db").unlink()
    (hub.folder / "back.db").rename(hub.folder / "tollway.db")
    assert contents(hub) == contents(moved)
    assert hub.audit() == []
    hub.start()
    assert hub.receipt(heard.id, key)["charge"]["nano_usd"] >= 0


def test_what_a_killed_gateway_left_in_its_journal_is_moved_too(hub: Hub, target: str) -> None:
    key = fill(hub)
    for number in range(20):
        assert OPENAI.ask(hub, key, f"last words {number}", model="echo").status == 200
    hub.stop(signal.SIGKILL)
    hub.tollway("migrate", "--to", target)
    moved = on(hub, target)
    assert not [file for file in (hub.folder / "journal").iterdir() if file.stat().st_size]
    assert moved.audit() == []
    assert contents(moved) == contents(hub)
    counted = [table for table in moved.tables() if table.startswith("receipts")]
    assert sum(moved.rows(f"SELECT count(*) FROM {table}")[0][0] for table in counted) == 25


def test_a_gateway_that_runs_on_the_source_is_in_the_way(hub: Hub, target: str, tmp_path: Path) -> None:
    assert "another tollway serves from" in refused(hub, "--to", target)
    hub.stop()
    elsewhere = Hub(tmp_path / "elsewhere", {"TOLLWAY_DATABASE_URL": target}).start()
    try:
        beside = Hub(tmp_path / "beside", elsewhere.environ).laid()
        assert "another tollway uses the database" in refused(beside, "--to", f"sqlite:///{tmp_path}/x.db")
        assert "the target is not empty" in refused(hub, "--to", target)
    finally:
        elsewhere.stop()


def test_what_the_target_does_not_take_stops_everything(hub: Hub, target: str) -> None:
    hub.stop()
    sqlite_do(hub, "INSERT INTO meta VALUES ('nul', 'a' || char(0) || 'b')")
    assert "nothing was moved" in refused(hub, "--to", target)
    assert on(hub, target).rows("SELECT * FROM users") == []
    sqlite_do(hub, "DELETE FROM meta WHERE name = 'nul'; UPDATE accounts SET balance = balance + 1 WHERE id = 2")
    assert "not exact" in refused(hub, "--to", target)
    assert on(hub, target).rows("SELECT * FROM users") == []


class Moving(NamedTuple):
    """A move of a hub's data to a new database, which takes its time."""

    hub: Hub
    url: str

    @property
    def half(self) -> Hub:
        """The target."""
        return on(self.hub, self.url)

    def send(self, how: signal.Signals) -> tuple[int, str]:
        """Begin, and send the signal in the midst of it: exit code, and what was said."""
        words = [sys.executable, "-m", "tollway", "migrate", "--to", self.url]
        with subprocess.Popen(words, env=self.hub._env(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as moving:
            deadline = time.monotonic() + 60
            while not self._arriving():
                assert moving.poll() is None, "it was over before it could be ended"
                assert time.monotonic() < deadline
                time.sleep(0.001)
            os.kill(moving.pid, how)
            said = moving.communicate(timeout=60)[1].decode()
        return moving.returncode, said

    def _arriving(self) -> bool:
        if self.url.startswith("postgresql"):
            return bool(self.half.rows("SELECT 1 FROM pg_stat_activity WHERE query LIKE 'INSERT INTO meta%'"))
        log = self.hub.folder / "other.db-wal"
        return log.exists() and log.stat().st_size > 3e5

    def nothing_arrived(self) -> bool:
        """A schema, and not a row in it."""
        if self.url.startswith("postgresql"):
            return self.half.rows("SELECT count(*) FROM users") == self.half.rows("SELECT count(*) FROM meta") == [(0,)]
        with closing(sqlite3.connect(self.hub.folder / "other.db")) as file:
            return bool(file.execute("SELECT count(*) FROM users").fetchall() == [(0,)])


@pytest.fixture(params=["postgresql", "sqlite"])
def moving(request: pytest.FixtureRequest, hub: Hub) -> Moving:
    """A filled hub that stands still, and where it shall go."""
    fill(hub)
    hub.stop()
    sqlite_do(hub, BULK)
    here = f"sqlite:///{hub.folder}/other.db"
    return Moving(hub, here if request.param == "sqlite" else request.getfixturevalue("target"))


def test_a_move_killed_in_the_middle_leaves_nothing_half_done_and_may_be_tried_again(moving: Moving) -> None:
    moving.send(signal.SIGKILL)
    assert moving.nothing_arrived()
    assert moving.hub.audit() == []
    moving.hub.tollway("migrate", "--to", moving.url)
    if moving.url.startswith("postgresql"):
        assert contents(moving.half) == contents(moving.hub)
    assert moving.half.audit() == []


def test_a_move_ended_by_ctrl_c_says_that_nothing_was_moved_and_nothing_is(moving: Moving) -> None:
    before = contents(moving.hub)
    code, said = moving.send(signal.SIGINT)
    assert code == 130
    assert "stopped: nothing was moved" in said
    assert "Traceback" not in said
    assert moving.nothing_arrived()
    after = contents(moving.hub)
    assert {**after, "locks": None} == {**before, "locks": None}
    moving.hub.tollway("migrate", "--to", moving.url)
    assert moving.half.audit() == []


def test_forward_only_says_from_where_to_where(tmp_path: Path) -> None:
    hub = Hub(tmp_path / "hub").laid()
    first = hub.tollway("migrate")
    assert first["from"] is None
    assert hub.tollway("migrate") == {"from": first["to"], "to": first["to"]}


def test_a_url_that_makes_no_sense_is_refused_with_what_would(hub: Hub) -> None:
    hub.stop()
    assert "use sqlite:// or postgresql://" in refused(hub, "--to", "mysql://x/y")
    assert "--to postgresql needs a URL" in refused(hub, "--to", "postgresql")
    assert "the URL is one of sqlite" in refused(hub, "--to", "postgresql", "sqlite:///x.db")
    assert "the database in use now" in refused(hub, "--to", f"sqlite:///{hub.folder}/tollway.db")
    assert "tollway migrate --to URL" in refused(hub, "sqlite:///x.db")
    assert json.loads((hub.folder / "first-run.json").read_text())
