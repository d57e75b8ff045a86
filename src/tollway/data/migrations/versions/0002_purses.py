"""Leases reserve and move nothing; receipts live in a table for each month; plans, budgets and daily usage have places.

What calls moved in the old books is kept as it was written, undone by one entry and written anew in the new shape:
one entry for each month's calls, each call paid out of the pots that its user's leases had drawn on.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

OLD_KINDS = "('lease', 'return', 'expire', 'settle', 'late', 'cost', 'overrun')"
SOURCES = ("plan", "promo", "topup")
REVENUE, PROVIDER_COST, PROVIDER_PAYABLE, ABSORBED_LOSS, ALLOWED, USED = 2, 3, 4, 5, 6, 7
CHUNK = 1_000
DAY_S = 86_400
RECEIPTS = (
    "CREATE TABLE receipts_{month} (call_id TEXT PRIMARY KEY, user_id TEXT NOT NULL,"
    " key_id TEXT NOT NULL, at DOUBLE PRECISION NOT NULL, charge BIGINT NOT NULL, cost BIGINT NOT NULL,"
    " reason TEXT NOT NULL, entry_id BIGINT NOT NULL, account_id BIGINT, body TEXT NOT NULL)",
    "CREATE INDEX receipts_{month}_by_user ON receipts_{month} (user_id, at)",
    "CREATE TABLE splits_{month} (call_id TEXT NOT NULL, place INTEGER NOT NULL,"
    " account_id BIGINT NOT NULL, amount BIGINT NOT NULL, PRIMARY KEY (call_id, place))",
)
"""A month's tables as the ledger made them when this migration was written."""
TABLES = (
    "CREATE TABLE purses (owner TEXT PRIMARY KEY, reserved BIGINT NOT NULL DEFAULT 0,"
    " allowed BIGINT NOT NULL DEFAULT 0, recalled_at DOUBLE PRECISION NOT NULL DEFAULT 0,"
    " CONSTRAINT never_reserved_below_zero CHECK (reserved >= 0))",
    "CREATE TABLE leases (id TEXT PRIMARY KEY, owner TEXT NOT NULL, process TEXT NOT NULL, fence BIGINT NOT NULL,"
    " taken BIGINT NOT NULL, spent BIGINT NOT NULL DEFAULT 0, expires_at DOUBLE PRECISION NOT NULL,"
    " CONSTRAINT spent_within_lease CHECK (taken >= spent))",
    "CREATE INDEX leases_by_owner ON leases (owner)",
    "CREATE INDEX leases_by_process ON leases (process)",
    "CREATE INDEX leases_by_expiry ON leases (expires_at)",
    "CREATE TABLE allowances (owner TEXT PRIMARY KEY, plan TEXT NOT NULL, amount BIGINT NOT NULL,"
    " anchor_at DOUBLE PRECISION NOT NULL, cycle_start DOUBLE PRECISION NOT NULL, cycle_end DOUBLE PRECISION NOT NULL)",
    "CREATE INDEX allowances_by_end ON allowances (cycle_end)",
    "CREATE TABLE locks (name TEXT PRIMARY KEY, holder TEXT NOT NULL, until DOUBLE PRECISION NOT NULL)",
    "CREATE TABLE months (month TEXT PRIMARY KEY)",
    "CREATE TABLE closed_months (month TEXT NOT NULL, user_id TEXT NOT NULL, requests BIGINT NOT NULL,"
    " charge BIGINT NOT NULL, cost BIGINT NOT NULL, PRIMARY KEY (month, user_id))",
    "CREATE TABLE usage_daily (user_id TEXT NOT NULL, day INTEGER NOT NULL, model TEXT NOT NULL, key_id TEXT NOT NULL,"
    " requests BIGINT NOT NULL, charge BIGINT NOT NULL, cost BIGINT NOT NULL, input_tokens BIGINT NOT NULL,"
    " output_tokens BIGINT NOT NULL, PRIMARY KEY (user_id, day, model, key_id))",
    "CREATE TABLE refunds (entry_id BIGINT PRIMARY KEY, call_id TEXT NOT NULL, amount BIGINT NOT NULL)",
    "CREATE INDEX refunds_by_call ON refunds (call_id)",
    "CREATE INDEX postings_by_account ON postings (account_id)",
    "CREATE INDEX pots_by_owner ON accounts (owner) WHERE balance > 0",
    "CREATE INDEX expiring_pots ON accounts (expires_at) WHERE expires_at IS NOT NULL AND balance > 0",
    "CREATE UNIQUE INDEX one_per_reference ON entries (kind, ref) WHERE kind IN ('grant', 'refund')",
)


def upgrade() -> None:
    """Make the new tables and move what the old ones hold."""
    _label_accounts()
    op.execute("DROP INDEX one_grant_per_reference")
    unspent = _unspent_by_pot()
    op.execute("DROP TABLE leases")
    for statement in TABLES:
        op.execute(statement)
    _move_calls(unspent)
    op.execute("DROP TABLE receipts")
    op.execute(
        "UPDATE accounts SET balance ="
        " COALESCE((SELECT SUM(p.amount) FROM postings p WHERE p.account_id = accounts.id), 0)"
    )


