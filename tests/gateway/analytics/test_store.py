"""Figures are sums of the daily sums, whatever the day, the user, the model and the key."""

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tollway.backends import sql
from tollway.core.ids import UserId
from tollway.gateway.analytics import store
from tollway.gateway.analytics.periods import DAY_S, day_of, latest, month_of, written
from tollway.ports import Database, Transaction

ANN, BOB = UserId("usr_ann"), UserId("usr_bob")
ROWS = [
    # user, day, model, key, requests, charge, cost, input, output
    (ANN, 100, "echo", "key_1", 1, 10, 7, 100, 5),
    (ANN, 100, "echo", "key_2", 2, 20, 14, 200, 6),
    (ANN, 101, "haiku", "key_1", 4, 400, 280, 300, 7),
    (BOB, 101, "echo", "key_3", 8, 80, 56, 400, 8),
    (BOB, 99, "haiku", "key_3", 16, 160, 112, 500, 9),
]


@pytest.fixture
async def database(database_url: str, tmp_path: Path) -> AsyncIterator[Database]:
    opened = sql.open(database_url, tmp_path)
    await opened.migrate()

    def work(tx: Transaction) -> None:
        into = "INSERT INTO usage_daily VALUES (:a, :b, :c, :d, :e, :f, :g, :h, :i)"
        tx.many(into, [dict(zip("abcdefghi", row, strict=True)) for row in ROWS])
        for who, plan in ((ANN, "pro"), (BOB, "free")):
            tx.run(
                "INSERT INTO users (id, email, plan, admin, created_at) VALUES (:id, :id, :plan, 0, 0)",
                id=who, plan=plan,
            )  # fmt: skip

    await opened.write(work)
    yield opened
    await opened.close()


async def test_a_user_sees_his_own_since_a_day_dearest_first(database: Database) -> None:
    found = await database.read(lambda tx: store.by_model(tx, 100, user=ANN))
    assert found == [("haiku", 4, 400, 280, 300, 7), ("echo", 3, 30, 21, 300, 11)]
    assert await database.read(lambda tx: store.by_model(tx, 102, user=ANN)) == []


async def test_everybodys_use_adds_up_by_model_by_day_and_by_plan(database: Database) -> None:
    models = await database.read(lambda tx: store.by_model(tx, 99, 101))
    days = await database.read(lambda tx: store.by_day(tx, 99, 101))
    plans = await database.read(lambda tx: store.by_plan(tx, 99, 101))
    total = Counter(requests=sum(row[4] for row in ROWS), charge=sum(row[5] for row in ROWS))
    for rows in (models, days):
        assert sum(row.requests for row in rows) == total["requests"]
        assert sum(row.charge for row in rows) == total["charge"]
    assert [(row.day, row.active_users) for row in days] == [(99, 1), (100, 1), (101, 2)]
    assert plans == [("pro", 1, 7, 430), ("free", 1, 24, 240)]
    assert await database.read(lambda tx: store.active_users(tx, 100, 100)) == 1


def test_days_and_months_are_those_of_utc() -> None:
    assert (day_of(0), day_of(DAY_S - 0.001), day_of(DAY_S)) == (0, 0, 1)
    assert written(0) == "1970-01-01"
    begins, ends = month_of(1_795_270_000.0)
    assert (written(day_of(begins)), written(day_of(ends))) == ("2026-11-01", "2026-12-01")
    assert latest(7, 10 * DAY_S + 5) == (4, 10)
