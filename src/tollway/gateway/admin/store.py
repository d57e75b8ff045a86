"""The hub's own notes."""

from tollway.ports import Transaction


def note(tx: Transaction, name: str, value: str) -> bool:
    """Keep a note of the hub's own; False, and nothing changed, when there is one of that name."""
    sql = "INSERT INTO meta (name, value) VALUES (:name, :value) ON CONFLICT (name) DO NOTHING RETURNING name"
    return bool(tx.run(sql, name=name, value=value))


def noted(tx: Transaction, name: str) -> str | None:
    """The note of that name."""
    rows = tx.run("SELECT value FROM meta WHERE name = :name", name=name)
    return str(rows[0][0]) if rows else None
