"""All SQL about organisations, users and their API keys."""

from typing import Any, NamedTuple

import msgspec

from tollway.core.caller import Budget, KeyLimits, Scope
from tollway.core.groups import DEFAULT
from tollway.core.ids import KeyId, UserId
from tollway.ports import Row, Transaction

_KEY = (
    "k.id, k.user_id, k.name, k.prefix, k.scope, k.limits, k.budgets, k.group_name,"
    " k.created_at, k.expires_at, k.revoked_at, k.last_used_at"
)
_USER = (
    "u.id, u.email, u.plan, u.admin, u.created_at, u.budgets, u.strict, u.group_name, u.organisation_id,"
    " u.next_plan, u.next_plan_at"
)
_ORGANISATION = "o.id, o.name, o.budgets, o.created_at"

Budgets = tuple[Budget, ...]

_read_limits = msgspec.json.Decoder(KeyLimits).decode
_read_budgets = msgspec.json.Decoder(Budgets).decode
_write_json = msgspec.json.Encoder().encode


class User(msgspec.Struct, frozen=True):
    """Somebody with credits."""

    id: UserId
    email: str
    plan: str
    admin: bool
    created_at_s: float
    budgets: Budgets = ()
    strict: bool = False
    """Every call of his holds its worst case."""
    group: str = DEFAULT
    organisation: str | None = None
    next_plan: str | None = None
    """The plan he will have from `next_plan_at_s` on."""
    next_plan_at_s: float | None = None

    def as_of(self, now_s: float) -> "User":
        """The user once a change of plan that is due has been made."""
        if self.next_plan is None or self.next_plan_at_s is None or self.next_plan_at_s > now_s:
            return self
        return msgspec.structs.replace(self, plan=self.next_plan, next_plan=None, next_plan_at_s=None)


class Organisation(msgspec.Struct, frozen=True):
    """Users whose spending is bounded together."""

    id: str
    name: str
    budgets: Budgets
    created_at_s: float


class Found(NamedTuple):
    """A key, and whose it is."""

    key: "KeyRecord"
    owner: User
    organisation: Organisation | None


class KeyRecord(msgspec.Struct, frozen=True):
    """What is kept of an API key: everything but the key."""

    id: KeyId
    user: UserId
    name: str
    prefix: str
    scope: Scope
    limits: KeyLimits
    created_at_s: float
    budgets: Budgets = ()
    group: str = ""
    """Empty: its owner's; `auto`: the automatic groups in turn."""
    expires_at_s: float | None = None
    revoked_at_s: float | None = None
    last_used_at_s: float | None = None

    def status(self, now_s: float) -> str:
        """`active`, `expired` or `revoked`."""
        if self.revoked_at_s is not None:
            return "revoked"
        return "expired" if self.expires_at_s is not None and self.expires_at_s <= now_s else "active"


def _user(row: Row) -> User:
    name, email, plan, admin, created_at, budgets, strict, group, *rest = row
    return User(UserId(name), email, plan, bool(admin), created_at, _read_budgets(budgets), bool(strict), group, *rest)


def _key(row: Row) -> KeyRecord:
    name, user, label, prefix, scope, limits, budgets, group, created_at, *times = row
    bounds = _read_limits(limits or "{}"), created_at, _read_budgets(budgets), group
    return KeyRecord(KeyId(name), UserId(user), label, prefix, Scope(scope), *bounds, *times)


def _organisation(row: Row) -> Organisation:
    name, label, budgets, created_at = row
    return Organisation(name, label, _read_budgets(budgets), created_at)


def add_user(tx: Transaction, user: User) -> bool:
    """Keep a new user; False when the e-mail address is taken."""
    values: dict[str, Any] = {"id": user.id, "email": user.email, "plan": user.plan, "admin": int(user.admin)}
    sql = """INSERT INTO users (id, email, plan, admin, created_at, group_name)
             VALUES (:id, :email, :plan, :admin, :created_at, :group_name)
             ON CONFLICT (email) DO NOTHING RETURNING id"""
    return bool(tx.run(sql, **values, created_at=user.created_at_s, group_name=user.group))


def find_user(tx: Transaction, who: str) -> User | None:
    """The user with this id or e-mail address."""
    rows = tx.run(f"SELECT {_USER} FROM users u WHERE u.id = :who OR u.email = :email", who=who, email=who.lower())
    return _user(rows[0]) if rows else None


