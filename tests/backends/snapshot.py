"""Writes data/migrations/sqlite.sql: what all migrations make of an empty file. Run it after adding a migration."""

import sqlite3
import tempfile
from pathlib import Path

from tollway.backends.sql import migrations, sqlite


def migrated() -> str:
    """The dump of an empty SQLite file after every migration."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "empty.db"
        migrations.upgrade(sqlite.engine(file))
        return dump(file)


def dump(file: Path) -> str:
    """A whole SQLite file as SQL."""
    with sqlite3.connect(file) as connection:
        lines = [line.strip() for line in connection.iterdump()]
    return "\n".join(line for line in lines if line not in ("BEGIN TRANSACTION;", "COMMIT;"))


if __name__ == "__main__":
    migrations.SNAPSHOT.write_text(migrated() + "\n")
