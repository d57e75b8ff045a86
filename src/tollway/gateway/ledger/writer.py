"""Write-behind: ended calls go to the journal at once, and from there to the database in batches."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence

from tollway.core.errors import Unavailable
from tollway.core.ids import CallId
from tollway.core.money import NanoUsd
from tollway.core.receipt import Receipt
from tollway.gateway.ledger.booking import book
from tollway.gateway.ledger.journal import Ended, Journal, Segment, pack_held
from tollway.gateway.ledger.lease import Lease, Rules
from tollway.gateway.ledger.unsaid import unsaid
from tollway.ports import Database

BATCH = 1_000
MOST = 20_000
"""Ended calls waiting for the database above which no new call may begin."""
PATIENCE_S = (0.1, 2.0)
"""First and longest wait before a batch is tried again."""

Waiting = tuple[Ended, Sequence[Lease], Segment]
"""An ended call, the leases it drew on and where it is recorded."""
log = logging.getLogger(__name__)


class Writer:
    """The way of a call's terminal entry from memory into the books."""

    def __init__(self, database: Database, journal: Journal, rules: Rules) -> None:
        self._database, self._journal, self._rules = database, journal, rules
        self._queue: list[Waiting] = []
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._written = asyncio.Condition()
        self._timed = self._doubtful = self._withdrawn = False
        self._put = self._done = self._told = 0
        self._held = 0
        self.listener: Callable[[list[Receipt]], None] | None = None
        """Hears of calls that have ended, soon after and off their path."""
        self.unrecorded = 0
        """Ended calls that the journal could not take."""
        self.pending: dict[CallId, Receipt] = {}
        """Receipts that the database does not have yet."""
        self._unsaid: dict[CallId, int] = {}
        """What calls were to be charged whose callers were told nothing."""
        self.broken: BaseException | None = None
        """Why the books cannot be written any more; nothing may be held from then on."""
        self._task = self._loop.create_task(self._run(), name="ledger writer")
        self._task.add_done_callback(self._ended)

    @property
    def full(self) -> bool:
        """No new call may begin: the books are too far behind."""
        return len(self._queue) >= MOST or self.broken is not None

    @property
    def open_holds(self) -> int:
        """Calls that have a hold and have not ended."""
        return self._held - self._put

    @property
    def waiting(self) -> int:
        """Ended calls that the database does not have yet."""
        return len(self._queue)

    def oldest_s(self, now_s: float) -> float:
        """For how many seconds the first of them has waited, at `now_s` Unix seconds."""
        if not self._queue:
            return 0.0
        first = self._queue[0][0].receipt
        return max(0.0, now_s - first.started_at_s - first.duration_ms / 1000)

    def tell(self) -> None:
        """Tell the listener of the calls that have ended since it was told last."""
        if self.listener is not None:
            fresh = self._queue[self._told - self._done :]
            self._told = self._put
            self.listener([ended.receipt for ended, _, _ in fresh])

    def held(self, call: CallId, user: str, amount: NanoUsd, at_s: float) -> Segment:
        """Record a hold. Raises Unavailable when the disk is full, and then there is no hold."""
        try:
            segment = self._journal.store(pack_held(call, user, amount, at_s))
        except OSError as error:
            raise Unavailable(f"the journal takes no more records: {error.strerror}") from error
        self._held += 1
        return segment

    def ended(self, ended: Ended, leases: Sequence[Lease], held_in: Segment) -> None:
        """Record how a call ended, and see that the database learns of it."""
        try:
            segment = self._journal.store(ended.packed())
            self._journal.done(held_in)
        except OSError as error:  # what was delivered is owed, so it goes on to the database without a record
            log.error("the journal takes no more records: %s", error.strerror)
            segment = held_in
            self.unrecorded += 1
        for lease in leases:
            lease.unwritten += 1
        self._queue.append((ended, leases, segment))
        self.pending[ended.receipt.id] = ended.receipt
        self._put += 1
        if self._rules.sync:
            self._wake.set()
        elif not self._timed:
            self._timed = True
            self._loop.call_later(self._rules.flush_s, self._wake.set)
        elif len(self._queue) == BATCH:
            self._wake.set()

    def withdraw(self, call: CallId) -> None:
        """The caller was not told his answer, because it took too long to write it: free, whether it is written yet
        or not."""
        place = next((at for at, (one, _, _) in enumerate(self._queue) if one.receipt.id == call), None)
        if place is None:
            return
        was, leases, segment = self._queue[place]
        free = unsaid(was)
        try:
            again = self._journal.store(free.packed())
            self._journal.done(segment)
        except OSError:  # a full disk: it is remembered as long as this process lives
            again = segment
        self._queue[place] = (free, leases, again)
        self.pending[call] = free.receipt
        self._unsaid.setdefault(call, was.receipt.charge_nano_usd)
        self._withdrawn = True

    async def flush(self) -> None:
        """Return when everything ended until now is in the database."""
        upto = self._put
        self._wake.set()
        async with self._written:
            await self._written.wait_for(lambda: self._done >= upto or self.broken is not None)
        if self.broken is not None:
            raise Unavailable("the books cannot be written") from self.broken

    async def written(self, call: CallId) -> None:
        """Return when the call's receipt is in the database, if it has ended."""
        async with self._written:
            await self._written.wait_for(lambda: call not in self.pending or self.broken is not None)
        if self.broken is not None:
            raise Unavailable("the books cannot be written") from self.broken

    async def close(self) -> None:
        """Stop; what was not flushed stays in the journal."""
        self._task.cancel()
        await asyncio.wait([self._task])

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            self.broken = task.exception()
            log.critical("the ledger cannot write its books: no more calls", exc_info=self.broken)

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            upto = self._put
            while self._done < upto:
                await self._write(min(BATCH, len(self._queue)))
            self._timed = bool(self._queue)
            if self._timed:
                self._loop.call_later(self._rules.flush_s, self._wake.set)

    async def _write(self, count: int) -> None:
        self.tell()
        wait_s, longest_s = PATIENCE_S
        while True:
            batch, self._withdrawn = self._queue[:count], False
            calls = [ended for ended, _, _ in batch]
            try:
                given_back = await book(self._database, calls, doubtful=self._doubtful)
            except Unavailable as error:
                log.warning("%s; %d calls wait in the journal", error.message, len(self._queue))
                self._doubtful = True
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, longest_s)
            else:
                if not self._withdrawn:
                    break
                self._doubtful = True  # one of them was withdrawn meanwhile: once more, to make it good
        self._doubtful = False
        if self._unsaid:
            self._return_unsaid(batch, given_back)
        await self._forget(batch)

    def _return_unsaid(self, batch: list[Waiting], given_back: set[CallId]) -> None:
        """What calls were not charged after all is free again, unless it was spent and has gone back to its pots."""
        for ended, leases, _ in batch:
            charge = self._unsaid.pop(ended.receipt.id, 0)
            if ended.receipt.id not in given_back:
                for lease in leases:
                    lease.free += charge

    async def _forget(self, batch: list[Waiting]) -> None:
        del self._queue[: len(batch)]
        recorded: Counter[Segment] = Counter()
        for ended, leases, segment in batch:
            self.pending.pop(ended.receipt.id, None)
            for lease in leases:
                lease.unwritten -= 1
            recorded[segment] += 1
        for segment, records in recorded.items():
            self._journal.done(segment, records)
        self._done += len(batch)
        async with self._written:
            self._written.notify_all()