def _label_accounts() -> None:
    """Give accounts labels and an end, and make room for two more of the hub's own."""
    run = op.get_bind().exec_driver_sql
    if op.get_bind().dialect.name == "sqlite":
        run(
            "CREATE TABLE labelled (id INTEGER PRIMARY KEY, owner TEXT NOT NULL, kind TEXT NOT NULL,"
            " label TEXT NOT NULL DEFAULT '', expires_at DOUBLE PRECISION, balance BIGINT NOT NULL DEFAULT 0,"
            " UNIQUE (owner, kind, label), CONSTRAINT never_overdrawn CHECK (balance >= 0 OR owner = 'hub'))"
        )
        run("INSERT INTO labelled (id, owner, kind, balance) SELECT id, owner, kind, balance FROM accounts")
        run("DROP TABLE accounts")
        run("ALTER TABLE labelled RENAME TO accounts")
    else:
        run(
            "ALTER TABLE accounts ADD COLUMN label TEXT NOT NULL DEFAULT '', ADD COLUMN expires_at DOUBLE PRECISION,"
            " DROP CONSTRAINT accounts_owner_kind_key, ADD UNIQUE (owner, kind, label)"
        )
    for number, kind in ((ALLOWED, "allowed"), (USED, "used")):
        if run(f"SELECT 1 FROM accounts WHERE id = {number}").first():
            free = max(101, run("SELECT MAX(id) + 1 FROM accounts").scalar_one())
            run(f"UPDATE accounts SET id = {free} WHERE id = {number}")
            for table in ("postings", "leases"):
                run(f"UPDATE {table} SET account_id = {free} WHERE account_id = {number}")
        run(f"INSERT INTO accounts (id, owner, kind) VALUES ({number}, 'hub', '{kind}')")


def _unspent_by_pot() -> Counter[tuple[str, str]]:
    """What open leases give back to (user, kind): what was taken last comes back first."""
    back: Counter[tuple[str, str]] = Counter()
    leases = "SELECT user_id, from_plan, from_promo, from_topup, spent FROM leases WHERE state = 'open'"
    for user, *taken, spent in op.get_bind().exec_driver_sql(leases):
        rest = sum(taken) - spent
        for kind, amount in zip(reversed(SOURCES), reversed(taken), strict=True):
            part = min(rest, amount)
            back[user, kind] += part
            rest -= part
    return back


class Pot:
    """What the calls of a user took out of one pot in all, while each is given its share again."""

    def __init__(self, account: int, left: int) -> None:
        self.account, self.left = account, left


class Call(NamedTuple):
    """An old receipt."""

    id: str
    user: str
    key: str
    at: float
    charge: int
    cost: int
    reason: str
    body: str


def _move_calls(unspent: Counter[tuple[str, str]]) -> None:
    pots = _pots(unspent)
    _undo_old_entries()
    month_books: dict[str, Month] = {}
    daily: dict[tuple[str, int, str, str], list[int]] = {}
    for calls in _old_calls():
        for call in calls:
            name = _month_of(call.id)
            if name not in month_books:
                month_books[name] = Month(name)
            month_books[name].add(call, pots.get(call.user, []), daily)
        for month in month_books.values():
            month.write()
    for month in month_books.values():
        month.close()
    into = "INSERT INTO usage_daily VALUES (:user, :day, :model, :key, :n, :charge, :cost, :input, :output)"
    names = ("n", "charge", "cost", "input", "output")
    rows = [
        {"user": user, "day": day, "model": model, "key": key, **dict(zip(names, sums, strict=True))}
        for (user, day, model, key), sums in daily.items()
    ]
    for first in range(0, len(rows), CHUNK):
        op.get_bind().execute(sa.text(into), rows[first : first + CHUNK])


def _pots(unspent: Counter[tuple[str, str]]) -> dict[str, list[Pot]]:
    """By user, in spending order, what calls took from each pot: what leases drew, less what they give back."""
    drawn = (
        "SELECT a.owner, a.kind, a.id, CAST(-SUM(p.amount) AS BIGINT) FROM postings p"
        " JOIN entries e ON e.id = p.entry_id JOIN accounts a ON a.id = p.account_id"
        f" WHERE e.kind IN {OLD_KINDS} AND a.owner <> 'hub' AND a.kind <> 'lease' GROUP BY a.owner, a.kind, a.id"
    )
    pots: dict[str, list[Pot]] = {}
    rows = op.get_bind().exec_driver_sql(drawn).all()
    for user, kind, account, amount in sorted(rows, key=lambda row: SOURCES.index(row[1])):
        pots.setdefault(user, []).append(Pot(account, amount - unspent[user, kind]))
    return pots


