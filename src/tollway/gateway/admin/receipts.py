"""Finds a receipt for its payer, or for an administrator who may see everybody's."""

from tollway.core.ids import CallId, UserId
from tollway.core.receipt import Receipt
from tollway.gateway.admin import store
from tollway.gateway.ledger.ledger import Ledger
from tollway.ports import Database


class Receipts:
    """The ledger's receipts, by payer or by whoever paid."""

    def __init__(self, database: Database, ledger: Ledger) -> None:
        self._database, self._ledger = database, ledger

    async def receipt(self, call: CallId, user: UserId | None) -> Receipt | None:
        """The receipt of an ended call of `user`, of anybody when None."""
        if user is None:
            pending = self._ledger.receipt_pending(call)
            if pending is not None:
                return pending
            user = await self._database.read(lambda tx: store.payer(tx, call))
        return None if user is None else await self._ledger.receipt(call, user)
