"""An answer that its caller was never told, because the books could not be written in time: nobody pays for it."""

import functools
from collections.abc import Sequence

import msgspec

from tollway.core.ids import CallId
from tollway.core.money import NanoUsd
from tollway.core.receipt import Reason, Receipt
from tollway.gateway.ledger import store
from tollway.gateway.ledger.journal import Ended, ended
from tollway.ports import Database, Transaction

NOTE = "free: the books could not be written in time, and the caller was not told the answer"
AUTHOR = "hub"


def unsaid(call: Ended) -> Ended:
    """The same call, free of charge. What its provider takes is the hub's loss."""
    return ended((), msgspec.structs.replace(call.receipt, reason=Reason.FAILED, charge_nano_usd=NanoUsd(0), note=NOTE))


async def make_good(database: Database, calls: Sequence[Ended]) -> set[CallId]:
    """Give back what the unsaid ones among these calls were charged all the same, because the books had been written
    when nobody could hear it any more; which ones. The calls must be in the books. Raises Unavailable."""
    late = [call.receipt for call in calls if call.receipt.note == NOTE]
    if not late:
        return set()
    return await database.write(functools.partial(_give_back, receipts=late))


def _give_back(tx: Transaction, receipts: Sequence[Receipt]) -> set[CallId]:
    charged = set()
    for receipt in receipts:
        at_s = receipt.started_at_s + receipt.duration_ms / 1000
        asked = store.Refund(receipt.id, None, AUTHOR, NOTE, f"unsaid:{receipt.id}", at_s)
        paid = store.paid_by(tx, receipt.id)
        if paid is not None and paid.parts:  # else it was free, or its month was dropped and nothing was charged
            store.refund(tx, asked)
            charged.add(receipt.id)
    return charged
