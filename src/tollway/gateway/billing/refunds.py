"""Gives back what a call was charged, or part of it, to the very pots that paid."""

from typing import NamedTuple

from tollway.core.errors import BadRequest
from tollway.core.ids import CallId
from tollway.core.money import NanoUsd
from tollway.core.remark import MOST_NAME, remark
from tollway.gateway.ledger.ledger import Ledger
from tollway.gateway.ledger.store import Refund, new_reference, refund
from tollway.ports import Clock, Database


class RefundWish(NamedTuple):
    """A refund as somebody asks for it."""

    call: CallId
    amount: NanoUsd | None
    """None: all that was charged and not given back before."""
    author: str
    reason: str
    reference: str | None = None


class Refunds:
    """Charges given back."""

    def __init__(self, database: Database, clock: Clock, ledger: Ledger) -> None:
        self._database, self._clock, self._ledger = database, clock, ledger

    async def make(self, wish: RefundWish) -> NanoUsd:
        """How much was given back, in nano-dollars; 0 when nothing was left or the reference was used before.

        Raises NotFound without a receipt of the call, BadRequest for more than was charged and for a bad field.
        """
        if wish.amount is not None and wish.amount <= 0:
            raise BadRequest("credits must be more than 0", field="credits")
        if not (0 < len(wish.call) <= 100 and wish.call.isprintable()):
            raise BadRequest("that cannot be the id of a call", field="request_id")
        by, why = remark(wish.author, "author", MOST_NAME), remark(wish.reason, "reason")
        reference = new_reference() if wish.reference is None else remark(wish.reference, "reference", MOST_NAME)
        await self._ledger.flush()
        asked = Refund(wish.call, wish.amount, by, why, reference, self._clock.now_s())
        return NanoUsd(await self._database.write(lambda tx: refund(tx, asked)))
