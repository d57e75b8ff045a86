"""Plans that hold, budgets, organisations, vouchers and referrals."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

NUMBER = sa.BigInteger()
TIME: sa.Double[float] = sa.Double()


def upgrade() -> None:
    """Widen users, keys and allowances; make the tables of organisations and promotions."""
    # The plan, and its credit, of the cycles to come; null: as in the running one.
    op.add_column("allowances", sa.Column("next_plan", sa.Text(), nullable=True))
    op.add_column("allowances", sa.Column("next_amount", NUMBER, nullable=True))
    organisations()
    promotions()


def organisations() -> None:
    """Organisations, and budgets of theirs, of users and of keys, each a JSON list."""
    op.create_table(
        "organisations",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False, unique=True),
        sa.Column("budgets", sa.Text(), nullable=False, server_default="[]"),
        sa.Column("created_at", TIME, nullable=False),
    )
    for table in ("users", "api_keys"):
        op.add_column(table, sa.Column("budgets", sa.Text(), nullable=False, server_default="[]"))
    for column in (
        sa.Column("strict", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("organisation_id", sa.Text(), nullable=True),
        sa.Column("next_plan", sa.Text(), nullable=True),
        sa.Column("next_plan_at", TIME, nullable=True),
    ):
        op.add_column("users", column)
    op.create_index("users_by_organisation", "users", ["organisation_id"])
    # Until now the column said `free` for everybody and meant nothing.
    op.execute("UPDATE users SET plan = 'none'")


def promotions() -> None:
    """Vouchers and who redeemed them; referral codes and whom they brought."""
    op.create_table(
        "vouchers",
        sa.Column("code", sa.Text(), primary_key=True),
        sa.Column("amount", NUMBER, nullable=False),
        sa.Column("most", NUMBER, nullable=False),
        sa.Column("redeemed", NUMBER, nullable=False, server_default="0"),
        sa.Column("note", sa.Text(), nullable=False, server_default=""),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=True),
        sa.Column("disabled_at", TIME, nullable=True),
        sa.CheckConstraint("redeemed <= most", name="never_redeemed_too_often"),
    )
    op.create_table(
        "redemptions",
        sa.Column("code", sa.Text(), primary_key=True),
        sa.Column("user_id", sa.Text(), primary_key=True),
        sa.Column("at", TIME, nullable=False),
    )
    op.create_table(
        "referrers",
        sa.Column("user_id", sa.Text(), primary_key=True),
        sa.Column("code", sa.Text(), nullable=False, unique=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("referrals", NUMBER, nullable=False, server_default="0"),
        sa.Column("earned", NUMBER, nullable=False, server_default="0"),
    )
    op.create_index("referrers_by_success", "referrers", ["referrals", "user_id"])
    op.create_table(
        "referrals",
        sa.Column("claimant", sa.Text(), primary_key=True),
        sa.Column("referrer", sa.Text(), nullable=False),
        sa.Column("at", TIME, nullable=False),
    )
