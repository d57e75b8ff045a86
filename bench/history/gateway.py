"""`python -m bench.history.gateway FILE …`: the gateway as it is, each SQLite statement it runs noted in FILE."""

import sqlite3
import sys
from pathlib import Path
from typing import Any

from tollway.__main__ import main


def watch(file: Path) -> None:
    """Note every statement of every connection that is opened from now on."""
    notes = file.open("a", buffering=1, encoding="utf-8")
    connect = sqlite3.connect

    def note(statement: str) -> None:
        notes.write(" ".join(statement.split()) + "\n")

    def watched(*where: Any, **how: Any) -> sqlite3.Connection:
        connection = connect(*where, **how)
        connection.set_trace_callback(note)
        return connection

    sqlite3.connect = watched


if __name__ == "__main__":
    watch(Path(sys.argv.pop(1)))
    main()
