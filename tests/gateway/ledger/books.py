"""Real books over a fresh database, for tests."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tollway.backends import sql
from tollway.core.ids import CallId, KeyId, UserId
from tollway.core.money import NanoUsd
from tollway.core.receipt import Reason, Receipt
from tollway.gateway.ledger import store
from tollway.gateway.ledger.audit import audit
from tollway.gateway.ledger.lease import Rules
from tollway.gateway.ledger.ledger import DEFAULT, Ledger
from tollway.ports import Row, Transaction

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
    """An id as calls have them, made when the clock of these books begins."""
    return CallId(f"req_01a3185c-5000-7000-8000-{next(_numbers):012x}")


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

    def ledger(self, name: str = "serve", rules: Rules = DEFAULT) -> Ledger:
        """One that is not started yet."""
        return Ledger(self.database, self.folder / name, self.clock, rules)

    @asynccontextmanager
    async def open(self, name: str = "serve") -> AsyncIterator[Ledger]:
        """A started ledger in a data folder of its own."""
        ledger = self.ledger(name)
        await ledger.start()
        try:
            yield ledger
        finally:
            await ledger.close()

    async def give(self, amount: int, user: UserId = ANN, kind: str = "topup") -> None:
        await self.ledger().grant(user, nano(amount), kind, "test", "to spend")

    async def receipts(self) -> dict[CallId, int]:
        """What the database says each call was charged; each call once."""

        def look(tx: Transaction) -> list[Row]:
            return [
                row for month in store.months(tx) for row in tx.run(f"SELECT call_id, charge FROM receipts_{month}")
            ]

        rows = await self.database.read(look)
        assert len(rows) == len(dict(rows)), "a call with two receipts"
        return dict(rows)

    async def pots(self, owner: str = ANN) -> dict[str, int]:
        """What the owner has of each kind."""
        rows = await self.database.read(
            lambda tx: tx.run(
                "SELECT kind, SUM(balance) FROM accounts WHERE owner = :owner AND balance <> 0 GROUP BY kind",
                owner=owner,
            )
        )
        return {kind: int(balance) for kind, balance in rows}

    async def reserved(self, owner: str = ANN) -> int:
        """What the leases of all processes have of an owner's credit."""
        return await self.database.read(lambda tx: store.reserved(tx, owner))

    async def differences(self) -> list[str]:
        return await self.database.read(audit)

    async def one(self, statement: str, **values: object) -> object:
        rows = await self.database.read(lambda tx: tx.run(statement, **values))
        return rows[0][0]


@asynccontextmanager
async def new_books(folder: Path, url: str = "sqlite://") -> AsyncIterator[Books]:
    database = sql.open(url, folder)
    await database.migrate()
    try:
        yield Books(folder, database)
    finally:
        await database.close()
