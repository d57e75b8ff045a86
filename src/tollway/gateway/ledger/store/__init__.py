"""All of the ledger's SQL: what moves money does it in double entry, under locks, inside one transaction."""

from tollway.gateway.ledger.store.accounts import Entry, post
from tollway.gateway.ledger.store.allowances import (
    Allowance,
    Subscription,
    allowance,
    due,
    postpone,
    refresh,
    subscribe,
)  # fmt: skip
from tollway.gateway.ledger.store.batch import Doubt
from tollway.gateway.ledger.store.calls import Draw, settle
from tollway.gateway.ledger.store.grants import CreditHeld, Grant, Refund, grant, new_reference, refund
from tollway.gateway.ledger.store.leases import LOST, Taken, Wish, give_back, recall, recalled, renew, take, take_all
from tollway.gateway.ledger.store.listing import receipts
from tollway.gateway.ledger.store.months import drop_months, month_of, paid_by, receipt
from tollway.gateway.ledger.store.months import tables as months
from tollway.gateway.ledger.store.purses import SOURCES, Pot, budgets_used, pots, reserved, total
from tollway.gateway.ledger.store.sweeps import Swept, bury, sweep

__all__ = [
    "LOST",
    "SOURCES",
    "Allowance",
    "CreditHeld",
    "Doubt",
    "Draw",
    "Entry",
    "Grant",
    "Pot",
    "Refund",
    "Subscription",
    "Swept",
    "Taken",
    "Wish",
    "allowance",
    "budgets_used",
    "bury",
    "drop_months",
    "due",
    "give_back",
    "grant",
    "month_of",
    "months",
    "new_reference",
    "paid_by",
    "post",
    "postpone",
    "pots",
    "recall",
    "recalled",
    "receipt",
    "receipts",
    "refresh",
    "refund",
    "renew",
    "reserved",
    "settle",
    "subscribe",
    "sweep",
    "take",
    "take_all",
    "total",
]
