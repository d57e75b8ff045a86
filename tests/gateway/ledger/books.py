"""Real books over a fresh SQLite file, for tests."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tollway.backends import sql
from tollway.core.ids import CallId, KeyId, UserId
from tollway.core.money import NanoUsd
from tollway.core.receipt import Reason, Receipt
from tollway.gateway.ledger.audit import audit
from tollway.gateway.ledger.ledger import Ledger

ANN = UserId("usr_ann")
BOB = UserId("usr_bob")


class StillClock:
    """Time that moves only when told."""

    def __init__(self, now_s: float = 1_800_000_000.0) -> None:
        self.at_s = now_s

    def now_s(self) -> float:
        return self.at_s

    def monotonic_s(self) -> float:
        return self.at_s


def nano(amount: int) -> NanoUsd:
    return NanoUsd(amount)


_numbers = itertools.count(1)


def new_call() -> CallId:
    return CallId(f"req_{next(_numbers):08d}")


def bill(
    call: CallId, charge: int, *, user: UserId = ANN, cost: int = 0, over: int = 0, reason: Reason = Reason.COMPLETED
) -> Receipt:
    return Receipt(
        id=call,
        user=user,
        key=KeyId("key_1"),
        reason=reason,
        surface="openai_chat",
        model="echo",
        asked="echo",
        stream=False,
        started_at_s=1_800_000_000.0,
        duration_ms=12,
        provider_cost_nano_usd=NanoUsd(cost),
        charge_nano_usd=NanoUsd(charge),
        overrun_nano_usd=NanoUsd(over),
    )


class Books:
    """One database and the ledgers that work on it."""

    def __init__(self, folder: Path, database: sql.SqlDatabase) -> None:
        self.folder, self.database, self.clock = folder, database, StillClock()

    @asynccontextmanager
    async def open(self, name: str = "serve") -> AsyncIterator[Ledger]:
        """A started ledger in a data folder of its own."""
        ledger = Ledger(self.database, self.folder / name, self.clock)
        await ledger.start()
        try:
            yield ledger
        finally:
            await ledger.close()

    async def give(self, amount: int, user: UserId = ANN, kind: str = "topup") -> None:
        await Ledger(self.database, self.folder, self.clock).grant(user, nano(amount), kind, "test", "to spend")

    async def differences(self) -> list[str]:
        return await self.database.read(audit)

    async def one(self, statement: str, **values: object) -> object:
        rows = await self.database.read(lambda tx: tx.run(statement, **values))
        return rows[0][0]


@asynccontextmanager
async def new_books(folder: Path) -> AsyncIterator[Books]:
    database = sql.open("sqlite://", folder)
    await database.migrate()
    try:
        yield Books(folder, database)
    finally:
        await database.close()
