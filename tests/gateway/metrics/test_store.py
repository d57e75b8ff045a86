"""The figures of users, on both databases."""

from pathlib import Path

from tollway.backends import sql
from tollway.gateway.metrics import store
from tollway.gateway.metrics.standing import Spender
from tollway.ports import Transaction


async def test_users_are_those_there_are_and_spenders_those_of_today_dearest_first(
    database_url: str, tmp_path: Path
) -> None:
    database = sql.open(database_url, tmp_path)
    await database.migrate()

    def fill(tx: Transaction) -> None:
        into = "INSERT INTO usage_daily VALUES (:a, :b, :c, :d, 1, 9, :e, 1, 1)"
        for at in range(40):
            name = f"usr_{at:02d}"
            tx.run(
                "INSERT INTO users (id, email, plan, admin, created_at) VALUES (:id, :id, :plan, 0, 0)",
                id=name, plan="pro" if at % 2 else "free",
            )  # fmt: skip
            day = 100 if at < 30 else 71 if at < 35 else 70
            for model in ("echo", "haiku"):
                tx.run(into, a=name, b=day, c=model, d="key_1", e=at * 10)

    try:
        await database.write(fill)
        found = await database.read(lambda tx: store.users(tx, 100))
        assert (found.total, found.daily, found.monthly) == (40, 30, 35)
        assert len(found.spenders) == store.MOST_SPENDERS
        assert found.spenders[:2] == [Spender("usr_29", "pro", 580), Spender("usr_28", "free", 560)]
        await database.read(store.answers)
    finally:
        await database.close()
