"""All SQL about stored channels, and settings that are changed while gateways run."""

from typing import Any, NamedTuple

from tollway.ports import Transaction

_CHANNEL = (
    "SELECT id, body, sealed, tails, enabled, edition, created_at, changed_at, changed_by, tested_at, test_ms,"
    " test_problem FROM channels"
)


class ChannelRecord(NamedTuple):
    """What is kept of a channel."""

    id: str
    body: str
    """What a `[[channels]]` row says but for its id and keys, as JSON."""
    sealed: str
    """Its keys, sealed; empty: none."""
    tails: str
    """JSON: of each key what may be shown."""
    enabled: bool
    edition: int
    """Grows by one with each change."""
    created_at_s: float
    changed_at_s: float
    changed_by: str
    tested_at_s: float | None = None
    test_ms: float | None = None
    test_problem: str = ""
    """What was wrong when it was last tested; empty: nothing."""


def add(tx: Transaction, new: ChannelRecord) -> bool:
    """Keep a new channel; False when the id is taken."""
    sql = """INSERT INTO channels (id, body, sealed, tails, enabled, edition, created_at, changed_at, changed_by)
             VALUES (:id, :body, :sealed, :tails, :enabled, :edition, :created, :changed, :by)
             ON CONFLICT (id) DO NOTHING RETURNING id"""
    return bool(tx.run(sql, **_values(new), id=new.id, created=new.created_at_s))


def change(tx: Transaction, new: ChannelRecord) -> bool:
    """Replace a channel; False when somebody has changed or removed it since it was edition `new.edition` - 1."""
    sql = """UPDATE channels SET body = :body, sealed = :sealed, tails = :tails, enabled = :enabled,
             edition = :edition, changed_at = :changed, changed_by = :by
             WHERE id = :id AND edition = :was RETURNING id"""
    return bool(tx.run(sql, **_values(new), id=new.id, was=new.edition - 1))


def _values(channel: ChannelRecord) -> dict[str, Any]:
    return {
        "body": channel.body,
        "sealed": channel.sealed,
        "tails": channel.tails,
        "enabled": int(channel.enabled),
        "edition": channel.edition,
        "changed": channel.changed_at_s,
        "by": channel.changed_by,
    }


def remove(tx: Transaction, channel: str) -> bool:
    """Forget a channel; False when there is none."""
    return bool(tx.run("DELETE FROM channels WHERE id = :id RETURNING id", id=channel))


def find(tx: Transaction, channel: str) -> ChannelRecord | None:
    """The channel of that id."""
    rows = tx.run(f"{_CHANNEL} WHERE id = :id", id=channel)
    return _record(rows[0]) if rows else None


def every(tx: Transaction) -> list[ChannelRecord]:
    """All channels, by id."""
    return [_record(row) for row in tx.run(f"{_CHANNEL} ORDER BY id")]


def _record(row: tuple[Any, ...]) -> ChannelRecord:
    name, body, sealed, tails, enabled, *rest = row
    return ChannelRecord(name, body, sealed, tails, bool(enabled), *rest)


def note_test(tx: Transaction, channel: str, at_s: float, took_ms: float, problem: str) -> None:
    """Write down how a test went."""
    sql = "UPDATE channels SET tested_at = :at, test_ms = :took, test_problem = :problem WHERE id = :id"
    tx.run(sql, id=channel, at=at_s, took=took_ms, problem=problem)


def reseal(tx: Transaction, channel: str, was: str, sealed: str) -> bool:
    """Replace the sealed keys unless they are others by now."""
    sql = "UPDATE channels SET sealed = :sealed WHERE id = :id AND sealed = :was RETURNING id"
    return bool(tx.run(sql, id=channel, was=was, sealed=sealed))


def setting(tx: Transaction, name: str) -> str | None:
    """A stored setting's body, as JSON."""
    rows = tx.run("SELECT body FROM stored_settings WHERE name = :name", name=name)
    return str(rows[0][0]) if rows else None


def lock_setting(tx: Transaction, name: str, usual: str, now_s: float) -> None:
    """Make other writers about this setting wait for the end of the transaction; `usual` is stored if nothing is."""
    sql = """INSERT INTO stored_settings (name, body, changed_at, changed_by) VALUES (:name, :body, :at, '')
             ON CONFLICT (name) DO UPDATE SET name = excluded.name"""
    tx.run(sql, name=name, body=usual, at=now_s)


def put_setting(tx: Transaction, name: str, body: str, now_s: float, author: str) -> None:
    """Store a setting."""
    sql = """INSERT INTO stored_settings (name, body, changed_at, changed_by) VALUES (:name, :body, :at, :by)
             ON CONFLICT (name) DO UPDATE SET body = excluded.body, changed_at = excluded.changed_at,
             changed_by = excluded.changed_by"""
    tx.run(sql, name=name, body=body, at=now_s, by=author)


def members(tx: Transaction) -> dict[str, int]:
    """How many users each group has."""
    rows = tx.run("SELECT group_name, COUNT(*) FROM users GROUP BY group_name")
    return {str(name): int(count) for name, count in rows}


def groups_used(tx: Transaction) -> dict[str, str]:
    """Every group some user or active key is in, and one that is."""
    users = tx.run("SELECT group_name, MIN(id) FROM users GROUP BY group_name")
    keys = tx.run(
        "SELECT group_name, MIN(id) FROM api_keys WHERE group_name <> '' AND revoked_at IS NULL GROUP BY group_name"
    )
    return {str(name): f"the key {key}" for name, key in keys} | {str(name): f"the user {user}" for name, user in users}
