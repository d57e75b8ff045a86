"""A hold: credit set aside for one call, until the call says what it owes."""

from types import TracebackType

import msgspec

from tollway.core.ids import CallId
from tollway.core.money import NanoUsd
from tollway.core.receipt import Reason, Receipt
from tollway.gateway.ledger.journal import Ended, Held, Segment
from tollway.gateway.ledger.lease import Account, Lease
from tollway.gateway.ledger.writer import Writer


class Hold:
    """Ends exactly once, by `settle` or `release`; as a `with` block it is released if nobody ended it."""

    __slots__ = ("_account", "_lease", "_open", "_segment", "_writer", "amount", "at_s", "call")

    def __init__(
        self, call: CallId, amount: NanoUsd, at_s: float, account: Account, lease: Lease, writer: Writer
    ) -> None:
        self.call, self.amount, self.at_s = call, amount, at_s
        self._account, self._lease, self._writer = account, lease, writer
        self._segment: Segment = writer.held(call, account.user, amount, at_s, lease.id)
        self._open = True

    def settle(self, receipt: Receipt) -> None:
        """Charge what the receipt says, at most the hold; the record outlives this process when it returns."""
        if not self._open:
            return
        self._open = False
        amount, charge = self.amount, receipt.charge_nano_usd
        if not 0 <= charge <= amount:
            receipt = _within(receipt, amount)
            charge = receipt.charge_nano_usd
        account, lease = self._account, self._lease
        lease.held -= amount
        lease.free += amount - charge
        lease.unwritten += 1
        account.spent += charge
        self._writer.ended(Ended(lease.id, lease.fence, receipt), lease, self._segment)

    def release(self, receipt: Receipt) -> None:
        """Charge nothing, whatever the receipt says."""
        if receipt.charge_nano_usd:
            receipt = msgspec.structs.replace(receipt, charge_nano_usd=NanoUsd(0))
        self.settle(receipt)

    def __enter__(self) -> "Hold":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._open:
            held = Held(self.call, self._account.user, self.amount, self.at_s, self._lease.id)
            self.release(held.receipt(Reason.FAILED))


def _within(receipt: Receipt, amount: NanoUsd) -> Receipt:
    """The charge brought between nothing and the hold; what is above is an overrun, recorded and absorbed."""
    charge = NanoUsd(min(max(receipt.charge_nano_usd, 0), amount))
    over = NanoUsd(receipt.overrun_nano_usd + max(receipt.charge_nano_usd - amount, 0))
    return msgspec.structs.replace(receipt, charge_nano_usd=charge, overrun_nano_usd=over)
