"""A batch of settled calls as rows: their receipts, one entry for all of them, and what the day's usage gains."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tollway.core.receipt import Receipt
from tollway.gateway.ledger.store.accounts import (
    ABSORBED_LOSS,
    ENTRY,
    PROVIDER_COST,
    PROVIDER_PAYABLE,
    REVENUE,
    USED,
    Entry,
    numbers,
    record,
)
from tollway.gateway.ledger.store.months import open_month
from tollway.gateway.ledger.store.purses import Drawn
from tollway.ports import Row, Transaction

DAY_S = 86_400


class Doubt(Exception):
    """Some of the calls are in the books already: the transaction must run again, looking at each."""


class Batch:
    """Calls of one month that share one entry."""

    __slots__ = ("charge", "cost", "kind", "month", "moved", "over", "rows", "splits", "usage")

    def __init__(self, month: str, kind: str = "settle") -> None:
        self.month, self.kind = month, kind
        self.rows: list[Row] = []
        self.splits: list[dict[str, Any]] = []
        self.moved: Counter[int] = Counter()
        self.charge = self.cost = self.over = 0
        self.usage: dict[tuple[str, int, str, str], list[int]] = {}

    def add(self, receipt: Receipt, body: bytes, account: int | None, parts: Sequence[Drawn] = ()) -> None:
        """A call whose charge comes from one account, or from several: then from `parts`."""
        call, charge, cost = receipt.id, receipt.charge_nano_usd, receipt.provider_cost_nano_usd
        user, key, at = receipt.user, receipt.key, receipt.started_at_s
        self.rows.append((call, user, key, at, charge, cost, receipt.reason.value, account, body.decode()))
        if account is not None:
            self.moved[account] -= charge
        for place, part in enumerate(parts):
            self.moved[part.account] -= part.amount
            self.splits.append({"call": call, "place": place, "account": part.account, "amount": part.amount})
        self.charge += charge
        self.cost += cost
        self.over += receipt.overrun_nano_usd
        of = (user, int(at // DAY_S), receipt.model, key)
        usage = receipt.usage
        said, told = (usage.input_total, usage.output_total) if usage is not None else (0, 0)
        sums = self.usage.get(of)
        if sums is None:
            self.usage[of] = [1, charge, cost, said, told]
        else:
            sums[0] += 1
            sums[1] += charge
            sums[2] += cost
            sums[3] += said
            sums[4] += told

    def use(self, parts: Sequence[Drawn]) -> None:
        """Count a charge against a budget, too."""
        for part in parts:
            self.moved[part.account] -= part.amount
            self.moved[USED] += part.amount

    def entry(self) -> Entry:
        """What all of its calls together move."""
        postings = self.moved
        postings[REVENUE] += self.charge + self.over
        postings[ABSORBED_LOSS] -= self.over
        postings[PROVIDER_COST] -= self.cost
        postings[PROVIDER_PAYABLE] += self.cost
        return Entry(self.kind, self.ref, self.rows[-1][3], postings, reason=f"{len(self.rows)} calls")

    @property
    def ref(self) -> str:
        """The month, and the last of its calls."""
        return f"{self.month}/{self.rows[-1][0]}"


def write(tx: Transaction, batches: Sequence[Batch]) -> None:
    """Put batches into the books, each under an entry of its own.

    Raises Doubt when one of their calls has a receipt already. Calls of a month whose receipts were dropped for good
    are not charged: nobody could say any more whether they were before.
    """
    first = numbers(tx, ENTRY, len(batches))
    entries = []
    for number, batch in enumerate(batches, start=first):
        if open_month(tx, batch.month):
            _keep(tx, batch, number)
            entries.append(batch.entry())
        else:
            entries.append(_too_late(batch))
    record(tx, first, entries)
    _add_usage(tx, [batch for batch, entry in zip(batches, entries, strict=True) if entry.kind == batch.kind])


def _keep(tx: Transaction, batch: Batch, number: int) -> None:
    into = (
        f"INSERT INTO receipts_{batch.month}"
        " (call_id, user_id, key_id, at, charge, cost, reason, account_id, body, entry_id)"
        " VALUES (:call, :user, :key, :at, :charge, :cost, :reason, :account, :body, :entry) ON CONFLICT DO NOTHING"
    )
    if tx.many(into, [(*row, number) for row in batch.rows]) != len(batch.rows):
        raise Doubt
    split = (
        f"INSERT INTO splits_{batch.month} (call_id, place, account_id, amount)"
        " VALUES (:call, :place, :account, :amount)"
    )
    tx.many(split, batch.splits)


def _too_late(batch: Batch) -> Entry:
    why = f"{len(batch.rows)} calls of {batch.month}, whose receipts were dropped: not charged"
    return Entry("void", batch.ref, batch.rows[-1][3], {}, reason=why)


ADD = (
    "INSERT INTO usage_daily (user_id, day, model, key_id, requests, charge, cost, input_tokens, output_tokens)"
    " VALUES (:user, :day, :model, :key, :requests, :charge, :cost, :input, :output)"
    " ON CONFLICT (user_id, day, model, key_id) DO UPDATE SET requests = usage_daily.requests + excluded.requests,"
    " charge = usage_daily.charge + excluded.charge, cost = usage_daily.cost + excluded.cost,"
    " input_tokens = usage_daily.input_tokens + excluded.input_tokens,"
    " output_tokens = usage_daily.output_tokens + excluded.output_tokens"
)
SUMS = ("requests", "charge", "cost", "input", "output")


def _add_usage(tx: Transaction, batches: Sequence[Batch]) -> None:
    for batch in batches:
        rows = [
            {"user": user, "day": day, "model": model, "key": key, **dict(zip(SUMS, sums, strict=True))}
            for (user, day, model, key), sums in sorted(batch.usage.items())
        ]
        tx.many(ADD, rows)
