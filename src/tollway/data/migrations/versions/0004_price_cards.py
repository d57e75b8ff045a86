"""Price cards: what was proposed, by whom and why, and from when on it holds; and a way to the usage of a day.

A card once written never changes: receipts name it.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

NUMBER = sa.BigInteger()
TIME: sa.Double[float] = sa.Double()


def _text(name: str, **more: Any) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), **{"nullable": False, **more})


def _time(name: str, **more: Any) -> sa.Column[float]:
    return sa.Column(name, TIME, **{"nullable": False, **more})


def upgrade() -> None:
    """Make the tables, and the counters that number updates and put their activations in a row."""
    op.create_table(
        "price_updates",
        sa.Column("id", NUMBER, primary_key=True, autoincrement=False),
        _text("state", server_default="proposed"),
        _text("author"),
        _text("reason"),
        _time("proposed_at"),
        _time("wanted_at", nullable=True),
        _text("decided_by", server_default=""),
        _time("decided_at", nullable=True),
        _time("effective_at", nullable=True),
    )
    op.create_table(
        "price_cards",
        sa.Column("update_id", NUMBER, primary_key=True, autoincrement=False),
        _text("model", primary_key=True),
        _text("body", nullable=True),
        _text("base_version"),
        _text("base_body"),
        _time("effective_at", nullable=True),
        sa.Column("turn", NUMBER, nullable=False, server_default="0"),
    )
    op.create_index("price_cards_by_time", "price_cards", ["model", "effective_at", "turn"])
    op.create_table(
        "listed_prices",
        _text("model", primary_key=True),
        _text("version", primary_key=True),
        _text("body"),
        _time("seen_at"),
    )
    counters = sa.table("counters", sa.column("name", sa.Text()), sa.column("value", NUMBER))
    op.create_index("usage_by_day", "usage_daily", ["day"])
    op.bulk_insert(counters, [{"name": "price_update", "value": 0}, {"name": "price_turn", "value": 0}])
