"""Shares of a limit: how many requests a minute this process may admit, where several serve the same keys.

The shares of all processes together never come to more than the limit, and each process counts its own window exactly,
so neither does what they admit. A share is enlarged in the background before it is used up. Only a call that would else
be refused waits for the store, for a moment.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine

import msgspec

from tollway.core.errors import Unavailable
from tollway.gateway.limits.window import ALL, WINDOW_S, Use
from tollway.ports import Clock, KeyValue

KEPT_S = 100.0
GONE_S = 80.0
"""A process that said nothing of its share for so long is gone, and what it admitted is over a minute old. As it says
so every 15 s, two hosts' clocks may differ by a minute."""
REFRESH_S = 15.0
QUIET_S = 0.2
"""After so long without a request a process keeps no more than it has used."""
PATIENCE_S = 0.4
"""How long a call that would else be refused waits for a share."""
LOOK_S = 0.05
AWAY_S = 1.0
"""A store that does not answer for so long is away."""
TRIES = 12
MOST_BYTES = 64 * 1024
"""A longer list is not ours, or broken."""
ERA = "rpm:era"
"""Another value when the store has forgotten everything."""
ERA_S = 30 * 86_400.0

log = logging.getLogger(__name__)


class Degraded(Unavailable):
    """The store that gateways share is away, and the operator wants no call to be served uncounted (hub.md 4.6)."""

    code = "SERVICE_DEGRADED"


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """What one process has of a limit."""

    share: int
    used: int
    said_s: float
    """Unix seconds."""
    frees_s: float
    """Unix seconds at which the first it has used is free again."""


Work = Callable[[Use], Coroutine[None, None, None]]
_read = msgspec.msgpack.Decoder(dict[str, Entry]).decode
_write = msgspec.msgpack.Encoder().encode


