"""The Database port over the plain drivers: SQLite in a file by default, PostgreSQL by URL, one SQL for both."""

import importlib
import os
from pathlib import Path
from urllib.parse import parse_qsl

from tollway.backends.sql import sqlite
from tollway.backends.sql.database import SqlDatabase

__all__ = ["SqlDatabase", "open", "sqlite_file"]


def open(url: str, data_dir: Path, *, patient: bool = False) -> SqlDatabase:
    """A database that is not connected yet. `sqlite://` alone is `tollway.db` in the data folder.

    `?timeout=` says for how many seconds to wait for another process that writes. `patient`: no statement is too slow,
    for a command that nobody waits for. Raises ValueError for a URL of another kind.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    file = sqlite_file(url, data_dir)
    if file is not None:
        timeout_s = float(dict(parse_qsl(url.partition("?")[2])).get("timeout", sqlite.BUSY_TIMEOUT_S))
        file.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
        return SqlDatabase(sqlite.engine(file, timeout_s), sqlite.FileEpoch(file.with_name(file.name + "-epoch")))
    kind, _, rest = url.partition("://")
    if kind in ("postgresql", "postgres"):
        server = importlib.import_module("tollway.backends.sql.postgresql")  # and its driver, only where it is used
        news = importlib.import_module("tollway.backends.sql.announcements")
        where = server.address(f"postgresql://{rest}", "tollway command" if patient else "tollway")
        return SqlDatabase(server.engine(where, patient=patient), news.Announcements(where.url))
    raise ValueError(f"no database speaks {kind!r}: use sqlite:// or postgresql://")


def sqlite_file(url: str, data_dir: Path) -> Path | None:
    """Where an SQLite URL keeps its file; None for a URL of another kind."""
    kind, _, rest = url.partition("://")
    return Path(rest.partition("?")[0].removeprefix("/") or data_dir / "tollway.db") if kind == "sqlite" else None
