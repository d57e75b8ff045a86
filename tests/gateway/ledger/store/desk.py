"""The ledger's store at work on a real database, said briefly."""

import itertools
import uuid
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from tollway.core.ids import CallId, KeyId, LeaseId, UserId
from tollway.core.money import NanoUsd
from tollway.core.receipt import Reason, Receipt
from tollway.core.usage import Usage
from tollway.gateway.ledger import store
from tollway.gateway.ledger.audit import audit
from tollway.gateway.ledger.journal import Ended
from tollway.ports import Database, Transaction

T = TypeVar("T")
ANN, BOB = UserId("usr_ann"), UserId("usr_bob")
NOW_S = 1_795_270_000.0
"""A Saturday in November 2026."""
TTL_S = 60.0
DAY_S = 86_400.0
_numbers = itertools.count(1)


def call_at(at_s: float = NOW_S) -> CallId:
    """The id of a call made at that time."""
    digits = f"{int(at_s * 1000):012x}7{next(_numbers) % 4096:03x}8{uuid.uuid4().hex[1:16]}"
    return CallId(f"req_{uuid.UUID(digits)}")


def ended(
    draws: tuple[store.Draw, ...],
    charge: int,
    *,
    user: UserId = ANN,
    cost: int = 0,
    call: CallId | None = None,
    at_s: float = NOW_S,
) -> Ended:
    """How a call ended."""
    receipt = Receipt(
        id=call or call_at(at_s),
        user=user,
        key=KeyId("key_1"),
        reason=Reason.COMPLETED,
        surface="openai_chat",
        model="echo",
        asked="echo",
        stream=False,
        started_at_s=at_s,
        duration_ms=12,
        usage=Usage(input_total=10, output_total=3),
        provider_cost_nano_usd=NanoUsd(cost),
        charge_nano_usd=NanoUsd(charge),
    )
    return Ended(draws, receipt, msgspec.json.encode(receipt))


class Desk:
    """One database, and a clock that moves when told."""

    def __init__(self, database: Database) -> None:
        self.database, self.now_s = database, NOW_S

    async def do(self, work: Callable[[Transaction], T]) -> T:
        return await self.database.write(work)

    async def look(self, statement: str, **values: object) -> list[tuple[object, ...]]:
        return await self.database.read(lambda tx: tx.run(statement, **values))

    async def grant(
        self, amount: int, kind: str = "topup", *, owner: UserId = ANN, ref: str = "", expires_at: float | None = None
    ) -> bool:
        new = store.Grant(
            owner, amount, kind, "test", "to spend", ref or store.new_reference(), self.now_s, expires_at=expires_at
        )
        return await self.do(lambda tx: store.grant(tx, new))

    async def lease(
        self, amount: int, *, owner: str = ANN, process: str = "one", limit: int | None = None
    ) -> store.Draw:
        """Exactly so much, in a lease of its own."""
        wish = self.wish(amount, owner=owner, process=process, limit=limit)
        taken = await self.do(lambda tx: store.take(tx, wish))
        assert taken.amount == amount
        return owner, wish.lease, taken.fence

    def wish(
        self, need: int, want: int = 0, *, owner: str = ANN, process: str = "one", limit: int | None = None
    ) -> store.Wish:
        name = LeaseId(f"lse_{process}_{next(_numbers)}")
        return store.Wish(name, owner, process, 0, need, 0, want, self.now_s, self.now_s + TTL_S, limit)

    async def settle(self, *calls: Ended) -> None:
        """As the writer does: looking at each call when there is doubt."""
        try:
            await self.do(lambda tx: store.settle(tx, calls))
        except store.Doubt:
            await self.settle_in_doubt(*calls)

    async def settle_in_doubt(self, *calls: Ended) -> None:
        await self.do(lambda tx: store.settle(tx, calls, doubtful=True))

    async def give_back(self, draw: store.Draw, amount: int | None = None) -> int:
        _, lease, fence = draw
        return await self.do(lambda tx: store.give_back(tx, lease, fence, amount, self.now_s))

    async def sweep(self, process: str = "sweeper") -> store.Swept | None:
        return await self.do(lambda tx: store.sweep(tx, process, self.now_s))

    async def refund(self, call: Ended, amount: int | None = None, ref: str = "") -> int:
        asked = store.Refund(call.receipt.id, amount, "test", "sorry", ref or store.new_reference(), self.now_s)
        return await self.do(lambda tx: store.refund(tx, asked))

    async def pots(self, owner: str = ANN) -> list[tuple[str, int]]:
        """(kind, balance) in spending order."""
        return [(pot.kind, pot.balance) for pot in await self.database.read(lambda tx: store.pots(tx, owner))]

    async def left(self, owner: str = ANN) -> int:
        return sum(balance for _, balance in await self.pots(owner))

    async def reserved(self, owner: str = ANN) -> int:
        return await self.database.read(lambda tx: store.reserved(tx, owner))

    async def receipt(self, call: Ended, user: UserId | None = None) -> Receipt | None:
        return await self.database.read(lambda tx: store.receipt(tx, call.receipt.id, user))

    async def charged(self, call: Ended) -> tuple[int, int]:
        """(charge, overrun) by its receipt."""
        found = await self.receipt(call)
        assert found is not None
        return found.charge_nano_usd, found.overrun_nano_usd

    async def paid(self, call: Ended) -> list[tuple[str, int]]:
        """(kind, amount) of the pots that paid, in the order in which they did."""
        paid = await self.database.read(lambda tx: store.paid_by(tx, call.receipt.id))
        assert paid is not None
        rows = await self.look("SELECT id, kind FROM accounts")
        kinds = dict(rows)
        return [(str(kinds[account]), amount) for account, amount in paid.parts]

    async def differences(self) -> list[str]:
        return await self.database.read(audit)

    async def entries(self, kind: str) -> Sequence[tuple[object, ...]]:
        """(ref, author, reason) of the entries of a kind."""
        return await self.look("SELECT ref, author, reason FROM entries WHERE kind = :kind ORDER BY id", kind=kind)
