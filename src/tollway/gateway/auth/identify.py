"""Turns a raw credential into a caller: from memory when it can, from the database when it must."""

import asyncio
from collections.abc import Callable

import msgspec

from tollway.core.caller import NO_PLAN, Caller, Level, Payer, PlanRules, Scope
from tollway.core.errors import Forbidden, TollwayError, Unauthenticated
from tollway.core.ids import KeyId
from tollway.gateway.auth import store
from tollway.gateway.auth.credential import channel_hint, credential, digest_of
from tollway.gateway.auth.lockout import Lockout
from tollway.ports import Clock, Database

__all__ = ["KeyRing", "credential"]

CACHE_TTL_S = 900.0
"""The cache is dropped this often even when nobody was revoked (hub.md 1.3)."""


class KeyRing:
    """The keys seen lately.

    A revocation anywhere bumps the database's epoch, and a new epoch empties the ring, so that a revoked key
    fails on the very next call. Failed look-ups are never remembered: a key may be created a moment later.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        lockout: Lockout | None = None,
        plans: Callable[[str], PlanRules] = lambda name: NO_PLAN,
        size: int = 10_000,
    ) -> None:
        """`plans` gives the rules of the plan of that name."""
        self._database, self._clock, self._plans, self._size = database, clock, plans, size
        self._lockout = lockout or Lockout()
        self._epoch = database.epoch()
        self._stale_at_s = 0.0
        self._callers: dict[bytes, Caller] = {}
        """By the key as it is sent: what a call brings with it anyway need not be hashed again for each."""
        self._asking: dict[tuple[bytes, int], asyncio.Task[Caller]] = {}
        self._used: dict[KeyId, float] = {}

    def known(self, raw: bytes, peer: str = "") -> Caller | None:
        """The caller when `raw` is a good key seen lately; None says nothing: ask `identify`."""
        now_s = self._clock.now_s()
        epoch = self._database.epoch()
        if epoch != self._epoch or now_s >= self._stale_at_s:
            self._callers.clear()
            self._epoch, self._stale_at_s = epoch, now_s + CACHE_TTL_S
            return None
        caller = self._callers.get(raw)
        if caller is None or (caller.expires_at_s is not None and caller.expires_at_s <= now_s):
            return None
        if self._lockout.locks and self._lockout.locked(peer, self._clock.monotonic_s()):
            return None
        self._used[caller.key] = now_s
        return caller

    async def identify(self, raw: bytes | None, peer: str = "") -> Caller:
        """The caller of `raw`. Raises Unauthenticated for a missing, unknown, expired or revoked key, Forbidden
        for a channel hint of somebody who may not give one, RateLimited while `peer` is shut out."""
        self._lockout.check(peer, self._clock.monotonic_s())
        if not raw:
            raise Unauthenticated("no API key in the request: send `Authorization: Bearer <key>` or `x-api-key`")
        caller = self.known(raw, peer)
        if caller is not None:
            return caller
        try:
            caller = await self._ask_once(raw)
        except Unauthenticated:
            self._lockout.failed(peer, self._clock.monotonic_s())
            raise
        self._used[caller.key] = self._clock.now_s()
        return caller

    async def note_use(self) -> None:
        """Write when keys were last used. To be called by a timer, at least a minute apart, and at the end."""
        if not self._used:
            return
        used, self._used = self._used, {}
        try:
            await self._database.write(lambda tx: store.touch_keys(tx, used))
        except TollwayError:
            self._used = used | self._used  # for the next try
            raise

    async def _ask_once(self, raw: bytes) -> Caller:
        """One look-up for all who ask about the same key at the same time."""
        question = (raw, self._database.epoch())
        task = self._asking.get(question)
        if task is None:
            task = asyncio.create_task(self._ask(*question))
            self._asking[question] = task
            task.add_done_callback(lambda done: self._answered(question, done))
        return await asyncio.shield(task)

    def _answered(self, question: tuple[bytes, int], task: asyncio.Task[Caller]) -> None:
        del self._asking[question]
        if not task.cancelled():
            task.exception()  # every waiter may be gone: an unread refusal is not worth a warning

    async def _ask(self, raw: bytes, epoch: int) -> Caller:
        digest = digest_of(raw)
        found = await self._database.read(lambda tx: store.find_key(tx, digest)) if digest else None
        if found is None:
            raise Unauthenticated("this API key is not known")
        caller = self._caller(found)
        if channel_hint(raw) is not None and caller.scope is not Scope.ADMIN:
            raise Forbidden("only an administrator's key may name a channel", field="authorization")
        hint = channel_hint(raw)
        if hint is not None:
            limits = msgspec.structs.replace(caller.limits, route=f"channel:{hint}")
            caller = msgspec.structs.replace(caller, limits=limits)
        # A revocation during the read has moved the epoch on: then the answer serves this call and is not kept.
        if epoch == self._epoch == self._database.epoch():
            if len(self._callers) >= self._size:
                del self._callers[next(iter(self._callers))]
            self._callers[raw] = caller
        return caller

    def _caller(self, found: store.Found) -> Caller:
        """The key's owner with everything that his calls are judged by."""
        key, now_s = found.key, self._clock.now_s()
        status = key.status(now_s)
        if status != "active":
            told = "has been revoked" if status == "revoked" else "has expired"
            raise Unauthenticated(f"this API key {told}")
        owner = found.owner.as_of(now_s)
        if owner.next_plan_at_s is not None:
            self._stale_at_s = min(self._stale_at_s, owner.next_plan_at_s)
        scope = Scope.ADMIN if key.scope is Scope.ADMIN and owner.admin else Scope.CALL
        rules = self._plans(owner.plan)
        payer = _payer(found)
        return Caller(
            key.user, key.id, scope, key.limits, key.expires_at_s, payer, rules, owner.group, key.group
        )  # fmt: skip


def _payer(found: store.Found) -> Payer:
    """Whose credits are spent, through the budgets that somebody has set."""
    key, owner, organisation = found
    steps = (("", ()) if organisation is None else (organisation.id, organisation.budgets)), (owner.id, owner.budgets)
    levels = (*steps, (key.id, key.budgets))
    return Payer(owner.id, tuple(Level(name, budgets) for name, budgets in levels if budgets), owner.strict)


def require_admin(caller: Caller) -> Caller:
    """The caller again. Raises Forbidden unless its key administers."""
    if caller.scope is not Scope.ADMIN:
        raise Forbidden("this needs an administrator's API key")
    return caller
