"""Moves credit between the users' accounts in the database and this process's leases."""

import asyncio
import functools
import itertools
import logging
from collections.abc import Coroutine

from tollway.core.errors import Unavailable
from tollway.core.ids import LeaseId, UserId
from tollway.gateway.ledger import store
from tollway.gateway.ledger.lease import Account, Lease, Rules
from tollway.ports import Clock, Database

log = logging.getLogger(__name__)


class Leasing:
    """The leases of one process, at most one for each account, with at most one movement of its credit at a time."""

    def __init__(self, database: Database, clock: Clock, rules: Rules) -> None:
        self._database, self._clock, self._rules = database, clock, rules
        self._process = ""
        self._numbers = itertools.count(1)
        self._renewed_at_s = 0.0
        self.accounts: dict[UserId, Account] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    def begin(self, process: str) -> None:
        """Lease in the name of this process from now on."""
        self._process = process

    def account(self, user: UserId) -> Account:
        """What we know of the user's credit, nothing when the user is new to us."""
        account = self.accounts.get(user)
        if account is None:
            account = self.accounts[user] = Account(user, self._clock.now_s())
        return account

    def ask(self, account: Account, ceiling: int) -> asyncio.Task[None]:
        """The movement in flight, or else a new one that leases enough for `ceiling` if there is so much.

        Wait for it shielded: it goes on when the caller who asked has left.
        """
        return account.request or self._move(account, self._extend(account, ceiling))

    def return_idle(self) -> None:
        """Begin to give back the credit of accounts nobody used for a while; forget those without any."""
        now_s = self._clock.now_s()
        for account in [account for account in self.accounts.values() if account.request is None]:
            lease = account.lease
            if lease is not None and lease.quiet and now_s - lease.used_at_s > self._rules.idle_s:
                self._move(account, self._return(account))
            elif lease is None and not account.waiting:
                del self.accounts[account.user]

    async def return_all(self) -> None:
        """Give back everything that no call in flight holds."""
        if self.tasks:
            await asyncio.wait(self.tasks)
        for account in list(self.accounts.values()):
            await self._return(account)

    @property
    def owing(self) -> bool:
        """Whether any lease is still open."""
        return any(account.lease is not None for account in self.accounts.values())

    async def renew(self) -> None:
        """Prolong our leases when it is time; one that was taken away is let go."""
        now_s = self._clock.now_s()
        if now_s - self._renewed_at_s < self._rules.renew_s or not self.owing:
            return
        work = functools.partial(store.renew, process=self._process, expires_at=now_s + self._rules.lease_s)
        asked = {account.lease for account in self.accounts.values() if account.lease is not None}
        ours = await self._database.write(work)
        self._renewed_at_s = now_s
        for account in self.accounts.values():
            lease = account.lease
            if lease is not None and lease in asked:
                if lease.id in ours:
                    lease.trusted_until_s = max(lease.trusted_until_s, now_s + self._rules.trust_s)
                else:
                    account.lease = None

    async def _extend(self, account: Account, ceiling: int) -> None:
        """Lease more credit, at least enough for `ceiling` unless there is not so much."""
        now_s, lease = self._clock.now_s(), account.lease
        account.asked += 1
        number, free = account.asked, (lease.free if lease is not None else 0)
        name = LeaseId(f"lse_{self._process}_{next(self._numbers)}") if lease is None else lease.id
        wish = store.Wish(
            lease=name, user=account.user, process=self._process, fence=lease.fence if lease else 0,
            need=max(0, ceiling - free), waiting=max(0, account.waiting - free),
            want=account.want(ceiling, now_s), at=now_s, expires_at=now_s + self._rules.lease_s,
        )  # fmt: skip
        account.spent, account.asked_at_s = 0, now_s
        taken = await self._database.write(functools.partial(store.take, wish=wish))
        account.rest = taken.rest
        if taken.amount == store.LOST:
            account.lease = None
            return
        if taken.fence:
            if lease is None:
                lease = account.lease = Lease(name, taken.fence, now_s, now_s + self._rules.trust_s)
            lease.free += taken.amount
            lease.trusted_until_s = now_s + self._rules.trust_s
        account.answered = number

    async def _return(self, account: Account) -> None:
        """Give back what is free; the whole lease when nothing can draw on it any more."""
        lease = account.lease
        if lease is None:
            return
        back, whole = lease.free, lease.quiet
        lease.free = 0
        work = functools.partial(
            store.give_back, lease=lease.id, amount=None if whole else back, at=self._clock.now_s()
        )
        try:
            returned = await self._database.write(work)
        except Unavailable:
            lease.free += back
            raise
        account.rest += returned
        if whole:
            account.lease = None

    def _move(self, account: Account, movement: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Begin the account's one movement of credit."""

        async def alone() -> None:
            try:
                await movement
            finally:
                account.request = None

        task = account.request = asyncio.get_running_loop().create_task(alone())
        self.tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:  # whoever waits for the task gets it too; nobody may be waiting
            log.warning("a movement of credit was broken off", exc_info=error)
