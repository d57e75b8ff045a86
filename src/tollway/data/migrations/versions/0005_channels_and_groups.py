"""Channels kept in the database, their keys sealed; groups, and which one users and API keys are in."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

TIME: sa.Double[float] = sa.Double()


def _text(name: str, **more: Any) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), **{"nullable": False, **more})


def _time(name: str, **more: Any) -> sa.Column[float]:
    return sa.Column(name, TIME, **{"nullable": False, **more})


def upgrade() -> None:
    """Make the tables of channels and of settings that are changed while gateways run; put everybody into a group."""
    op.create_table(
        "channels",
        _text("id", primary_key=True),
        _text("body"),  # what a [[channels]] row says, as JSON, but for its keys
        _text("sealed", server_default=""),  # the keys, as JSON, sealed
        _text("tails", server_default="[]"),  # of each key what may be shown
        sa.Column("enabled", sa.SmallInteger(), nullable=False, server_default="1"),
        sa.Column("edition", sa.BigInteger(), nullable=False, server_default="1"),  # grows by one with each change
        _time("created_at"),
        _time("changed_at"),
        _text("changed_by"),
        _time("tested_at", nullable=True),
        _time("test_ms", nullable=True),
        _text("test_problem", server_default=""),
    )
    op.create_table(
        "stored_settings",
        _text("name", primary_key=True),
        _text("body"),
        _time("changed_at"),
        _text("changed_by"),
    )
    op.add_column("users", _text("group_name", server_default="default"))
    op.add_column("api_keys", _text("group_name", server_default=""))
