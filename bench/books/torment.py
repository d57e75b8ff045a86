"""Kills, stops, restarts and losses, each drawn from the seed for a moment in the story, as its calls go by."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from bench.books.fleet import Gateway
from bench.books.storage import Storage, open_leases

QUIET_S = 5.0
"""Before a journal is lost nothing happens for so long: what came from the database being away, somebody's locks or a
process that starts is over then, and only what ended within a flush interval may be missing."""
KEPT_BACK = 40
"""The story's last calls, which wait until no journal is about to be lost: who is lost must hold somebody's credit."""
ENOUGH, HOLDS_S = 3, 5.0
"""So many leases: one of them might be given back in this very moment. And how long they may take to be there."""


class Blow(NamedTuple):
    """One thing to happen."""

    after: int
    """Calls begun by then."""
    kind: str
    """`kill`, `stop`, `lose`, `end` a gateway, or `database`."""
    hub: int
    seconds: float


class Dose(NamedTuple):
    """How often each happens."""

    kill: int
    stop: int
    lose: int
    end: int
    database: int


def schedule(seed: int, calls: int, dose: Dose, hubs: int, lease_s: float) -> list[Blow]:
    """When what happens to whom."""
    dice = random.Random(f"torment:{seed}:{calls}")
    kinds = [kind for kind, count in dose._asdict().items() for _ in range(count)]
    dice.shuffle(kinds)
    step = 0.93 * calls / max(1, len(kinds))
    blows = []
    for number, kind in enumerate(kinds):
        after = int(0.03 * calls + step * (number + dice.uniform(0, 0.9)))
        seconds = lease_s * dice.uniform(1.5, 2.6) if kind == "stop" else dice.uniform(0.3, 2.5)
        blows.append(Blow(after, kind, dice.randrange(hubs), seconds))
    return blows


class Tormentor:
    """Carries out a schedule."""

    def __init__(self, blows: Iterable[Blow], hubs: list[Gateway], storage: Storage) -> None:
        self._blows = sorted(blows, reverse=True)
        self._hubs, self._storage = hubs, storage
        self._tasks: set[asyncio.Task[None]] = set()
        self._database = asyncio.Lock()
        self._calm = asyncio.Condition()
        self._last_at = 0.0
        """When the last blow was over."""
        self._active = self._losing = 0
        """Blows under way; and journals that are about to be lost, for which the others wait."""
        self.done: Counter[str] = Counter()
        self.outages: list[tuple[float, float]] = []
        """(from, to) in which the database was away."""
        self.failure: BaseException | None = None
        self.going_on = asyncio.Event()
        """Unset while the last calls of the story are to wait."""
        self.going_on.set()

    def begun(self, calls: int) -> None:
        """So many calls were begun: what is due happens now, beside them."""
        while self._blows and self._blows[-1].after <= calls:
            task = asyncio.create_task(self._strike(self._blows.pop()))
            self._tasks.add(task)
            task.add_done_callback(self._struck)

    def _struck(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.failure = self.failure or task.exception()

    async def over(self) -> None:
        """Return when everything that was due has happened. Raises what went wrong with it."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))
        if self.failure is not None:
            raise self.failure

    async def _strike(self, blow: Blow) -> None:
        lose = blow.kind == "lose"
        async with self._calm:
            await self._calm.wait_for(lambda: not self._losing)
            self._losing += lose
            self._active += not lose
            if lose:
                await self._calm.wait_for(lambda: not self._active)
        try:
            await self._blow(blow)
        finally:
            async with self._calm:
                self._losing -= lose
                self._active -= not lose
                self._last_at = time.time()
                self._calm.notify_all()
        self.done[blow.kind] += 1

    async def _blow(self, blow: Blow) -> None:
        if blow.kind == "database":
            await self._outage(blow)
            return
        hub = self._hubs[blow.hub]
        async with hub.busy:
            if blow.kind == "stop":
                hub.pause()
                await asyncio.sleep(blow.seconds)
                hub.go_on()
                return
            if blow.kind == "lose":
                await self._await_loss(hub)
            if blow.kind == "end":
                await hub.end()
            else:
                hub.kill(lost=blow.kind == "lose")
            await hub.start()

    async def _await_loss(self, hub: Gateway) -> None:
        """Return when all is quiet, and the gateway has leased what would be missed."""
        self.going_on.clear()
        await asyncio.sleep(max(0.0, self._last_at + QUIET_S - time.time()))
        self.going_on.set()
        deadline = time.monotonic() + HOLDS_S
        while await asyncio.to_thread(self._leased, hub) < ENOUGH:
            await asyncio.sleep(0.01)
            if time.monotonic() > deadline:
                return

    def _leased(self, hub: Gateway) -> int:
        with self._storage.reader() as reader:
            return open_leases(reader).count(hub.name)

    async def _outage(self, blow: Blow) -> None:
        async with self._database:
            since = time.time()
            await self._storage.outage(blow.seconds)
            self.outages.append((since, time.time()))
