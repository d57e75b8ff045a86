"""The ledger: holds drawn from leased credit in memory, and books that stay exact whatever happens to us."""

import asyncio
import fcntl
import functools
import logging
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from tollway.core.caller import Payer
from tollway.core.errors import BadRequest, Unavailable
from tollway.core.ids import CallId, UserId
from tollway.core.money import NanoUsd
from tollway.core.receipt import Receipt
from tollway.core.remark import MOST_NAME, remark
from tollway.gateway.ledger import store
from tollway.gateway.ledger.granting import granted
from tollway.gateway.ledger.hold import Hold
from tollway.gateway.ledger.journal import Journal
from tollway.gateway.ledger.lease import NEARLY_EMPTY, Account, Lease, Rules
from tollway.gateway.ledger.leasing import Leasing
from tollway.gateway.ledger.levels import Drawn, Levels
from tollway.gateway.ledger.recovery import replay
from tollway.gateway.ledger.search import Search
from tollway.gateway.ledger.writer import Writer
from tollway.ports import Clock, Database

__all__ = ["Balance", "FolderInUse", "Hold", "Ledger", "Rules"]

CLOSE_S = 10.0
BACKLOG_S = 10.0
"""How long a call waits for books that are too far behind."""


DEFAULT = Rules()
NO_BUDGETS: tuple[Drawn, ...] = ()

log = logging.getLogger(__name__)


class FolderInUse(RuntimeError):
    """Another process keeps its books in this data folder."""


class Balance(NamedTuple):
    """A user's credit in nano-dollars: what could be spent by source, and what calls in flight hold."""

    plan: NanoUsd
    promo: NanoUsd
    topup: NanoUsd
    held: NanoUsd

    @property
    def left(self) -> NanoUsd:
        """What could still be spent."""
        return NanoUsd(self.plan + self.promo + self.topup)


