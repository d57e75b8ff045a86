"""Receipts by month: a table for each, named by the time in the call's id, made when its first call is settled."""

import functools
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from tollway.core.ids import CallId, UserId
from tollway.core.receipt import Receipt
from tollway.gateway.ledger.store.accounts import ENTRY, numbers
from tollway.ports import Transaction

READ = msgspec.json.Decoder(Receipt).decode
TIMELESS = "000000"
"""Where calls are kept whose id does not say when it was made; never dropped."""
TABLES = (
    "CREATE TABLE IF NOT EXISTS receipts_{month} (call_id TEXT PRIMARY KEY, user_id TEXT NOT NULL,"
    " key_id TEXT NOT NULL, at DOUBLE PRECISION NOT NULL, charge BIGINT NOT NULL, cost BIGINT NOT NULL,"
    " reason TEXT NOT NULL, entry_id BIGINT NOT NULL, account_id BIGINT, body TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS receipts_{month}_by_user ON receipts_{month} (user_id, at)",
    "CREATE TABLE IF NOT EXISTS splits_{month} (call_id TEXT NOT NULL, place INTEGER NOT NULL,"
    " account_id BIGINT NOT NULL, amount BIGINT NOT NULL, PRIMARY KEY (call_id, place))",
)


def month_of(call: str) -> str:
    """The month (`202611`, UTC) in which a call is kept, by the UUIDv7 in its id."""
    if len(call) != 40 or call[18] != "7":
        return TIMELESS
    try:
        first, last = _months(call[4:12])
        return first if first == last else _month(int(call[4:12] + call[13:17], 16))
    except ValueError:
        return TIMELESS


@functools.lru_cache(maxsize=1024)
def _months(high: str) -> tuple[str, str]:
    """The months of the first and the last of the 65,536 milliseconds that begin with these eight digits."""
    begins = int(high, 16) << 16
    return _month(begins), _month(begins + 0xFFFF)


def _month(ms: int) -> str:
    at = datetime.fromtimestamp(ms / 1000, UTC)
    return f"{at:%Y%m}" if 2020 <= at.year < 2100 else TIMELESS


def tables(tx: Transaction) -> list[str]:
    """The months of which receipts are kept, newest first."""
    return [str(row[0]) for row in tx.run("SELECT month FROM months ORDER BY month DESC")]


def kept(tx: Transaction, month: str) -> bool:
    """Whether there are tables for the month."""
    return bool(tx.run("SELECT 1 FROM months WHERE month = :month", month=month))


def open_month(tx: Transaction, month: str) -> bool:
    """See to it that the month has its tables; False when they were dropped for good.

    The `entry` counter must be locked: then no other transaction makes or drops tables at the same time.
    """
    if kept(tx, month):
        return True
    if tx.run("SELECT 1 FROM closed_months WHERE month = :month LIMIT 1", month=month):
        return False
    tx.run("INSERT INTO months (month) VALUES (:month)", month=month)
    for statement in TABLES:
        tx.run(statement.format(month=month))
    return True


def row_of(tx: Transaction, call: str, columns: str) -> tuple[Any, ...] | None:
    """These columns of a call's receipt."""
    month = month_of(call)
    if not kept(tx, month):
        return None
    rows = tx.run(f"SELECT {columns} FROM receipts_{month} WHERE call_id = :call", call=call)
    return rows[0] if rows else None


def receipt(tx: Transaction, call: CallId, user: UserId | None) -> Receipt | None:
    """A call's receipt, for its own user, or for anybody when None."""
    row = row_of(tx, call, "user_id, body")
    return READ(row[1]) if row is not None and user in (None, row[0]) else None


class Paid(NamedTuple):
    """Where a call's charge came from."""

    user: UserId
    parts: list[tuple[int, int]]
    """(account, amount) in the order in which they were spent; nothing for a free call."""


def paid_by(tx: Transaction, call: CallId) -> Paid | None:
    """Who paid for a call, and out of which pots; None when it has no receipt."""
    row = row_of(tx, call, "user_id, charge, account_id")
    if row is None:
        return None
    user, charge, account = row
    if account is not None:
        return Paid(user, [(account, charge)])
    splits = f"SELECT account_id, amount FROM splits_{month_of(call)} WHERE call_id = :call ORDER BY place"
    return Paid(user, [(part[0], part[1]) for part in tx.run(splits, call=call)])


def drop_months(tx: Transaction, before: str, most: int | None = None) -> list[str]:
    """Drop the receipts of the oldest `most` months, or of every month, before `before` (`202601`); which ones.

    What was in them stays in the books as sums for each user, so that the audit remains exact.
    """
    numbers(tx, ENTRY, 0)
    old = [month for month in tables(tx) if TIMELESS < month < before]
    dropped = old if most is None else old[-most:]
    for month in dropped:
        tx.run(
            "INSERT INTO closed_months (month, user_id, requests, charge, cost)"
            f" SELECT :month, user_id, COUNT(*), SUM(charge), SUM(cost) FROM receipts_{month} GROUP BY user_id",
            month=month,
        )
        # So that a month is closed even if it was empty.
        tx.run(
            "INSERT INTO closed_months (month, user_id, requests, charge, cost) VALUES (:month, '', 0, 0, 0)",
            month=month,
        )
        tx.run("DELETE FROM months WHERE month = :month", month=month)
        for table in ("receipts", "splits"):
            tx.run(f"DROP TABLE {table}_{month}")
    return dropped
