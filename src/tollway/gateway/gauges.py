"""Reads off the rooms how they stand, and names what the metrics show."""

import asyncio
import functools
import importlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from tollway.core.errors import TollwayError
from tollway.core.ids import ChannelId
from tollway.core.model import Channel
from tollway.gateway.accounts.account import awake
from tollway.gateway.analytics.periods import day_of
from tollway.gateway.catalog import Catalog
from tollway.gateway.engines.offload import Offload
from tollway.gateway.ledger.ledger import Ledger
from tollway.gateway.metrics import store
from tollway.gateway.metrics.standing import (
    AccountNow,
    BooksNow,
    CircuitNow,
    EngineNow,
    HedgesNow,
    Opened,
    Standing,
    UsersNow,
)
from tollway.gateway.metrics.tally import OTHER, Tally
from tollway.gateway.pipeline.lending import Lender
from tollway.gateway.routing.circuit import Why
from tollway.gateway.routing.health import Health
from tollway.gateway.routing.observations import Signals
from tollway.gateway.surface import EMBED, Surface
from tollway.ports import Clock, Database, Transaction

WRITING = "tollway.gateway.metrics.writing"
DATABASE_S = 2.0
USERS_S = 300.0
"""How old the figures of users may be."""
STATES = {"closed": 0, "half_open": 1, "open": 2}


class Rooms(Protocol):
    """What is looked at."""

    ledger: Ledger
    health: Health
    offload: Offload
    signals: Signals
    lenders: dict[ChannelId, Lender]
    channels: list[Channel]
    """Replaced when others are stated, as is the catalog."""
    catalog: Catalog

    @property
    def database(self) -> Database:
        """Who knows the users."""

    @property
    def clock(self) -> Clock:
        """Time."""


