"""Books that the first version left behind are brought forward with everything in them.

`books_0001.json` was written by that version: grants of all kinds, calls of three months, two open leases, a late call
and overruns.
"""

import importlib
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.gateway.ledger.store.desk import Desk, ended
from tests.postgres import Postgres
from tollway.backends import sql
from tollway.backends.sql import migrations, postgresql, sqlite
from tollway.backends.sql.engine import Engine
from tollway.core.ids import CallId
from tollway.core.receipt import Receipt
from tollway.gateway.ledger import store
from tollway.ports import Transaction

OLD: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "books_0001.json").read_text())
SOURCES = ("plan", "promo", "topup")


def old_rows(table: str) -> list[dict[str, Any]]:
    return [dict(zip(OLD[table]["columns"], row, strict=True)) for row in OLD[table]["rows"]]


def old_balances() -> Counter[tuple[str, str]]:
    """What each user had in each kind of credit, with what open leases would have given back, last-taken first."""
    had: Counter[tuple[str, str]] = Counter()
    for row in old_rows("accounts"):
        if row["kind"] in SOURCES:
            had[row["owner"], row["kind"]] += row["balance"]
    for row in old_rows("leases"):
        rest = sum(row[f"from_{kind}"] for kind in SOURCES) - row["spent"] if row["state"] == "open" else 0
        for kind in reversed(SOURCES):
            back = min(rest, row[f"from_{kind}"])
            had[row["user_id"], kind] += back
            rest -= back
    return had


def first_version(engine: Engine) -> None:
    """An empty database with the schema of the first version."""
    made = importlib.import_module("sqlalchemy").create_engine(engine.url)
    config = importlib.import_module("alembic.config").Config()
    config.set_main_option("script_location", str(migrations.MIGRATIONS))
    with made.begin() as connection:
        config.attributes["connection"] = connection
        importlib.import_module("alembic.command").upgrade(config, "0001")
    made.dispose()


def fill(tx: Transaction, shift: int) -> None:
    """The old rows. PostgreSQL numbered users' accounts from 101, SQLite from 6."""
    for table in OLD:
        tx.run(f"DELETE FROM {table}")
        rows = old_rows(table)
        for row in rows:
            for name in {"accounts": ["id"], "postings": ["account_id"], "leases": ["account_id"]}.get(table, []):
                row[name] += shift if row[name] > 5 else 0
        names = OLD[table]["columns"]
        columns, places = ", ".join(f'"{name}"' for name in names), ", ".join(f":{name}" for name in names)
        tx.many(f"INSERT INTO {table} ({columns}) VALUES ({places})", rows)


@pytest.fixture(params=["sqlite", "postgresql"])
async def old(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Desk]:
    """The first version's books, on each database in turn."""
    if request.param == "sqlite":
        url, shift = "sqlite://", 0
        first_version(sqlite.engine(tmp_path / "tollway.db"))
    else:
        server: Postgres = request.getfixturevalue("postgres")
        url, shift = server.fresh("template0"), 100
        first_version(postgresql.engine(postgresql.address(url)))
    database = sql.open(url, tmp_path)
    await database.write(lambda tx: fill(tx, shift))
    if shift:
        last = max(row["id"] for row in old_rows("accounts")) + shift
        await database.write(lambda tx: tx.run(f"ALTER TABLE accounts ALTER COLUMN id RESTART WITH {last + 1}"))
    yield Desk(database)
    await database.close()


async def test_the_books_are_exact_afterwards_and_everybody_has_what_he_had(old: Desk) -> None:
    await old.database.migrate()
    assert await old.differences() == []
    now = await old.look("SELECT owner, kind, balance FROM accounts WHERE kind IN ('plan', 'promo', 'topup')")
    assert Counter({(owner, kind): balance for owner, kind, balance in now}) == old_balances()
    hub = {row["kind"]: row["balance"] for row in old_rows("accounts") if row["owner"] == "hub"}
    moved = await old.look("SELECT kind, balance FROM accounts WHERE owner = 'hub' ORDER BY id")
    assert dict(moved) == hub | {"allowed": 0, "used": 0}
    assert await old.look("SELECT COUNT(*) FROM leases") == [(0,)]


async def test_every_receipt_is_found_and_says_which_pots_paid(old: Desk) -> None:
    await old.database.migrate()
    paid: Counter[str] = Counter()
    for row in old_rows("receipts"):
        call, user = CallId(row["call_id"]), row["user_id"]
        found = await old.database.read(lambda tx, call=call, user=user: store.receipt(tx, call, user))
        assert found == msgspec.json.decode(row["body"], type=Receipt)
        parts = await old.database.read(lambda tx, call=call: store.paid_by(tx, call))
        assert parts is not None and sum(amount for _, amount in parts.parts) == row["charge"]
        paid[user] += row["charge"]
    tables = await old.database.read(store.months)
    assert tables == ["202611", "202610", "202609", "000000"]
    daily = await old.look("SELECT user_id, SUM(charge), SUM(requests), SUM(output_tokens) FROM usage_daily GROUP BY 1")
    for user, charge, requests, tokens in daily:
        rows = [row for row in old_rows("receipts") if row["user_id"] == user]
        assert (charge, requests) == (paid[str(user)], len(rows))
        assert tokens == 3 * sum(row["charge"] > 0 for row in rows)


async def test_what_was_written_stays_readable_and_one_entry_undoes_it(old: Desk) -> None:
    await old.database.migrate()
    kinds = dict(await old.look("SELECT kind, COUNT(*) FROM entries GROUP BY kind"))
    were = Counter(row["kind"] for row in old_rows("entries"))
    assert kinds == {"grant": were.pop("grant"), "migrate": 1, "settle": 4} | {
        f"old_{kind}": count for kind, count in were.items()
    }


async def test_life_goes_on_in_the_new_shape(old: Desk) -> None:
    await old.database.migrate()
    had = await old.left("usr_ann")
    lease = await old.lease(500)
    call = ended((lease,), 300, cost=10)
    await old.settle(call)
    await old.grant(70, "promo", ref="after")
    assert not await old.grant(70, ref="usr_ann/topup")
    await old.refund(call, 100)
    assert await old.left("usr_ann") == had - 300 + 70 + 100
    old_call = next(row for row in old_rows("receipts") if row["charge"] == 300)
    asked = store.Refund(CallId(old_call["call_id"]), None, "test", "sorry", "r", old.now_s)
    assert await old.do(lambda tx: store.refund(tx, asked)) == 300
    await old.do(lambda tx: store.drop_months(tx, "202611"))
    assert await old.differences() == []


async def test_bringing_it_forward_twice_changes_nothing(old: Desk) -> None:
    await old.database.migrate()
    before = await old.look("SELECT * FROM accounts ORDER BY id")
    await old.database.migrate()
    assert await old.look("SELECT * FROM accounts ORDER BY id") == before


async def test_books_that_were_wrong_are_brought_forward_and_still_said_to_be_wrong(old: Desk) -> None:
    await old.do(lambda tx: tx.run("UPDATE receipts SET charge = charge + 9000 WHERE user_id = 'usr_eve'"))
    await old.database.migrate()
    assert any("usr_eve" in difference for difference in await old.differences())
