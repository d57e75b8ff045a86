"""All SQL about users and their API keys."""

from typing import Any

import msgspec

from tollway.core.caller import KeyLimits, Scope
from tollway.core.ids import KeyId, UserId
from tollway.ports import Row, Transaction

_KEY = "k.id, k.user_id, k.name, k.prefix, k.scope, k.limits, k.created_at, k.expires_at, k.revoked_at, k.last_used_at"
_USER = "id, email, plan, admin, created_at"

_read_limits = msgspec.json.Decoder(KeyLimits).decode
_write_json = msgspec.json.Encoder().encode


class User(msgspec.Struct, frozen=True):
    """Somebody with credits."""

    id: UserId
    email: str
    plan: str
    admin: bool
    created_at_s: float


class KeyRecord(msgspec.Struct, frozen=True):
    """What is kept of an API key: everything but the key."""

    id: KeyId
    user: UserId
    name: str
    prefix: str
    scope: Scope
    limits: KeyLimits
    created_at_s: float
    expires_at_s: float | None = None
    revoked_at_s: float | None = None
    last_used_at_s: float | None = None

    def status(self, now_s: float) -> str:
        """`active`, `expired` or `revoked`."""
        if self.revoked_at_s is not None:
            return "revoked"
        return "expired" if self.expires_at_s is not None and self.expires_at_s <= now_s else "active"


def _user(row: Row) -> User:
    name, email, plan, admin, created_at = row
    return User(UserId(name), email, plan, bool(admin), created_at)


def _key(row: Row) -> KeyRecord:
    name, user, label, prefix, scope, limits, *times = row
    return KeyRecord(KeyId(name), UserId(user), label, prefix, Scope(scope), _read_limits(limits or "{}"), *times)


def add_user(tx: Transaction, user: User) -> bool:
    """Keep a new user; False when the e-mail address is taken."""
    values: dict[str, Any] = {"id": user.id, "email": user.email, "plan": user.plan, "admin": int(user.admin)}
    sql = """INSERT INTO users (id, email, plan, admin, created_at) VALUES (:id, :email, :plan, :admin, :created_at)
             ON CONFLICT (email) DO NOTHING RETURNING id"""
    return bool(tx.run(sql, **values, created_at=user.created_at_s))


def find_user(tx: Transaction, who: str) -> User | None:
    """The user with this id or e-mail address."""
    rows = tx.run(f"SELECT {_USER} FROM users WHERE id = :who OR email = :email", who=who, email=who.lower())
    return _user(rows[0]) if rows else None


def list_users(tx: Transaction, limit: int, after: str) -> list[User]:
    """Users in order of id, beginning behind `after`."""
    sql = f"SELECT {_USER} FROM users WHERE id > :after ORDER BY id LIMIT :most"
    return [_user(row) for row in tx.run(sql, after=after, most=limit)]


def add_key(tx: Transaction, key: KeyRecord, digest: str) -> None:
    """Keep a new key by its digest."""
    sql = """INSERT INTO api_keys (id, user_id, name, hash, prefix, scope, limits, created_at, expires_at)
             VALUES (:id, :user_id, :name, :hash, :prefix, :scope, :limits, :created_at, :expires_at)"""
    tx.run(
        sql,
        id=key.id,
        user_id=key.user,
        name=key.name,
        hash=digest,
        prefix=key.prefix,
        scope=key.scope.value,
        limits=_write_json(key.limits).decode(),
        created_at=key.created_at_s,
        expires_at=key.expires_at_s,
    )


def find_key(tx: Transaction, digest: str) -> tuple[KeyRecord, bool] | None:
    """The key with this digest, and whether its owner is an administrator."""
    sql = f"SELECT {_KEY}, u.admin FROM api_keys k JOIN users u ON u.id = k.user_id WHERE k.hash = :hash"
    rows = tx.run(sql, hash=digest)
    return (_key(rows[0][:-1]), bool(rows[0][-1])) if rows else None


def get_key(tx: Transaction, key: str) -> KeyRecord | None:
    """The key with this id."""
    rows = tx.run(f"SELECT {_KEY} FROM api_keys k WHERE k.id = :id", id=key)
    return _key(rows[0]) if rows else None


def list_keys(tx: Transaction, user: UserId | None) -> list[KeyRecord]:
    """The keys of `user`, or of everybody, newest first, revoked ones among them."""
    where = "" if user is None else "WHERE k.user_id = :user"
    values = {} if user is None else {"user": user}
    rows = tx.run(f"SELECT {_KEY} FROM api_keys k {where} ORDER BY k.created_at DESC, k.id DESC", **values)
    return [_key(row) for row in rows]


def count_active(tx: Transaction, user: UserId, now_s: float) -> int:
    """How many keys of `user` would be accepted now."""
    sql = """SELECT COUNT(*) FROM api_keys WHERE user_id = :user AND revoked_at IS NULL
             AND (expires_at IS NULL OR expires_at > :now)"""
    return int(tx.run(sql, user=user, now=now_s)[0][0])


def lock_user(tx: Transaction, user: UserId) -> bool:
    """Make other writers about this user wait for the end of the transaction; False when there is no such user."""
    return bool(tx.run("UPDATE users SET plan = plan WHERE id = :id RETURNING id", id=user))


def revoke_key(tx: Transaction, key: str, user: UserId | None, now_s: float) -> bool:
    """Mark a key that is not revoked yet, of `user` unless None, as revoked; False when there is none."""
    owner = "" if user is None else "AND user_id = :user"
    values = {} if user is None else {"user": user}
    sql = f"UPDATE api_keys SET revoked_at = :now WHERE id = :id AND revoked_at IS NULL {owner} RETURNING id"
    return bool(tx.run(sql, id=key, now=now_s, **values))


def touch_keys(tx: Transaction, used: dict[KeyId, float]) -> None:
    """Note when keys were last used."""
    sql = """UPDATE api_keys SET last_used_at = :at
             WHERE id = :id AND (last_used_at IS NULL OR last_used_at < :at)"""
    tx.many(sql, [{"id": key, "at": at} for key, at in used.items()])
