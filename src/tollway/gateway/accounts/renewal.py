"""Renews tokens: one renewal of an account at a time, in this process and among all processes of this machine."""

import asyncio
import contextlib
import functools
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable

from tollway.core.errors import Unavailable
from tollway.gateway.accounts.account import Account, Grant, Patience, granted, refused, revoked
from tollway.gateway.accounts.oauth import NotRenewed, Revoked
from tollway.gateway.accounts.roster import Roster

Renew = Callable[[Account], Awaitable[Grant]]
LOOK_AGAIN_S = 0.02
WRITE_S = 10.0
CLOSE_S = 25.0
log = logging.getLogger("tollway.accounts")


class Renewals:
    """The renewals under way. A caller who leaves does not stop one: a rotated token would be lost."""

    def __init__(
        self, roster: Roster, renew: Renew, patience: Patience, now_ms: Callable[[], int], others_s: float
    ) -> None:
        """`others_s`: how long another process may take to renew an account before we give up on it."""
        self._roster, self._renew, self._patience, self._now_ms = roster, renew, patience, now_ms
        self._others_s = others_s
        self._running: dict[str, asyncio.Task[Account]] = {}
        self.outcomes: Counter[str] = Counter(renewed=0, revoked=0, failed=0)
        """What came of those that this process did."""

    async def fresh(self, stale: Account) -> Account:
        """The account with other tokens than `stale` has, from whoever renews them first.

        Raises Revoked, NotRenewed; either is noted on the account, once for all who wait here.
        """
        known = self._roster.one(stale.id)
        if known is not None and known.generation != stale.generation:
            return known
        task = self._running.get(stale.id)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._one(stale), name=f"renew {stale.id}")
            self._running[stale.id] = task
            task.add_done_callback(functools.partial(self._ended, stale.id))
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Wait for those under way: what they bring must reach the file."""
        if self._running:
            await asyncio.wait(self._running.values(), timeout=CLOSE_S)

    def _ended(self, name: str, task: asyncio.Task[Account]) -> None:
        self._running.pop(name, None)
        if not task.cancelled():
            task.exception()  # whoever waited has it; perhaps nobody waits any more

    async def _one(self, stale: Account) -> Account:
        """One renewal from end to end; what becomes of it is noted on the account."""
        try:
            async with self._alone(stale.id):
                await self._roster.look()
                account = self._roster.one(stale.id)
                if account is not None and account.generation == stale.generation:
                    account = await self._renewed(account)
        except Revoked as error:
            self.outcomes["revoked"] += 1
            reason = str(error)
            self._note(stale, lambda one, now: revoked(one, now, reason))
            await self._roster.written(WRITE_S)
            raise
        except (NotRenewed, Unavailable, OSError) as error:
            self.outcomes["failed"] += 1
            log.warning("account %s: its token is not renewed: %s", stale.id, error)
            self._note(stale, lambda one, now: refused(one, now, self._patience))
            raise NotRenewed(str(error)) from error
        if account is None:
            raise NotRenewed("the account has left the pool")
        return account

    async def _renewed(self, account: Account) -> Account | None:
        """Ask for new tokens, and keep them in the file before anybody else may ask."""
        grant = await self._renew(account)
        self.outcomes["renewed"] += 1
        self._note(account, lambda one, _: granted(one, grant))
        await self._roster.written(WRITE_S)
        return self._roster.one(account.id)

    def _note(self, stale: Account, event: Callable[[Account, int], Account]) -> None:
        """The event holds unless the account has got other tokens meanwhile (an operator brought them)."""
        now, generation = self._now_ms(), stale.generation
        self._roster.happened(stale.id, lambda one: event(one, now) if one.generation == generation else one)

    @contextlib.asynccontextmanager
    async def _alone(self, name: str) -> AsyncIterator[None]:
        """No other process renews this account meanwhile."""
        file, waited_s = self._roster.file, 0.0
        while (handle := await asyncio.to_thread(file.take, name)) is None:
            if waited_s >= self._others_s:
                raise NotRenewed("another process has been renewing it for too long")
            await asyncio.sleep(LOOK_AGAIN_S)
            waited_s += LOOK_AGAIN_S
        try:
            yield
        finally:
            file.let_go(handle)
