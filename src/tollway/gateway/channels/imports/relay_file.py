"""Opens what new-api and one-api leave behind: their SQLite database, or a JSON export of channels."""

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from tollway.core.errors import BadRequest

MAGIC = b"SQLite format 3\0"
MOST_BYTES = 64 << 20
WRAPPED = ("data", "items", "channels")
"""Where the list stands in an answer of their API."""


def open_file(file: Path) -> tuple[list[Any], Mapping[str, str]]:
    """(rows of channels, options). Raises BadRequest when it is neither, OSError when it cannot be read."""
    with file.open("rb") as opened:
        head = opened.read(len(MAGIC))
    if head == MAGIC:
        return _from_database(file)
    if file.stat().st_size > MOST_BYTES:
        raise BadRequest(f"{file} is larger than {MOST_BYTES} bytes")
    try:
        value = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"{file} is neither an SQLite database nor JSON: {error}") from error
    for _ in WRAPPED:
        if isinstance(value, dict):
            value = next((value[name] for name in WRAPPED if name in value), value)
    if not isinstance(value, list):
        raise BadRequest(f"{file} holds no list of channels")
    return value, {}


def _from_database(file: Path) -> tuple[list[Any], Mapping[str, str]]:
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as database:
            database.row_factory = sqlite3.Row
            rows = [dict(row) for row in database.execute("SELECT * FROM channels ORDER BY id")]
            try:
                options = database.execute("SELECT key, value FROM options").fetchall()
            except sqlite3.OperationalError:  # a copy of the one table
                options = []
            return rows, {str(name): str(value) for name, value in options}
    except sqlite3.Error as error:
        raise BadRequest(f"{file} holds no channels of such a hub: {error}") from error
