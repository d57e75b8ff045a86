"""Brings a schema forward. SQLAlchemy and Alembic are loaded only then: they cost a start half a second and 30 MB."""

import importlib
from collections.abc import Callable
from pathlib import Path

from tollway.backends.sql.engine import Engine
from tollway.backends.sql.sqlite import BUSY_TIMEOUT_S
from tollway.ports import Transaction

MIGRATIONS = Path(__file__).parent.parent.parent / "data" / "migrations"
SNAPSHOT = MIGRATIONS / "sqlite.sql"
"""What all migrations make of an empty SQLite file; a test holds the two together."""


def newest() -> str:
    """The version of the schema that this program works with."""
    return max(file.name.split("_")[0] for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def version(engine: Engine, tx: Transaction) -> str | None:
    """The schema's version, None when it has none."""
    if tx.run(engine.schema_exists) != [("alembic_version",)]:
        return None
    rows = tx.run("SELECT version_num FROM alembic_version")
    return str(rows[0][0]) if rows else None


def migrate(engine: Engine, transact: Callable[[Callable[[Transaction], str | None]], str | None]) -> str | None:
    """Bring the schema forward, under a lock; the version it had. Plain SQL says when there is nothing to do."""

    def look(tx: Transaction) -> str | None:
        found = version(engine, tx)
        if engine.snapshot and not tx.run(engine.schema_exists):
            for statement in SNAPSHOT.read_text().split(";\n"):
                tx.run(statement)
            made.append(version(engine, tx))
        return found

    made: list[str | None] = []
    before = transact(look)
    if newest() not in (before, *made):
        upgrade(engine)
    return before


def upgrade(engine: Engine) -> None:
    """Run the missing migrations with Alembic, as one transaction that other replicas wait for."""
    create_engine = importlib.import_module("sqlalchemy").create_engine
    command = importlib.import_module("alembic.command")
    sqlite = engine.url.startswith("sqlite")
    bare = {"isolation_level": None, "timeout": BUSY_TIMEOUT_S} if sqlite else {}
    made = create_engine(engine.url, connect_args=bare)
    try:
        with made.connect() as connection:
            for statement in engine.lock_schema:
                connection.exec_driver_sql(statement)
            config = importlib.import_module("alembic.config").Config(attributes={"connection": connection})
            config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
            command.upgrade(config, "head")
            connection.commit()
    finally:
        made.dispose()