def list_users(tx: Transaction, limit: int, after: str, organisation: str | None = None) -> list[User]:
    """Users in order of id, beginning behind `after`; those of one organisation unless None."""
    among = "" if organisation is None else "AND u.organisation_id = :organisation"
    values = {} if organisation is None else {"organisation": organisation}
    sql = f"SELECT {_USER} FROM users u WHERE u.id > :after {among} ORDER BY u.id LIMIT :most"
    return [_user(row) for row in tx.run(sql, after=after, most=limit, **values)]


def change_user(tx: Transaction, user: User) -> None:
    """Write what may change of a user: plan, budgets, strictness, group and organisation."""
    sql = """UPDATE users SET plan = :plan, budgets = :budgets, strict = :strict, organisation_id = :organisation,
             group_name = :group_name, next_plan = :next_plan, next_plan_at = :next_plan_at WHERE id = :id"""
    tx.run(
        sql,
        id=user.id,
        plan=user.plan,
        budgets=_write_json(user.budgets).decode(),
        strict=int(user.strict),
        group_name=user.group,
        organisation=user.organisation,
        next_plan=user.next_plan,
        next_plan_at=user.next_plan_at_s,
    )


def add_key(tx: Transaction, key: KeyRecord, digest: str) -> None:
    """Keep a new key by its digest."""
    sql = """INSERT INTO api_keys (id, user_id, name, hash, prefix, scope, limits, budgets, group_name, created_at,
             expires_at) VALUES (:id, :user_id, :name, :hash, :prefix, :scope, :limits, :budgets, :group_name,
             :created_at, :expires_at)"""
    tx.run(
        sql,
        id=key.id,
        user_id=key.user,
        name=key.name,
        hash=digest,
        prefix=key.prefix,
        scope=key.scope.value,
        limits=_write_json(key.limits).decode(),
        budgets=_write_json(key.budgets).decode(),
        group_name=key.group,
        created_at=key.created_at_s,
        expires_at=key.expires_at_s,
    )


def change_key(tx: Transaction, key: KeyRecord) -> None:
    """Write what may change of a key: name, limits, budgets and group."""
    sql = """UPDATE api_keys SET name = :name, limits = :limits, budgets = :budgets, group_name = :group_name
             WHERE id = :id"""
    tx.run(
        sql,
        id=key.id,
        name=key.name,
        limits=_write_json(key.limits).decode(),
        budgets=_write_json(key.budgets).decode(),
        group_name=key.group,
    )


def find_key(tx: Transaction, digest: str) -> Found | None:
    """The key with this digest, its owner, and his organisation."""
    sql = f"""SELECT {_KEY}, {_USER}, {_ORGANISATION} FROM api_keys k JOIN users u ON u.id = k.user_id
              LEFT JOIN organisations o ON o.id = u.organisation_id WHERE k.hash = :hash"""
    rows = tx.run(sql, hash=digest)
    if not rows:
        return None
    key, user, organisation = rows[0][:12], rows[0][12:23], rows[0][23:]
    return Found(_key(key), _user(user), None if organisation[0] is None else _organisation(organisation))


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


def add_organisation(tx: Transaction, new: Organisation) -> bool:
    """Keep a new organisation; False when the name is taken."""
    sql = """INSERT INTO organisations (id, name, budgets, created_at) VALUES (:id, :name, :budgets, :created_at)
             ON CONFLICT (name) DO NOTHING RETURNING id"""
    budgets = _write_json(new.budgets).decode()
    return bool(tx.run(sql, id=new.id, name=new.name, budgets=budgets, created_at=new.created_at_s))


def change_organisation(tx: Transaction, organisation: Organisation) -> None:
    """Write an organisation's budgets."""
    sql = "UPDATE organisations SET budgets = :budgets WHERE id = :id"
    tx.run(sql, id=organisation.id, budgets=_write_json(organisation.budgets).decode())


def find_organisation(tx: Transaction, which: str) -> Organisation | None:
    """The organisation with this id or name."""
    rows = tx.run(f"SELECT {_ORGANISATION} FROM organisations o WHERE o.id = :which OR o.name = :which", which=which)
    return _organisation(rows[0]) if rows else None


def list_organisations(tx: Transaction) -> list[Organisation]:
    """All organisations, by name."""
    return [_organisation(row) for row in tx.run(f"SELECT {_ORGANISATION} FROM organisations o ORDER BY o.name")]


def count_members(tx: Transaction) -> dict[str, int]:
    """How many users each organisation has."""
    sql = "SELECT organisation_id, COUNT(*) FROM users WHERE organisation_id IS NOT NULL GROUP BY organisation_id"
    return {str(row[0]): int(row[1]) for row in tx.run(sql)}
