"""All SQL of the metrics: how many users there are, and who costs most."""

from tollway.gateway.metrics.standing import Spender, UsersNow
from tollway.ports import Transaction

MONTH_DAYS = 30
MOST_SPENDERS = 20


def users(tx: Transaction, day: int) -> UsersNow:
    """The users on `day` (days since 1970, UTC)."""
    total = int(tx.run("SELECT COUNT(*) FROM users")[0][0])
    active = "SELECT COUNT(DISTINCT user_id) FROM usage_daily WHERE day BETWEEN :first AND :last"
    daily = int(tx.run(active, first=day, last=day)[0][0])
    monthly = int(tx.run(active, first=day - MONTH_DAYS + 1, last=day)[0][0])
    rows = tx.run(
        "SELECT u.user_id, p.plan, CAST(SUM(u.cost) AS BIGINT) FROM usage_daily u JOIN users p ON p.id = u.user_id"
        " WHERE u.day = :day GROUP BY u.user_id, p.plan ORDER BY 3 DESC, 1 LIMIT :most",
        day=day,
        most=MOST_SPENDERS,
    )
    return UsersNow(total, daily, monthly, [Spender(str(user), str(plan), int(cost)) for user, plan, cost in rows])


def answers(tx: Transaction) -> None:
    """Raises Unavailable when it does not."""
    tx.run("SELECT 1")
