"""Makes, lists and revokes API keys; a key itself is shown once and never kept."""

import base64
import secrets
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tollway.core.caller import Budget, KeyLimits, Scope
from tollway.core.errors import BadRequest, NotFound, RateLimited
from tollway.core.groups import DEFAULT
from tollway.core.ids import KeyId, UserId
from tollway.gateway.auth import store
from tollway.gateway.auth.budgets import check_budgets
from tollway.gateway.auth.credential import digest_of
from tollway.gateway.auth.store import KeyRecord
from tollway.gateway.channels.groups import check_key_group, first_key_group
from tollway.ports import Clock, Database, Transaction

PREFIX = "inf_"
DAY_S = 86_400.0
MOST_PER_MINUTE = 60_000
MOST_PARALLEL = 100_000
MOST_MODELS = 200
MOST_DAYS = 36_500
MOST_ROUTE = 200
PIN = "channel:"
"""Begins the route of an administering key whose calls all take one channel."""


class KeyLimit(RateLimited):
    """The user has as many active keys as one may have."""

    code = "KEY_LIMIT"


class KeyRules(msgspec.Struct, frozen=True):
    """What holds for new keys."""

    lifetime_days: float | None = 90.0
    """How long a key lives unless its maker says otherwise; None: for ever."""
    most_active: int | None = 10
    """Active keys one user may have; None: any number."""
    limits: KeyLimits = KeyLimits()
    """What a new key that only calls is limited to where its maker says nothing."""
    strategies: frozenset[str] = frozenset()
    """By which calls can be routed."""


USUAL = KeyRules()
NO_LIMITS = KeyLimits()


class KeyChange(msgspec.Struct, frozen=True):
    """What is to be different about a key; None leaves a thing as it is."""

    name: str | None = None
    limits: Mapping[str, Any] | None = None
    """The fields of `KeyLimits` that change; None in one takes the limit away."""
    budgets: tuple[Budget, ...] | None = None
    """Replaces all budgets."""
    group: str | None = None
    """Empty: its owner's; `auto`: the automatic groups in turn."""


AS_IT_IS = KeyChange()


class NewKey(msgspec.Struct, frozen=True):
    """A key just made: the only moment its text exists here."""

    record: KeyRecord
    api_key: str


