"""The first floor: users, keys, the double-entry journal, leases, and one receipt for each call.

Money is integer nano-dollars, times are Unix seconds, and the database itself refuses a negative balance.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

NUMBER = sa.BigInteger()
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME: sa.Double[float] = sa.Double()
HUB = ("issued", "revenue", "provider_cost", "provider_payable", "absorbed_loss")
"""The hub's own accounts, numbered from 1 in this order; users' accounts begin at 101."""


def _text(name: str, **more: Any) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), **{"nullable": False, **more})


def _number(name: str, **more: Any) -> sa.Column[int]:
    return sa.Column(name, NUMBER, **{"nullable": False, **more})


def _time(name: str, **more: Any) -> sa.Column[float]:
    return sa.Column(name, TIME, **{"nullable": False, **more})


def upgrade() -> None:
    """Make every table."""
    people()
    books()
    calls()


def people() -> None:
    """Users, their keys, and the hub's own notes."""
    op.create_table(
        "users",
        _text("id", primary_key=True),
        _text("email", unique=True),
        _text("plan", server_default="free"),
        sa.Column("admin", sa.Integer(), nullable=False, server_default="0"),
        _time("created_at"),
    )
    op.create_table(
        "api_keys",
        _text("id", primary_key=True),
        sa.Column("user_id", sa.Text(), sa.ForeignKey("users.id"), nullable=False, index=True),
        _text("name"),
        _text("hash", unique=True),
        _text("prefix"),
        _text("scope"),
        _text("limits", server_default="{}"),
        _time("created_at"),
        _time("expires_at", nullable=True),
        _time("revoked_at", nullable=True),
        _time("last_used_at", nullable=True),
    )
    op.create_table("meta", _text("name", primary_key=True), _text("value"))


def books() -> None:
    """Accounts, and the entries that move money between them."""
    accounts = op.create_table(
        "accounts",
        sa.Column("id", SERIAL, sa.Identity(start=101), primary_key=True),
        _text("owner"),
        _text("kind"),
        _number("balance", server_default="0"),
        sa.UniqueConstraint("owner", "kind"),
        sa.CheckConstraint("balance >= 0 OR owner = 'hub'", name="never_overdrawn"),
    )
    op.bulk_insert(accounts, [{"id": n, "owner": "hub", "kind": kind} for n, kind in enumerate(HUB, start=1)])
    counters = op.create_table("counters", _text("name", primary_key=True), _number("value"))
    op.bulk_insert(counters, [{"name": "entry", "value": 0}, {"name": "fence", "value": 0}])
    op.create_table(
        "entries",
        sa.Column("id", SERIAL, primary_key=True, autoincrement=False),
        _text("kind"),
        _text("ref"),
        _time("at"),
        _text("author", server_default=""),
        _text("reason", server_default=""),
    )
    op.create_index(
        "one_grant_per_reference",
        "entries",
        ["ref"],
        unique=True,
        sqlite_where=sa.text("kind = 'grant'"),
        postgresql_where=sa.text("kind = 'grant'"),
    )
    op.create_table(
        "postings",
        _number("entry_id", primary_key=True, autoincrement=False),
        _number("account_id", primary_key=True, autoincrement=False),
        _number("amount"),
        sqlite_with_rowid=False,
    )


def calls() -> None:
    """Leases, from which calls draw their holds, and the receipts they leave."""
    op.create_table(
        "leases",
        _text("id", primary_key=True),
        _text("user_id"),
        _number("account_id"),
        _text("process"),
        _number("fence"),
        _number("from_plan", server_default="0"),
        _number("from_promo", server_default="0"),
        _number("from_topup", server_default="0"),
        _number("spent", server_default="0"),
        _text("state", server_default="open"),
        _time("expires_at"),
        sa.CheckConstraint("from_plan + from_promo + from_topup >= spent", name="spent_within_lease"),
    )
    for name, column in (("open_leases_by_user", "user_id"), ("open_leases_by_expiry", "expires_at")):
        only_open = sa.text("state = 'open'")
        op.create_index(name, "leases", [column], sqlite_where=only_open, postgresql_where=only_open)
    op.create_table(
        "receipts",
        _text("call_id", primary_key=True),
        _text("user_id"),
        _text("key_id"),
        _time("at"),
        _number("charge"),
        _number("cost"),
        _text("reason"),
        _text("body"),
        sqlite_with_rowid=False,
    )
    op.create_index("receipts_by_user", "receipts", ["user_id", "at"])
