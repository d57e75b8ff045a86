"""Moves credit between its owners in the database and this process's leases on it."""

import asyncio
import functools
import itertools
import logging
from collections.abc import Callable, Coroutine, Sequence

from tollway.core.errors import Unavailable
from tollway.core.ids import LeaseId
from tollway.gateway.ledger import store
from tollway.gateway.ledger.lease import NEARLY_EMPTY, Account, Lease, Limit, Rules
from tollway.ports import Clock, Database, Transaction

TOGETHER = 32
"""Owners asked about in one transaction."""
CALLED_BACK_S = 10.0
"""So long after somebody else needed an owner's credit, none of it is leased ahead."""
CALL_S = 5.0
"""A call for credit older than this is not heeded any more: who made it has given up."""
UNKNOWN = -1
FORGOTTEN_S = 900.0
"""An account without a lease is known for so long: longer than any call whose lease was taken away goes on."""
AT_ONCE = 500
"""Leases renewed in one transaction."""
LOST_TRUST = float("-inf")

log = logging.getLogger(__name__)


class Leasing:
    """The leases of one process, one for each owner, with at most one movement of an owner's credit at a time.

    Owners that wait while the database is busy with others are then asked about together.
    """

    def __init__(self, database: Database, clock: Clock, rules: Rules) -> None:
        self._database, self._clock, self._rules = database, clock, rules
        self._loop: asyncio.AbstractEventLoop
        self._process = ""
        self._numbers = itertools.count(1)
        self._renewed_at_s = 0.0
        self.accounts: dict[str, Account] = {}
        self._asking: list[Account] = []
        self._returning: list[Account] = []
        self._leaving: dict[Account, None] = {}
        """Nearly empty accounts whose free credit goes back in a moment."""
        self._retired: list[Lease] = []
        """Leases that are drawn on no more, to be closed when the last call on them is in the books."""
        self.tasks: set[asyncio.Task[None]] = set()
        self._moving = False

    def begin(self, process: str) -> None:
        """Lease in the name of this process from now on, on the running loop."""
        self._process, self._loop = process, asyncio.get_running_loop()

    def account(self, owner: str, limit: Limit | None = None) -> Account:
        """What we know of the owner's credit, nothing when he is new to us."""
        account = self.accounts.get(owner)
        if account is None:
            account = self.accounts[owner] = Account(owner, self._clock.now_s(), limit)
        elif account.limit != limit:
            if account.lease is not None:  # what was leased under another limit must be asked for anew
                account.lease.trusted_until_s = LOST_TRUST
            if account.request is None:
                account.limit = limit
                self.give_back(account)
        return account

    def ask(self, account: Account, ceiling: int) -> asyncio.Future[None]:
        """The movement under way, or else a new one that leases enough for `ceiling` if there is so much.

        Wait for it shielded: it goes on when the caller who asked has left.
        """
        if account.request is None:
            account.ceiling = ceiling
            account.request = self._loop.create_future()
            self._asking.append(account)
            self._move()
        return account.request

    def give_back(self, account: Account) -> None:
        """Begin to give back what is free of the account's lease; the lease itself when nothing can draw on it."""
        if account.request is None and account.lease is not None:
            account.request = self._loop.create_future()
            self._returning.append(account)
            self._move()

    def give_back_soon(self, account: Account) -> None:
        """Give back what is free a moment later, when others may have ended, too."""
        if not self._leaving:
            self._loop.call_later(self._rules.flush_s, self._leave)
        self._leaving[account] = None

    async def heed(self) -> None:
        """Give back what is free of owners whose credit another process needs now."""
        if not any(account.lease is not None and account.lease.free for account in self.accounts.values()):
            return
        now_s = self._clock.now_s()
        work = functools.partial(store.recalled, process=self._process, since=now_s - CALL_S)
        for owner in await self._database.read(work):
            account = self.accounts.get(owner)
            if account is not None and account.lease is not None:
                self.call_back(account, now_s)

    def call_back(self, account: Account, now_s: float) -> None:
        """Begin to give back what is free, and lease nothing ahead for a while."""
        account.called_back_until_s = now_s + CALLED_BACK_S
        if account.lease is not None and account.lease.free:
            self.give_back(account)

    def return_idle(self) -> None:
        """Begin to give back the credit of accounts nobody used for a while; forget those without any."""
        now_s = self._clock.now_s()
        for account in [account for account in self.accounts.values() if account.request is None]:
            lease, limit = account.lease, account.limit
            over = limit is not None and limit.ends_at_s is not None and now_s >= limit.ends_at_s
            if lease is not None and lease.quiet and (over or now_s - lease.used_at_s > self._rules.idle_s):
                self.give_back(account)
            elif lease is None and not account.waiting and now_s - account.asked_at_s > FORGOTTEN_S:
                del self.accounts[account.owner]

    async def return_all(self) -> None:
        """Give back everything that no call in flight holds. Raises Unavailable when some could not be."""
        while self.tasks:
            await asyncio.wait(self.tasks)
        for account in self.accounts.values():
            self.give_back(account)
        while self.tasks:
            await asyncio.wait(self.tasks)
        await self.close_retired()

    @property
    def owing(self) -> bool:
        """Whether any lease is still open."""
        return bool(self._retired) or any(account.lease is not None for account in self.accounts.values())

    async def renew(self) -> None:
        """Prolong our leases when it is time; one that was taken away is let go."""
        now_s = self._clock.now_s()
        if 0 <= now_s - self._renewed_at_s < self._rules.renew_s or not self.owing:
            return  # unless the clock was set back: then what was promised until now is worth nothing
        asked = [(account, account.lease) for account in self.accounts.values() if account.lease is not None]
        names = [lease.id for lease in (*(lease for _, lease in asked), *self._retired)]
        expires_at = now_s + self._rules.lease_s
        ours: set[LeaseId] = set()
        for first in range(0, len(names), AT_ONCE):
            some = names[first : first + AT_ONCE]
            work = functools.partial(store.renew, leases=some, process=self._process, expires_at=expires_at)
            ours |= await self._database.write(work)
        self._renewed_at_s = now_s
        self._retired = [lease for lease in self._retired if lease.id in ours]
        for account, lease in asked:
            if lease.id not in ours:
                _lose(account, lease)
            elif lease.trusted_until_s != LOST_TRUST:
                lease.trusted_until_s = now_s + self._rules.trust_s

    async def close_retired(self) -> None:
        """Close the retired leases whose last call is in the books."""
        closing = [lease for lease in self._retired if lease.quiet]
        if closing:
            await self._database.write(self._return_of([(lease, None) for lease in closing]))
            self._retired = [lease for lease in self._retired if lease not in closing]

    # ------------------------------------------------------------ the movements

    def _move(self) -> None:
        if not self._moving:
            self._moving = True
            task = self._loop.create_task(self._moves(), name="ledger leasing")
            self.tasks.add(task)
            task.add_done_callback(self._finished)

    async def _moves(self) -> None:
        await asyncio.sleep(0)  # whoever else asks in this moment is asked about with the first
        try:
            while self._asking or self._returning:
                asking, self._asking = self._asking[:TOGETHER], self._asking[TOGETHER:]
                if asking:
                    await self._one(asking, self._take(asking))
                returning, self._returning = self._returning[:TOGETHER], self._returning[TOGETHER:]
                if returning:
                    await self._one(returning, self._return(returning))
        finally:
            self._moving = False

    async def _one(self, accounts: Sequence[Account], movement: Coroutine[None, None, None]) -> None:
        """Run one movement and tell those who wait for it how it went."""
        failed: BaseException | None = None
        try:
            await movement
        except BaseException as error:
            failed = error
            raise
        finally:
            for account in accounts:
                request, account.request = account.request, None
                _tell(request, failed)

    async def _take(self, accounts: Sequence[Account]) -> None:
        """Lease more credit, at least enough for each one's ceiling unless he has not so much."""
        now_s = self._clock.now_s()
        wishes = [self._wish(account, now_s) for account in accounts]
        leases = [account.lease for account in accounts]
        taken = await self._database.write(functools.partial(store.take_all, wishes=wishes))
        for account, wish, had, got in zip(accounts, wishes, leases, taken, strict=True):
            if got.amount == store.LOST:
                _lose(account, had)
                continue
            account.rest, account.elsewhere = max(0, got.rest), got.elsewhere
            account.strict = got.rest < NEARLY_EMPTY * account.ceiling
            lease = had
            if got.fence and lease is None:
                lease = account.lease = Lease((wish.owner, wish.lease, got.fence), now_s)
            if lease is not None:
                lease.free += got.amount
                lease.trusted_until_s = now_s + self._rules.trust_s
            account.answered = account.asked

    def _wish(self, account: Account, now_s: float) -> store.Wish:
        lease, ceiling = account.lease, account.ceiling
        account.asked += 1
        free = lease.free if lease is not None else 0
        wish = store.Wish(
            lease=LeaseId(f"lse_{self._process}_{next(self._numbers)}") if lease is None else lease.id,
            owner=account.owner, process=self._process, fence=lease.fence if lease is not None else 0,
            need=max(0, ceiling - free), waiting=max(0, account.waiting - free), want=account.want(ceiling, now_s),
            at=now_s, expires_at=now_s + self._rules.lease_s,
            limit=account.limit.amount if account.limit is not None else None,
        )  # fmt: skip
        account.spent, account.asked_at_s = 0, now_s
        return wish

    async def _return(self, accounts: Sequence[Account]) -> None:
        """Give back what is free; a whole lease when nothing can draw on it any more."""
        backs: list[tuple[Lease, int | None]] = []
        for account in accounts:
            lease = account.lease
            if lease is None:
                continue
            if lease.quiet:
                account.lease = None
                backs.append((lease, None))
            elif lease.free:
                backs.append((lease, lease.free))
            account.rest += lease.free
            lease.free = 0
        try:
            if backs:
                await self._database.write(self._return_of(backs))
        except Unavailable:
            # Whether it was done is not known: nothing is drawn on these any more, and what is there comes back later.
            known = {lease for lease, _ in backs}
            for account in accounts:
                if account.lease in known:
                    account.lease = None
            self._retired += known
            raise

    def _return_of(self, backs: Sequence[tuple[Lease, int | None]]) -> Callable[[Transaction], None]:
        now_s = self._clock.now_s()

        def work(tx: Transaction) -> None:
            for lease, amount in sorted(backs, key=lambda back: back[0].draw):
                store.give_back(tx, lease.id, lease.fence, amount, now_s)

        return work

    def _leave(self) -> None:
        leaving, self._leaving = self._leaving, {}
        for account in leaving:
            if account.strict and not account.waiting and account.lease is not None and account.lease.free:
                self.give_back(account)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:  # whoever waits gets it too; nobody may be waiting
            log.warning("a movement of credit was broken off", exc_info=error)
        if self._asking or self._returning:
            self._move()


def _lose(account: Account, lease: Lease | None) -> None:
    """The lease was taken away: draw on it no more, and let only a new answer say that there is not enough."""
    account.answered = UNKNOWN
    if account.lease is lease:
        account.lease = None


def _tell(request: asyncio.Future[None] | None, failed: BaseException | None) -> None:
    if request is None or request.done():
        return
    if failed is None:
        request.set_result(None)
    elif isinstance(failed, Exception):
        request.set_exception(failed)
        request.exception()  # nobody may be waiting; that is no fault
    else:
        request.cancel()
