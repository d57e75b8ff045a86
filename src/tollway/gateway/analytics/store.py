"""All SQL of the figures; it reads sums by day, never single calls."""

from typing import NamedTuple

from tollway.core.ids import UserId
from tollway.ports import Transaction

NEVER = 1 << 30
"""A day that does not come: no end."""


class Used(NamedTuple):
    """What was used of one model."""

    model: str
    requests: int
    charge: int
    """Nano-dollars."""
    cost: int
    """Nano-dollars that the providers take."""
    input_tokens: int
    output_tokens: int


class DayUse(NamedTuple):
    """What was used on one day."""

    day: int
    """Days since 1970, UTC."""
    requests: int
    charge: int
    active_users: int


def _sum(column: str) -> str:
    return f"CAST(SUM({column}) AS BIGINT)"


_SUMS = ", ".join(_sum(f"u.{column}") for column in ("requests", "charge", "cost", "input_tokens", "output_tokens"))


def by_model(tx: Transaction, first_day: int, last_day: int = NEVER, user: UserId | None = None) -> list[Used]:
    """What was used of each model in those days, by everybody or by one user, dearest first."""
    whose = "" if user is None else " AND u.user_id = :user"
    rows = tx.run(
        f"SELECT u.model, {_SUMS} FROM usage_daily u WHERE u.day BETWEEN :first AND :last{whose}"
        " GROUP BY u.model ORDER BY 3 DESC, 1",
        first=first_day,
        last=last_day,
        **({} if user is None else {"user": user}),
    )
    return [Used(*row) for row in rows]


def by_day(tx: Transaction, first_day: int, last_day: int) -> list[DayUse]:
    """What everybody used on each of those days on which anybody did."""
    rows = tx.run(
        f"SELECT day, {_sum('requests')}, {_sum('charge')}, COUNT(DISTINCT user_id) FROM usage_daily"
        " WHERE day BETWEEN :first AND :last GROUP BY day ORDER BY day",
        first=first_day,
        last=last_day,
    )
    return [DayUse(*row) for row in rows]


def by_plan(tx: Transaction, first_day: int, last_day: int) -> list[tuple[str, int, int, int]]:
    """(plan, users, requests, charge) in those days, by the plan the users have now."""
    rows = tx.run(
        f"SELECT p.plan, COUNT(DISTINCT u.user_id), {_sum('u.requests')}, {_sum('u.charge')} FROM usage_daily u"
        " JOIN users p ON p.id = u.user_id WHERE u.day BETWEEN :first AND :last GROUP BY p.plan ORDER BY 4 DESC, 1",
        first=first_day,
        last=last_day,
    )
    return [(str(plan), users, requests, charge) for plan, users, requests, charge in rows]


def active_users(tx: Transaction, first_day: int, last_day: int) -> int:
    """How many users made a call in those days."""
    sql = "SELECT COUNT(DISTINCT user_id) FROM usage_daily WHERE day BETWEEN :first AND :last"
    return int(tx.run(sql, first=first_day, last=last_day)[0][0])
