"""The ledger: holds drawn from leased credit in memory, and books that stay exact whatever happens to us."""

import asyncio
import fcntl
import functools
import logging
import os
from pathlib import Path
from typing import NamedTuple

from tollway.core.caller import Payer
from tollway.core.errors import BadRequest, CreditsExhausted, Unavailable
from tollway.core.ids import CallId, UserId
from tollway.core.money import NanoUsd
from tollway.core.receipt import Receipt
from tollway.gateway.ledger import store
from tollway.gateway.ledger.hold import Hold
from tollway.gateway.ledger.journal import Journal
from tollway.gateway.ledger.lease import Account, Rules
from tollway.gateway.ledger.leasing import Leasing
from tollway.gateway.ledger.recovery import replay
from tollway.gateway.ledger.writer import Writer
from tollway.ports import Clock, Database

__all__ = ["Balance", "FolderInUse", "Hold", "Ledger", "Rules"]

CLOSE_S = 10.0
BACKLOG_S = 10.0
"""How long a call waits for books that are too far behind."""


DEFAULT = Rules()

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
        self._journal: Journal | None = None
        self.writer: Writer
        """There once the ledger has started."""
        self._started = False
        self._lock: int | None = None
        self._tending: asyncio.Task[None] | None = None
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
        await self.sweep()
        self._tending = asyncio.get_running_loop().create_task(self._tend(), name="ledger tend")
        self._tending.add_done_callback(_complain)

    # ------------------------------------------------------------ holding

    @property
    def sync(self) -> bool:
        """Whether a call must wait until it is `written` before its last byte."""
        return self._rules.sync

    def try_hold(self, payer: Payer, ceiling: NanoUsd, call: CallId) -> Hold | None:
        """Set `ceiling` (0 or more) aside without waiting; None when only `hold` can tell.

        Raises Unavailable when the journal cannot take the record (a full disk).
        """
        account = self._accounts.get(payer.user)
        lease = account.lease if account is not None else None
        if account is None or lease is None or lease.free < ceiling or self.writer.full:
            return None
        now_s = self.clock.now_s()
        if now_s > lease.trusted_until_s:
            return None
        hold = Hold(call, ceiling, now_s, (account, lease), self)
        lease.free -= ceiling
        lease.held += ceiling
        lease.used_at_s = now_s
        if lease.free < ceiling and account.request is None and account.rest >= 4 * ceiling:
            self._leasing.ask(account, ceiling)
        return hold

    async def hold(self, payer: Payer, ceiling: NanoUsd, call: CallId) -> Hold:
        """Set `ceiling` aside, leasing more credit when needed.

        Raises CreditsExhausted when the user cannot pay so much, Unavailable when the books cannot be reached.
        """
        if ceiling < 0:
            raise ValueError("a hold cannot be negative")
        account = self._leasing.account(payer.user)
        arrived = account.asked
        account.waiting += ceiling
        try:
            while (hold := self.try_hold(payer, ceiling, call)) is None:
                await self._catch_up()
                await self._more(account, ceiling, arrived)
        finally:
            account.waiting -= ceiling
        return hold

    async def extend(self, hold: Hold, amount: NanoUsd) -> bool:
        """Set `amount` more aside for a hold, leasing more credit when needed; False when that cannot be had."""
        account = hold.account
        arrived = account.asked
        account.waiting += amount
        try:
            while not hold.try_extend(amount):
                await self._more(account, amount if hold.secure else NanoUsd(hold.amount + amount), arrived)
        except (CreditsExhausted, Unavailable):
            return False
        finally:
            account.waiting -= amount
        return True

    async def _more(self, account: Account, ceiling: NanoUsd, arrived: int) -> None:
        """Lease more; an answer to a request made after we came is the only one that can say there is not enough."""
        if account.answered > arrived and account.left < ceiling:
            raise CreditsExhausted(account.left, ceiling)
        await asyncio.shield(self._leasing.ask(account, ceiling))

    async def learn(self, payer: Payer, ceiling: NanoUsd) -> None:
        """Find out what the payer has, if this process does not know yet, leasing `ceiling` on the way."""
        account = self._leasing.account(payer.user)
        if not account.answered:
            await asyncio.shield(self._leasing.ask(account, ceiling))

    def left(self, payer: Payer) -> NanoUsd:
        """What the payer could still spend, as known here and now."""
        account = self._accounts.get(payer.user)
        return account.left if account is not None else NanoUsd(0)

    # ------------------------------------------------------------ reading and granting

    async def balance(self, user: UserId) -> Balance:
        """The user's exact balance."""
        await self.flush()
        own, leases = await self._database.read(
            lambda tx: (store.balances(tx, user), store.open_leases(tx, user)),
        )
        account = self._accounts.get(user)
        held = account.lease.held if account is not None and account.lease is not None else 0
        parts = [own.get(kind, (0, 0))[1] for kind in store.SOURCES]
        for lease in leases:
            parts = [have + back for have, back in zip(parts, lease.refund(lease.unspent), strict=True)]
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

        False when a grant with this reference was made before: then nothing happens.
        """
        if kind not in store.SOURCES:
            raise BadRequest(f"no such kind of credit: {kind!r}", field="kind")
        note = (author, reason, reference if reference is not None else store.new_reference())
        now_s = self.clock.now_s()
        done = await self._database.write(lambda tx: store.grant(tx, user, amount, kind, now_s, note))
        account = self._accounts.get(user)
        if done and account is not None:
            account.rest = max(0, account.rest + amount)
        return done

    def receipt_pending(self, call: CallId) -> Receipt | None:
        """A receipt that is not in the database yet."""
        return self.writer.pending.get(call) if self._started else None

    async def receipt(self, call: CallId, user: UserId) -> Receipt | None:
        """The receipt of one of the user's own calls; None while it runs or when there is none."""
        pending = self.receipt_pending(call)
        if pending is not None:
            return pending if pending.user == user else None
        return await self._database.read(lambda tx: store.receipt(tx, call, user))

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

    async def sweep(self) -> int:
        """Expire the leases of processes that stopped renewing them; how many."""
        self._swept_at_s = now_s = self.clock.now_s()
        process = self._journal.process if self._journal is not None else ""
        return await self._database.write(functools.partial(store.sweep, process=process, now=now_s))

    async def close(self, within_s: float = CLOSE_S) -> None:
        """Write everything, return all leased credit, remove the journal.

        Calls still in flight keep theirs, and when the database is away everything stays: the next start replays it.
        """
        if self._tending is not None:
            self._tending.cancel()
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

    async def _tend(self) -> None:
        while True:
            await asyncio.sleep(self._rules.tend_s)
            try:
                await self.tend()
            except Unavailable:
                continue  # the leases' own time limits keep us honest meanwhile

    async def tend(self) -> None:
        """What is due now: renew leases in use, return idle ones, sweep those of the dead."""
        self._leasing.return_idle()
        await self._leasing.renew()
        if self.clock.now_s() - self._swept_at_s > self._rules.sweep_s:
            await self.sweep()

    async def _catch_up(self) -> None:
        """Wait, within bounds, until the books are near enough to take another call."""
        if not self._started:
            raise Unavailable("the ledger is not started")
        if self.writer.full:
            try:
                await asyncio.wait_for(self.writer.flush(), BACKLOG_S)
            except TimeoutError:
                raise Unavailable("the books are too far behind to take another call") from None


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