class ApiKeys:
    """The keys of all users."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        rules: KeyRules = USUAL,
        entropy: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._database, self._clock, self._rules, self._entropy = database, clock, rules, entropy

    async def create(
        self,
        user: UserId,
        name: str = "Default",
        limits: KeyLimits = NO_LIMITS,
        *,
        scope: Scope = Scope.CALL,
        lifetime_days: float | None = None,
        wanted: KeyChange = AS_IT_IS,
    ) -> NewKey:
        """A new key of `user`, with the budgets and group that are `wanted`.

        Raises NotFound without such a user, KeyLimit, BadRequest naming a bad field.
        """
        self._check_route(limits.route, scope)
        new = self.mint(user, name, check_limits(limits), scope=scope, lifetime_days=lifetime_days)
        if wanted.budgets:
            new = NewKey(msgspec.structs.replace(new.record, budgets=check_budgets(wanted.budgets)), new.api_key)
        most = self._rules.most_active

        def keep(tx: Transaction) -> NewKey:
            if not store.lock_user(tx, user):
                raise NotFound(f"no user {user}")
            if most is not None and store.count_active(tx, user, new.record.created_at_s) >= most:
                raise KeyLimit(f"{most} active keys is the most one user may have; revoke one first")
            return self.keep(tx, new, wanted.group)

        return await self._database.write(keep)

    def mint(
        self, user: UserId, name: str, limits: KeyLimits, *, scope: Scope, lifetime_days: float | None = None
    ) -> NewKey:
        """A key that nobody knows yet, not kept anywhere."""
        api_key = PREFIX + base64.urlsafe_b64encode(self._entropy(32)).rstrip(b"=").decode()
        days = self._rules.lifetime_days if lifetime_days is None else lifetime_days
        if days is not None and not 0 < days <= MOST_DAYS:
            raise BadRequest(f"expires_in_days must be more than 0 and at most {MOST_DAYS}", field="expires_in_days")
        now_s = self._clock.now_s()
        record = KeyRecord(
            id=KeyId("key_" + self._entropy(9).hex()),
            user=user,
            name=check_name(name),
            prefix=api_key[: len(PREFIX) + 4] + "...",
            scope=scope,
            limits=limits if scope is Scope.ADMIN else self._usual(limits),
            created_at_s=now_s,
            expires_at_s=None if days is None else now_s + days * DAY_S,
        )
        return NewKey(record, api_key)

    def _usual(self, limits: KeyLimits) -> KeyLimits:
        """The limits, with the rules' own where none is stated."""
        usual = self._rules.limits
        stated = {name: value for name, value in msgspec.structs.asdict(limits).items() if value is not None}
        return msgspec.structs.replace(usual, **stated)

    def _check_route(self, route: str | None, scope: Scope) -> None:
        """Raises BadRequest when no call could be routed so."""
        if route is None or (scope is Scope.ADMIN and route.startswith(PIN) and len(route) <= MOST_ROUTE):
            return
        for name in route[:MOST_ROUTE].split(","):
            if name.strip() not in self._rules.strategies:
                known = ", ".join(sorted(self._rules.strategies))
                raise BadRequest(f"route: {name[:50]!r} is no strategy; known are {known}", field="route")

    @staticmethod
    def keep(tx: Transaction, new: NewKey, group: str | None = None) -> NewKey:
        """Write a minted key within a transaction of the caller's; None: in the group that new keys begin in.

        Raises BadRequest for a group that its owner may not use.
        """
        digest = digest_of(new.api_key.encode())
        if digest is None:
            raise ValueError("a minted key must have the form of a key")
        owner = store.find_user(tx, new.record.user)
        wanted = first_key_group(tx) if group is None else group
        kept = msgspec.structs.replace(new.record, group=check_key_group(tx, wanted, owner.group if owner else DEFAULT))
        store.add_key(tx, kept, digest)
        return NewKey(kept, new.api_key)

    async def of(self, user: UserId | None) -> list[KeyRecord]:
        """The keys of `user`, or of everybody, newest first, revoked ones among them."""
        return await self._database.read(lambda tx: store.list_keys(tx, user))

    async def find(self, key: str) -> KeyRecord | None:
        """The key with this id."""
        return await self._database.read(lambda tx: store.get_key(tx, key)) if _may_name_key(key) else None

    async def change(self, key: str, user: UserId | None, wanted: KeyChange) -> KeyRecord:
        """The key as it is from its next call on, in every process. Raises NotFound unless it is an unrevoked key
        of `user` (of anybody when None), BadRequest naming a bad field."""

        def rewrite(tx: Transaction) -> KeyRecord:
            old = store.get_key(tx, key) if _may_name_key(key) else None
            if old is None or old.revoked_at_s is not None or user not in (None, old.user):
                raise NotFound(f"no API key {key[:100]!r}")
            store.lock_user(tx, old.user)
            new = _changed(tx, store.get_key(tx, key) or old, wanted)
            self._check_route(new.limits.route, new.scope)
            store.change_key(tx, new)
            tx.announce()
            return new

        return await self._database.write(rewrite)

    async def revoke(self, key: str, user: UserId | None = None) -> None:
        """Refuse the key from now on, in every process. Raises NotFound unless it is an unrevoked key of `user`
        (of anybody when None)."""
        now_s = self._clock.now_s()

        def end(tx: Transaction) -> bool:
            found = store.revoke_key(tx, key, user, now_s)
            if found:
                tx.announce()
            return found

        if not (_may_name_key(key) and await self._database.write(end)):
            raise NotFound(f"no API key {key[:100]!r}")


def _changed(tx: Transaction, key: KeyRecord, wanted: KeyChange) -> KeyRecord:
    limits = check_limits(msgspec.structs.replace(key.limits, **(wanted.limits or {})))
    group = key.group
    if wanted.group is not None:
        owner = store.find_user(tx, key.user)
        group = check_key_group(tx, wanted.group, owner.group if owner else DEFAULT)
    return msgspec.structs.replace(
        key,
        name=key.name if wanted.name is None else check_name(wanted.name),
        limits=limits,
        budgets=key.budgets if wanted.budgets is None else check_budgets(wanted.budgets),
        group=group,
    )


def check_name(name: str) -> str:
    """The name, trimmed. Raises BadRequest when it is empty, too long or not printable."""
    trimmed = name.strip()
    if not 0 < len(trimmed) <= 100 or not trimmed.isprintable():
        raise BadRequest("name must be 1 to 100 printable characters", field="name")
    return trimmed


def check_limits(limits: KeyLimits) -> KeyLimits:
    """The limits again. Raises BadRequest naming the one that makes no sense."""
    for field, most in (("requests_per_minute", MOST_PER_MINUTE), ("parallel_calls", MOST_PARALLEL)):
        value = getattr(limits, field)
        if value is not None and not 1 <= value <= most:
            raise BadRequest(f"{field} must be from 1 to {most}", field=field)
    models = limits.models
    if models is not None and not (1 <= len(models) <= MOST_MODELS and all(map(_may_name_model, models))):
        raise BadRequest(f"models must be 1 to {MOST_MODELS} model ids or patterns", field="models")
    return limits


def _may_name_model(entry: str) -> bool:
    return 0 < len(entry) <= 200 and entry.isprintable()


def _may_name_key(key: str) -> bool:
    """Whether the text could be an id at all; nothing else should reach the database."""
    return len(key) <= 100 and key.isprintable()
