"""Kills, stops, restarts and losses, each drawn from the seed for a moment in the story, as its calls go by."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from bench.books.fleet import Gateway
from bench.books.storage import Storage

QUIET_S = 2.5
"""Nothing kept the database from being written for so long before a journal is lost: so little may be missing then."""


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
        self._quiet_at = 0.0
        self.done: Counter[str] = Counter()
        self.outages: list[tuple[float, float]] = []
        """(from, to) in which the database was away."""
        self.failure: BaseException | None = None

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
        if blow.kind == "database":
            await self._outage(blow)
            return
        hub = self._hubs[blow.hub]
        async with hub.busy:
            if blow.kind == "stop":
                hub.pause()
                await asyncio.sleep(blow.seconds)
                hub.go_on()
            elif blow.kind == "lose":
                while not self._quiet():  # noqa: ASYNC110 - it is time that must pass, and nobody tells when
                    await asyncio.sleep(0.1)
                hub.kill(lost=True)
                await hub.start()
            elif blow.kind == "kill":
                hub.kill()
                await hub.start()
            else:
                await hub.end()
                await hub.start()
        self.done[blow.kind] += 1

    def _quiet(self) -> bool:
        """Whether nothing has kept the books from being written for a while: neither an outage nor somebody's locks."""
        ends = [to for hub in self._hubs for _, _, to in hub.pauses[-1:]]
        return not self._database.locked() and time.time() > max([self._quiet_at, *ends]) + QUIET_S

    async def _outage(self, blow: Blow) -> None:
        async with self._database:
            since = time.time()
            await self._storage.outage(blow.seconds)
            self._quiet_at = time.time()
            self.outages.append((since, self._quiet_at))
        self.done["database"] += 1