class Ledger:
    """Reserve, settle, release, expire, grant. Holding needs `start`; granting and reading do not."""

    def __init__(self, database: Database, folder: Path, clock: Clock, rules: Rules = DEFAULT) -> None:
        self._database, self._folder, self._rules = database, folder, rules
        self.clock = clock
        self._leasing = Leasing(database, clock, rules)
        self._accounts = self._leasing.accounts
        self._levels = Levels(self._accounts)
        self._journal: Journal | None = None
        self.writer: Writer
        """There once the ledger has started."""
        self._started = False
        self._lock: int | None = None
        self._loops: list[asyncio.Task[None]] = []
        self._swept_at_s = 0.0

    async def start(self, *, alone: bool = True) -> None:
        """Replay dead processes' journals, sweep their leases, begin to write.

        Raises FolderInUse when we are to be alone in the data folder and are not.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        if alone:
            self._lock = _claim(self._folder)
        await replay(self._database, self._folder / "journal", self.clock)
        self._journal = Journal(self._folder / "journal")
        self._leasing.begin(self._journal.process)
        self.writer = Writer(self._database, self._journal, self._rules)
        self._started = True
        await self._sweep()
        for seconds, job in ((self._rules.tend_s, self.tend), (self._rules.heed_s, self._leasing.heed)):
            task = asyncio.get_running_loop().create_task(_repeat(seconds, job), name=f"ledger {job.__name__}")
            task.add_done_callback(_complain)
            self._loops.append(task)

    # ------------------------------------------------------------ holding

    @property
    def leases(self) -> list[Lease]:
        """The credit that this process has leased."""
        return [account.lease for account in self._accounts.values() if account.lease is not None]

    @property
    def sync(self) -> bool:
        """Whether a call must wait until it is `written` before its last byte."""
        return self._rules.sync

    def try_hold(self, payer: Payer, ceiling: NanoUsd, call: CallId) -> Hold | None:
        """Set `ceiling` (0 or more) aside without waiting, on every level or on none; None when only `hold` can tell.

        Raises Unavailable when the journal cannot take the record (a full disk).
        """
        account = self._accounts.get(payer.user)
        lease = account.lease if account is not None else None
        if account is None or lease is None or lease.free < ceiling or self.writer.full:
            return None
        now_s = self.clock.now_s()
        if now_s > lease.trusted_until_s:
            return None
        budgets = NO_BUDGETS
        if payer.levels:
            covering = self._levels.covering(payer.levels, ceiling, now_s)
            if covering is None:
                return None
            budgets = covering
        hold = Hold(call, ceiling, now_s, (account, lease), self)
        if lease.free < ceiling:
            self._lease_ahead(account, ceiling)
        if budgets:
            hold.draw_on(budgets)
            for each, other in budgets:
                if other.free < ceiling:
                    self._lease_ahead(each, ceiling)
        return hold

    async def hold(self, payer: Payer, ceiling: NanoUsd, call: CallId) -> Hold:
        """Set `ceiling` aside, leasing more credit when needed.

        Raises CreditsExhausted when the user cannot pay so much, BudgetExhausted when a level of the payer may not,
        Unavailable when the books cannot be reached.
        """
        if ceiling < 0:
            raise ValueError("a hold cannot be negative")
        with Search(self._leasing, self._rules.patience_s) as search:
            while (hold := self.try_hold(payer, ceiling, call)) is None:
                await self._catch_up()
                now_s = self.clock.now_s()
                accounts = self._levels.accounts(payer, now_s, self._leasing.account)
                await search.more([(each, ceiling) for each in accounts], now_s)
        return hold

    async def extend(self, hold: Hold, amount: NanoUsd) -> bool:
        """Set `amount` more aside for a hold, leasing more credit when needed; False when the call ended meanwhile.

        Raises CreditsExhausted when credits or a budget refuse, Unavailable when the books cannot be asked.
        """
        with Search(self._leasing, self._rules.patience_s) as search:
            while not hold.try_extend(amount):
                if not hold.is_open:
                    return False
                now_s = self.clock.now_s()
                await search.more(hold.lacking(amount, now_s), now_s)
        return True

    async def learn(self, payer: Payer, ceiling: NanoUsd) -> None:
        """Find out what the payer has, where this process does not know yet, leasing `ceiling` on the way."""
        accounts = self._levels.accounts(payer, self.clock.now_s(), self._leasing.account)
        asked = [self._leasing.ask(account, ceiling) for account in accounts if account.answered <= 0]
        for request in asked:
            await asyncio.shield(request)

    def left(self, payer: Payer) -> NanoUsd:
        """What the payer could still spend, as known here and now: the least over all levels."""
        account = self._accounts.get(payer.user)
        if account is None:
            return NanoUsd(0)
        if not payer.levels:
            return account.left
        return NanoUsd(self._levels.left(payer.levels, self.clock.now_s(), account.left))

    def held(self, payer: Payer) -> NanoUsd:
        """What calls of the payer's user that are in flight here have set aside."""
        account = self._accounts.get(payer.user)
        return NanoUsd(account.lease.held if account is not None and account.lease is not None else 0)

    def nearly_empty(self, account: Account) -> None:
        """A call has ended on an account that is leased from call by call: what it left goes back."""
        if not account.waiting:
            self._leasing.give_back_soon(account)

    def _lease_ahead(self, account: Account, ceiling: int) -> None:
        if account.request is None and account.rest >= NEARLY_EMPTY * ceiling and not account.strict:
            self._leasing.ask(account, ceiling)

    # ------------------------------------------------------------ reading and granting

    async def balance(self, user: UserId) -> Balance:
        """The user's exact balance. Raises Unavailable when the books are too far behind to tell."""
        await self._caught_up()
        now_s = self.clock.now_s()
        if await self._database.read(functools.partial(store.due, owner=user, now=now_s)):
            await self._database.write(functools.partial(store.refresh, owner=user, now=now_s))
        own: Counter[str] = Counter()
        for pot in await self._database.read(functools.partial(store.pots, owner=user)):
            own[pot.kind] += pot.balance
        account = self._accounts.get(user)
        held = account.lease.held if account is not None and account.lease is not None else 0
        parts = [own[kind] for kind in store.SOURCES]
        rest = held
        for place, have in enumerate(parts):
            used = min(have, rest)
            parts[place], rest = have - used, rest - used
        plan, promo, topup = (NanoUsd(part) for part in parts)
        return Balance(plan, promo, topup, NanoUsd(held))

    async def grant(
        self, user: UserId, amount: NanoUsd, kind: str, author: str, reason: str, reference: str | None = None
    ) -> bool:
        """Give credit of a kind (`plan`, `promo`, `topup`), or take it back when negative.

        False when a grant with this reference was made before: then nothing happens. Raises BadRequest naming a bad
        field, also when less is free than would be taken back.
        """
        if kind not in store.SOURCES:
            raise BadRequest(f"no such kind of credit: {kind!r}", field="kind")
        named = store.new_reference() if reference is None else remark(reference, "reference", MOST_NAME)
        by, why = remark(author, "author", MOST_NAME), remark(reason, "reason")
        gift = store.Grant(user, amount, kind, by, why, named, self.clock.now_s())
        done = await granted(gift, self._database, self._leasing, self._rules.patience_s)
        account = self._accounts.get(user)
        if done and account is not None:
            account.rest = max(0, account.rest + amount)
        return done

    def receipt_pending(self, call: CallId) -> Receipt | None:
        """A receipt that is not in the database yet."""
        return self.writer.pending.get(call) if self._started else None

    async def receipt(self, call: CallId, user: UserId | None) -> Receipt | None:
        """The receipt of one of the user's own calls, of anybody's when None; None while it runs or is not there."""
        pending = self.receipt_pending(call)
        if pending is not None:
            return pending if user in (None, pending.user) else None
        return await self._database.read(lambda tx: store.receipt(tx, call, user))

    async def receipts(self, user: UserId, limit: int, before: CallId | None = None) -> list[Receipt] | None:
        """At most `limit` of the user's receipts, newest first, those older than `before`; None: no call of his."""
        await self.flush()
        return await self._database.read(lambda tx: store.receipts(tx, user, limit, before))

    # ------------------------------------------------------------ keeping

    async def flush(self) -> None:
        """Return when every call ended until now is in the database."""
        if self._started:
            await self.writer.flush()

    async def written(self, call: CallId) -> None:
        """Return when the ended call's receipt is in the database. Raises Unavailable when that takes too long."""
        try:
            await asyncio.wait_for(self.writer.written(call), BACKLOG_S)
        except TimeoutError:
            raise Unavailable("the books cannot be written now") from None

    def withdraw(self, call: CallId) -> None:
        """The ended call is free after all: its answer was not told, because it was not written in time."""
        self.writer.withdraw(call)

    async def sweep(self) -> int:
        """Expire the leases of processes that stopped renewing them, lapse what ran out, begin new cycles.

        How many leases; 0 when another process is at it.
        """
        leases = 0
        while (swept := await self._sweep()) is not None:
            leases += swept.leases
            if not swept.more:
                break
        return leases

    async def _sweep(self) -> store.Swept | None:
        """As much of a sweep as fits into one transaction."""
        self._swept_at_s = now_s = self.clock.now_s()
        process = self._journal.process if self._journal is not None else ""
        return await self._database.write(functools.partial(store.sweep, process=process, now=now_s))

    async def drop_receipts(self, months: int) -> list[str]:
        """Drop the receipts of months before the last `months` and the present one; which they were."""
        today = datetime.fromtimestamp(self.clock.now_s(), UTC)
        year, month = divmod(today.year * 12 + today.month - 1 - months, 12)
        before = f"{year:04d}{month + 1:02d}"
        oldest = functools.partial(store.drop_months, before=before, most=1)
        dropped: list[str] = []
        while gone := await self._database.write(oldest):  # one a transaction: settlements wait for it
            dropped += gone
        return dropped

    async def close(self, within_s: float = CLOSE_S) -> None:
        """Write everything, return all leased credit, remove the journal.

        Calls still in flight keep theirs, and when the database is away everything stays: the next start replays it.
        """
        for loop in self._loops:
            loop.cancel()
        try:
            async with asyncio.timeout(within_s):
                await self._settle_up()
        except (TimeoutError, Unavailable):
            log.warning("the ledger closes with calls or credit still in its journal; the next start replays them")
        if self._started and self._journal is not None:
            await self.writer.close()
            self._journal.close(remove=not self._leasing.owing and not self.writer.pending)
        if self._lock is not None:
            os.close(self._lock)

    async def _settle_up(self) -> None:
        await self.flush()
        await self._leasing.return_all()

    async def tend(self) -> None:
        """What is due now: renew leases in use, return idle ones, sweep those of the dead."""
        self._leasing.return_idle()
        await self._leasing.renew()
        await self._leasing.close_retired()
        if not 0 <= self.clock.now_s() - self._swept_at_s <= self._rules.sweep_s:
            await self.sweep()

    async def _catch_up(self) -> None:
        """Wait, within bounds, until the books are near enough to take another call."""
        if not self._started:
            raise Unavailable("the ledger is not started")
        if self.writer.full:
            await self._caught_up()

    async def _caught_up(self) -> None:
        try:
            await asyncio.wait_for(self.flush(), BACKLOG_S)
        except TimeoutError:
            raise Unavailable("the books are too far behind") from None


async def _repeat(seconds: float, job: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        try:
            await job()
        except Unavailable:
            continue  # the leases' own time limits keep us honest meanwhile


def _complain(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        log.error("leases are no longer tended: they end by their own time limits", exc_info=task.exception())


def _claim(folder: Path) -> int:
    handle = os.open(folder / "serve.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise FolderInUse(f"another tollway serves from {folder}: stop it, or choose another data folder") from None
    return handle