def _undo_old_entries() -> None:
    """What leases and calls moved stays readable under another kind; one entry takes all of it back."""
    run = op.get_bind().exec_driver_sql
    if run(f"SELECT 1 FROM entries WHERE kind IN {OLD_KINDS} LIMIT 1").first() is None:
        return
    run(f"UPDATE entries SET kind = 'old_' || kind WHERE kind IN {OLD_KINDS}")
    entry = _number()
    last = run("SELECT MAX(at) FROM entries").scalar_one()
    op.get_bind().execute(
        sa.text("INSERT INTO entries (id, kind, ref, at, reason) VALUES (:id, 'migrate', '0002', :at, :why)"),
        {"id": entry, "at": last, "why": "calls are written anew, by month; open leases give back what they hold"},
    )
    old = ", ".join("'old_" + kind.strip(" ()'") + "'" for kind in OLD_KINDS.split(","))
    run(
        f"INSERT INTO postings (entry_id, account_id, amount) SELECT {entry}, p.account_id, -SUM(p.amount)"
        f" FROM postings p JOIN entries e ON e.id = p.entry_id WHERE e.kind IN ({old})"
        " GROUP BY p.account_id HAVING SUM(p.amount) <> 0"
    )


def _number() -> int:
    """The next entry's number."""
    op.execute("UPDATE counters SET value = value + 1 WHERE name = 'entry'")
    return int(op.get_bind().exec_driver_sql("SELECT value FROM counters WHERE name = 'entry'").scalar_one())


def _old_calls() -> Iterator[list[Call]]:
    """Every receipt, by user and time, a chunk at a time."""
    receipts = sa.text(
        "SELECT call_id, user_id, key_id, at, charge, cost, reason, body FROM receipts ORDER BY user_id, at, call_id"
    )
    found = op.get_bind().execute(receipts.execution_options(stream_results=True))
    for rows in found.partitions(CHUNK):
        yield [Call(*row) for row in rows]


class Month:
    """The calls of one month on their way into its tables."""

    def __init__(self, name: str) -> None:
        self.name, self.entry = name, _number()
        self.rows: list[dict[str, Any]] = []
        self.splits: list[dict[str, Any]] = []
        self.moved: Counter[int] = Counter()
        self.last_at, self.calls = 0.0, 0
        op.execute(f"INSERT INTO months (month) VALUES ('{name}')")
        for statement in RECEIPTS:
            op.execute(statement.format(month=name))

    def add(self, call: Call, pots: list[Pot], daily: dict[tuple[str, int, str, str], list[int]]) -> None:
        """Pay the call out of what its user's calls took, plan first, and count it in its day."""
        parts = []
        rest = call.charge
        for pot in pots:
            part = min(rest, pot.left)
            if part > 0:
                parts.append((pot.account, part))
                pot.left -= part
                rest -= part
        whole = len(parts) == 1 and not rest
        account = parts[0][0] if whole else None
        self.rows.append({**call._asdict(), "entry": self.entry, "account": account})
        for place, (pot_account, amount) in enumerate(parts):
            self.moved[pot_account] -= amount
            if not whole:
                split = {"call": call.id, "place": place, "account": pot_account, "amount": amount}
                self.splits.append(split)
        told = msgspec.json.decode(call.body)
        usage, over = told.get("usage") or {}, told.get("overrun_nano_usd", 0)
        self.moved[REVENUE] += call.charge - rest + over
        self.moved[ABSORBED_LOSS] -= over
        self.moved[PROVIDER_COST] -= call.cost
        self.moved[PROVIDER_PAYABLE] += call.cost
        self.last_at, self.calls = max(self.last_at, call.at), self.calls + 1
        sums = daily.setdefault((call.user, int(call.at // DAY_S), told["model"], call.key), [0] * 5)
        more = (1, call.charge, call.cost, usage.get("input_total", 0), usage.get("output_total", 0))
        for place, amount in enumerate(more):
            sums[place] += amount

    def write(self) -> None:
        """Insert what was added since the last time."""
        run = op.get_bind().execute
        if self.rows:
            run(
                sa.text(
                    f"INSERT INTO receipts_{self.name} VALUES"
                    " (:id, :user, :key, :at, :charge, :cost, :reason, :entry, :account, :body)"
                ),
                self.rows,
            )
        if self.splits:
            run(sa.text(f"INSERT INTO splits_{self.name} VALUES (:call, :place, :account, :amount)"), self.splits)
        self.rows, self.splits = [], []

    def close(self) -> None:
        """Write the entry that all calls of the month share."""
        run = op.get_bind().execute
        run(
            sa.text("INSERT INTO entries (id, kind, ref, at, reason) VALUES (:id, 'settle', :ref, :at, :why)"),
            {"id": self.entry, "ref": f"{self.name}/0002", "at": self.last_at, "why": f"{self.calls} calls"},
        )
        lines = [{"entry": self.entry, "account": where, "amount": n} for where, n in self.moved.items() if n]
        if lines:
            run(sa.text("INSERT INTO postings VALUES (:entry, :account, :amount)"), lines)


def _month_of(call: str) -> str:
    """The month in which the call's id was made, `000000` when it does not say."""
    if len(call) != 40 or call[18] != "7":
        return "000000"
    try:
        at = datetime.fromtimestamp(int(call[4:12] + call[13:17], 16) / 1000, UTC)
    except ValueError:
        return "000000"
    return f"{at:%Y%m}" if 2020 <= at.year < 2100 else "000000"