class Gauges:
    """What a scrape shows, gathered when it comes: between two scrapes nothing of it costs anything."""

    def __init__(
        self,
        rooms: Rooms,
        surfaces: Sequence[Surface],
        tally: Tally | None,
        *,
        by_family: bool,
        patience_s: float = DATABASE_S,
    ) -> None:
        """`tally` counts the calls; None: nothing is counted. `by_family`: models are shown by their families only.
        `patience_s`: how long a scrape waits for the database before it is told as away."""
        self.tally = tally
        self._rooms, self._by_family, self._patience_s = rooms, by_family, patience_s
        self._paths = {one.name: one.path for one in surfaces}
        self._embed = {one.name for one in surfaces if any(route.does == EMBED for route in one.routes)}
        self._providers: dict[str, str] = {}
        """Those of channels that are gone, too: their counters go on."""
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._users: UsersNow | None = None
        self._ask_users_at_s = float("-inf")

    def listen(self) -> None:
        """Count the calls of a ledger that has started."""
        if self.tally is not None:
            self._rooms.ledger.writer.listener = self.tally.ended

    # -- names -------------------------------------------------------------------------------------------------

    def route(self, surface: str) -> str:
        """The path that stands for a surface."""
        return self._paths.get(surface, OTHER)

    def _operation(self, surface: str) -> str:
        return "embed" if surface in self._embed else "chat"

    def _model(self, name: str) -> str:
        if not self._by_family:
            return name or OTHER
        found = self._rooms.catalog.find(name)
        return found.family if found is not None else OTHER

    # -- the page ----------------------------------------------------------------------------------------------

    async def write(self, accept: str) -> tuple[bytes, str]:
        """Everything as text, and its content type."""
        tally = self.tally or Tally()
        connected = await self._ask_database()
        self._rooms.ledger.writer.tell()
        now = self._standing(connected)
        return await asyncio.to_thread(self._written, tally, now, accept)

    def _written(self, tally: Tally, now: Standing, accept: str) -> tuple[bytes, str]:
        """Beside the loop: calls in flight go on meanwhile."""
        writing = importlib.import_module(WRITING)
        naming = writing.Naming(self.route, tuple(self._paths.values()), self._model, self._operation)
        text: tuple[bytes, str] = writing.write(tally, naming, now, [why.value for why in Why], accept)
        return text

    # -- how the rooms stand -----------------------------------------------------------------------------------

    def _standing(self, connected: bool) -> Standing:
        rooms = self._rooms
        present = {str(channel.id): channel.provider for channel in rooms.channels}
        self._providers.update(present)
        hedging = rooms.health.hedging
        return Standing(
            books=self._books(),
            database_connected=connected,
            circuits=list(self._circuits()),
            opened={self._opened(lane, why): count for (lane, why), count in rooms.health.opened.items()},
            providers=present,
            bonds=self._bonds(),
            hedges=HedgesNow(hedging.sent, hedging.won) if hedging is not None else None,
            accounts=list(self._accounts()),
            refreshes={
                (one.pool.name, outcome): count
                for one in rooms.lenders.values()
                for outcome, count in one.pool.renewals.items()
            },
            engines=list(self._engines()),
            users=self._users,
        )

    def _books(self) -> BooksNow:
        ledger = self._rooms.ledger
        writer, leases = ledger.writer, ledger.leases
        return BooksNow(
            writer.open_holds,
            writer.waiting,
            writer.oldest_s(self._rooms.clock.now_s()),
            writer.unrecorded,
            writer.broken is not None,
            len(leases),
            sum(lease.free for lease in leases),
            sum(lease.held for lease in leases),
        )

    def _circuits(self) -> Iterator[CircuitNow]:
        """Those of channels that are there."""
        now_s = self._rooms.clock.monotonic_s()
        for circuit in self._rooms.health:
            channel = circuit.lane.partition("#")[0]
            provider = self._providers.get(channel)
            if provider is not None:
                yield CircuitNow(channel, provider, STATES[circuit.state(now_s)], circuit.success)

    def _bonds(self) -> dict[str, int]:
        bonds = self._rooms.signals.bonds
        channels = Counter(lane.partition("#")[0] for lane in bonds.lanes) if bonds is not None else {}
        found: Counter[str] = Counter()
        for channel, count in channels.items():
            found[self._providers.get(channel, OTHER)] += count
        return dict(found)

    def _opened(self, lane: str, why: Why) -> Opened:
        channel, _, key = lane.partition("#")
        return Opened(channel, self._providers.get(channel, OTHER), key, why.value)

    def _accounts(self) -> Iterator[AccountNow]:
        now_ms = int(self._rooms.clock.now_s() * 1000)
        for lender in self._rooms.lenders.values():
            for account in lender.pool.roster.everyone.values():
                one = awake(account, now_ms)
                yield AccountNow(lender.pool.name, one.id, one.state.value, one.expires_at / 1000)

    def _engines(self) -> Iterator[EngineNow]:
        now_s = self._rooms.clock.monotonic_s()
        for channel, busy in self._rooms.offload.engines.behind_channels.items():
            load = busy.load(now_s)
            provider = self._providers.get(channel, OTHER)
            yield EngineNow(channel, provider, load.running, load.waiting, load.kv_used, not busy.trouble)

    # -- the database ------------------------------------------------------------------------------------------

    async def _ask_database(self) -> bool:
        """Whether it answers in time; and news of the users, when it is time for them and they come in time."""
        rooms = self._rooms
        asked = [self._one_at_a_time("answers", store.answers)]
        if rooms.clock.monotonic_s() >= self._ask_users_at_s:
            asked.append(self._one_at_a_time("users", functools.partial(self._note_users, day_of(rooms.clock.now_s()))))
        done, _ = await asyncio.wait(asked, timeout=self._patience_s)
        for task in done:
            error = task.exception()
            if error is not None and not isinstance(error, TollwayError):
                raise error
        return asked[0] in done and asked[0].exception() is None

    def _one_at_a_time(self, name: str, question: Callable[[Transaction], None]) -> asyncio.Task[None]:
        """A database that hangs is not asked again and again."""
        task = self._asking.get(name)
        if task is None or task.done():
            reading = self._rooms.database.read(question)
            task = self._asking[name] = asyncio.ensure_future(reading)
        return task

    def _note_users(self, day: int, tx: Transaction) -> None:
        self._users = store.users(tx, day)
        self._ask_users_at_s = self._rooms.clock.monotonic_s() + USERS_S

    async def close(self) -> None:
        """Ask no more."""
        for task in self._asking.values():
            task.cancel()
        await asyncio.gather(*self._asking.values(), return_exceptions=True)
