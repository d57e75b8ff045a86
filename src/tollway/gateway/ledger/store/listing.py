"""Lists a user's receipts through the months' tables, newest first."""

from tollway.core.ids import CallId, UserId
from tollway.core.receipt import Receipt
from tollway.gateway.ledger.store.months import READ, month_of, row_of, tables
from tollway.ports import Transaction

OLDER = " AND at <= :at AND (at < :at OR call_id < :call)"
NEWEST = "ORDER BY at DESC, call_id DESC"


def receipts(tx: Transaction, user: UserId, limit: int, before: CallId | None = None) -> list[Receipt] | None:
    """At most `limit` receipts of a user, from the one before `before` on; None when that is no call of his.

    Looks into as few months as it takes to find so many.
    """
    months, at, call = tables(tx), None, None
    if before is not None:
        row = row_of(tx, before, "user_id, at")
        if row is None or row[0] != user:
            return None
        at, call = row[1], before
        months = [month for month in months if month <= month_of(before)]
    found: list[Receipt] = []
    for month in months:
        older, place = ("", {}) if at is None else (OLDER, {"at": at, "call": call})
        mine = f"SELECT body FROM receipts_{month} WHERE user_id = :user{older}"
        rows = tx.run(f"{mine} {NEWEST} LIMIT :limit", user=user, limit=limit - len(found), **place)
        found += [READ(row[0]) for row in rows]
        if len(found) >= limit:
            break
    return found