class Shares:
    """Of all limits that this process meets. Call `round` a few times a second."""

    def __init__(self, store: KeyValue, clock: Clock, me: str, *, reject: bool) -> None:
        """`me` names this process among all that share the store; `reject`: serve nobody while the store is away."""
        self._store, self._clock, self._me, self._reject = store, clock, me, reject
        self._held: dict[str, Use] = {}
        self._era: bytes | None = None
        self._failing_s: float | None = None
        self.away = False
        """The store cannot be reached: each process counts for itself, if it may."""
        self.closed = False
        """No call may be served now."""

    def now_s(self) -> float:
        """Monotonic seconds."""
        return self._clock.monotonic_s()

    def refuse(self) -> Degraded:
        """What a caller is told while `closed`."""
        return Degraded("the store that the gateways share cannot be reached now; try again in a moment")

    def used(self, use: Use, limit: int) -> None:
        """A request was admitted: see that the next one finds room."""
        used = len(use.admitted)
        if use.share - used < _ahead(used) and use.share < limit and use.task is None and not self.away:
            self._begin(use, limit, self._enlarge)

    async def more(self, use: Use, limit: int) -> bool:
        """Try to get a larger share for a call that has none; whether there is room now. Raises Degraded."""
        if self.away:  # and not closed, or the call would have been refused before
            use.share, use.limit = ALL, limit
            self._held[use.name] = use
            return True
        began_s = self.now_s()
        if use.left <= 0 and use.limit == limit and began_s - use.told_s < LOOK_S:
            return False  # whoever asks without end is not passed on to the store
        use.waiting += 1
        try:
            async with asyncio.timeout(PATIENCE_S + LOOK_S):
                while (task := use.task) is not None:
                    await asyncio.wait((task,))
                if use.share <= len(use.admitted):
                    await asyncio.shield(self._begin(use, limit, self._enlarge))
        except (Unavailable, TimeoutError):
            if use.told_s < began_s:  # it is not the others who leave us nothing
                if self._reject:
                    raise self.refuse() from None
                use.share = max(use.share, len(use.admitted) + 1)
        finally:
            use.waiting -= 1
        return use.share > len(use.admitted)

    async def round(self) -> None:
        """Look whether the store is there, and give back what is not needed."""
        await self._look()
        if self.away:
            return
        now_s = self.now_s()
        for name, use in list(self._held.items()):
            use.forget_before(now_s - WINDOW_S)
            used = len(use.admitted)
            quiet = not used or now_s - use.admitted[-1] > QUIET_S
            keep = used if quiet else used + _ahead(used)
            spent = use.told_used < use.share <= used  # nobody need wait for what we have
            if use.task is None and (use.share > keep or spent or now_s - use.told_s > REFRESH_S):
                use.share = min(use.share, keep)  # first here, then there: nobody has it twice
                task = self._begin(use, use.limit, self._tell)
                await asyncio.wait((task,))
                if task.exception() is not None:
                    return
            if not used and not use.share and use.task is None:
                del self._held[name]

    async def _look(self) -> None:
        try:
            era = await self._store.get(ERA)
            if era is None:
                await self._store.swap(ERA, None, secrets.token_bytes(8), ERA_S)
                era = await self._store.get(ERA)
        except Unavailable as error:
            now_s = self.now_s()
            self._failing_s = now_s if self._failing_s is None else self._failing_s
            if now_s - self._failing_s >= AWAY_S and not self.away:
                log.error("%s: %s", error.message, "no call is served" if self._reject else "each gateway counts alone")
                self.away, self.closed = True, self._reject
            return
        if self.away:
            log.warning("the shared store is back")
        self._failing_s, self.away, self.closed = None, False, False
        if era != self._era:  # it has forgotten what we told it
            self._era = era
            for use in self._held.values():
                use.told_s = float("-inf")

    # -- coming to terms ---------------------------------------------------------------------------------------

    def _begin(self, use: Use, limit: int, work: Work) -> asyncio.Task[None]:
        use.limit = limit
        self._held[use.name] = use
        use.task = asyncio.get_running_loop().create_task(work(use), name="limit shares")
        use.task.add_done_callback(lambda task: _over(use, task))
        return use.task

    async def _enlarge(self, use: Use) -> None:
        """Take what is needed, waiting a moment for what lies idle elsewhere if a call waits for it."""
        deadline_s = self.now_s() + PATIENCE_S
        while True:
            idle = await self._agree(use, lambda: use.waiting, ahead=True)
            if use.share > len(use.admitted) or not use.waiting or not idle or self.now_s() > deadline_s:
                return
            await asyncio.sleep(LOOK_S)

    async def _tell(self, use: Use) -> None:
        await self._agree(use, lambda: 0, ahead=False)

    async def _agree(self, use: Use, waiting: Callable[[], int], *, ahead: bool) -> int:
        """Write down what we need, as far as others leave it, and what we have; what lies idle with others."""
        name = f"rpm:{use.name}"
        for _ in range(TRIES):
            raw = await self._store.get(name)
            now_s, used = self._clock.now_s(), len(use.admitted)
            known = _known(raw)
            others = {who: one for who, one in known.items() if who != self._me and abs(now_s - one.said_s) < GONE_S}
            taken = sum(one.share for one in others.values())
            free, need = use.limit - taken, used + waiting()
            soon = need  # whoever waits uses what he gets at once
            if ahead:  # nobody hoards the last ones
                need += min(_ahead(used), max(0, free - need) // 2)
            share = max(used, min(max(need, min(use.share, use.limit)), free))
            frees_s = now_s + WINDOW_S - (self.now_s() - use.admitted[0] if used else 0.0)
            spent = min(share, soon)
            said = {**others, self._me: Entry(share, spent, now_s, frees_s)} if share else others
            if await self._store.swap(name, raw, _write(said) if said else None, KEPT_S):
                use.share, use.told_used, use.told_s = share, spent, self.now_s()
                use.elsewhere = sum(one.used for one in others.values())
                first_s = min((one.frees_s for one in others.values() if one.used), default=None)
                use.frees_s = 0.0 if first_s is None else min(first_s - now_s, WINDOW_S) + self.now_s()
                idle = taken - use.elsewhere
                use.left = free - share + idle
                return idle
        raise Unavailable("the shared store is too busy")


def _known(raw: bytes | None) -> dict[str, Entry]:
    """By process. What is torn, or no list of ours, is written anew; shares that cannot be are none."""
    if raw is None or len(raw) > MOST_BYTES:
        return {}
    try:
        read = _read(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return {who: one for who, one in read.items() if 0 <= one.used <= one.share}


def _ahead(used: int) -> int:
    """So much more than is used now is kept at hand."""
    return max(1, used // 8)


def _over(use: Use, task: asyncio.Task[None]) -> None:
    if use.task is task:
        use.task = None
    if not task.cancelled():
        task.exception()  # whoever waits has it; nobody may be waiting
