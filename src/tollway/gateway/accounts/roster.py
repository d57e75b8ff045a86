"""A pool's accounts as this process knows them: what the file says, and what has happened since.

Whatever happens is true in memory at once and in the file soon after: events are pure functions, applied to whatever
the file says by then, so that several processes keep one truth.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping

from tollway.core.errors import Unavailable
from tollway.gateway.accounts.account import OUT, Account, awake
from tollway.gateway.accounts.state_file import NEVER, Accounts, Stamp, StateFile

Event = Callable[[Account], Account]
PATIENCE_S = (0.2, 5.0)
"""First and longest wait before what happened is written again."""
READ_AGAIN_S = 1.0
"""How soon a file that could not be read is tried again."""
log = logging.getLogger("tollway.accounts")


class Roster:
    """The accounts of one pool. Belongs to one event loop; all work on the file is done in threads."""

    def __init__(self, file: StateFile, now_ms: Callable[[], int]) -> None:
        self.file, self._now_ms = file, now_ms
        self._said: Accounts = {}
        self._known: dict[str, Account] = {}
        self._happened: list[tuple[str, Event]] = []
        """Not in the file yet, oldest first."""
        self._stamp: Stamp = NEVER
        self._writing: asyncio.Task[None] | None = None
        self._looking = asyncio.Lock()
        self._broken: tuple[float, Unavailable | OSError] | None = None
        """Why the file could not be read, and when (monotonic seconds)."""
        self.loaded = False

    async def load(self) -> None:
        """Know what the file says; once. Raises Unavailable, OSError when it cannot be read."""
        if self.loaded:
            return
        async with self._looking:
            if not self.loaded:
                await self._first()

    async def _first(self) -> None:
        if self._broken is not None and time.monotonic() - self._broken[0] < READ_AGAIN_S:
            raise self._broken[1]
        try:
            self._told(await asyncio.to_thread(self.file.load))
        except (Unavailable, OSError) as error:
            log.error("the accounts cannot be used: %s", error)
            self._broken = (time.monotonic(), error)
            raise
        self.loaded = True

    async def look(self) -> None:
        """Learn what others have written since. Raises Unavailable, OSError when it cannot be read, once."""
        async with self._looking:
            if self.loaded and (stamp := await asyncio.to_thread(self.file.stamp)) != self._stamp:
                self._stamp = stamp
                self._told(await asyncio.to_thread(self.file.load))

    def one(self, name: str) -> Account | None:
        """An account as it stands now; None when it is gone from the file, or out of the pool."""
        account = self._known.get(name)
        if account is None or account.state in OUT:
            return None
        return awake(account, self._now_ms())

    def pool(self) -> list[Account]:
        """Every account that is not revoked or disabled, in the order of the file."""
        now = self._now_ms()
        return [awake(account, now) for account in self._known.values() if account.state not in OUT]

    @property
    def everyone(self) -> Mapping[str, Account]:
        """Those out of the pool, too."""
        return self._known

    def happened(self, name: str, event: Event) -> None:
        """Take note of an event: at once here, soon in the file."""
        account = self._known.get(name)
        if account is None:
            return
        after = event(account)
        if after == account:
            return
        if after.state is not account.state:
            log.warning("account %s: %s, was %s", name, after.state.value, account.state.value)
        self._known[name] = after
        self._happened.append((name, event))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write(), name="accounts file")

    async def written(self, patience_s: float) -> None:
        """Return when all that happened until now is in the file, or could not be written in that time."""
        if self._writing is not None:
            await asyncio.wait([self._writing], timeout=patience_s)

    async def close(self) -> None:
        """Write what is left, if it can be written."""
        await self.written(PATIENCE_S[1])
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.wait([self._writing])

    async def _write(self) -> None:
        wait_s, longest_s = PATIENCE_S
        while self._happened:
            batch = list(self._happened)
            try:
                async with self._looking:
                    said = await asyncio.to_thread(self.file.change, _after(batch))
                    del self._happened[: len(batch)]
                    self._told(said)
            except (Unavailable, OSError) as error:
                log.error("the state of accounts is not written and will be tried again: %s", error)
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, longest_s)

    def _told(self, said: tuple[Accounts, Stamp]) -> None:
        self._said, self._stamp = said
        self._known = dict(_after(self._happened)(self._said))


def _after(events: list[tuple[str, Event]]) -> Callable[[Accounts], Accounts]:
    """What the accounts are once all this has happened to them."""

    def work(accounts: Accounts) -> Accounts:
        changed = dict(accounts)
        for name, event in events:
            if name in changed:
                changed[name] = event(changed[name])
        return changed

    return work
