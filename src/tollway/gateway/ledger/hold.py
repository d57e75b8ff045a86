"""A hold: credit set aside for one call, until the call says what it owes."""

from types import TracebackType
from typing import Protocol

import msgspec

from tollway.core.ids import CallId
from tollway.core.money import NanoUsd
from tollway.core.receipt import Reason, Receipt
from tollway.gateway.ledger.journal import Ended, Held, Segment
from tollway.gateway.ledger.lease import Account, Lease
from tollway.gateway.ledger.writer import Writer
from tollway.ports import Clock


class Keeper(Protocol):
    """Whoever gave the hold."""

    clock: Clock
    writer: Writer

    async def extend(self, hold: "Hold", amount: NanoUsd) -> bool:
        """Set `amount` more aside for the hold."""


class Hold:
    """Ends exactly once, by `settle` or `release`; as a `with` block it is released if nobody ended it.

    It may grow meanwhile.
    """

    __slots__ = ("_keeper", "_lease", "_open", "_segment", "account", "amount", "at_s", "call")

    def __init__(
        self, call: CallId, amount: NanoUsd, at_s: float, drawn: tuple[Account, Lease], keeper: Keeper
    ) -> None:
        self.call, self.amount, self.at_s, self._keeper = call, amount, at_s, keeper
        self.account, self._lease = drawn
        self._segment: Segment = keeper.writer.held(call, self.account.user, amount, at_s, self._lease.id)
        self._open = True

    @property
    def secure(self) -> bool:
        """Whether the lease it was drawn from is still ours, as far as we know."""
        return self._lease is self.account.lease

    def try_extend(self, amount: NanoUsd) -> bool:
        """Set `amount` more aside without waiting; False when it is not at hand here."""
        lease, now_s = self.account.lease, self._keeper.clock.now_s()
        if lease is None or not self._open or now_s > lease.trusted_until_s:
            return False
        # A hold whose lease was taken away moves to the one that came after it.
        need = amount if lease is self._lease else self.amount + amount
        if lease.free < need:
            return False
        lease.free -= need
        lease.held += need
        lease.used_at_s = now_s
        self._lease = lease
        self.amount = NanoUsd(self.amount + amount)
        return True

    async def extend(self, amount: NanoUsd) -> bool:
        """Set `amount` more aside, leasing credit when needed; False when credits, or the books, refuse."""
        return self.try_extend(amount) or (self._open and await self._keeper.extend(self, amount))

    def settle(self, receipt: Receipt) -> Receipt:
        """Charge what the receipt says; the record outlives this process when it returns. The receipt as booked.

        What is above the hold is taken from credit at hand; what that cannot pay is an overrun.
        """
        if not self._open:
            return receipt
        self._open = False
        account, lease = self.account, self._lease
        charge = receipt.charge_nano_usd
        if charge > self.amount and lease is account.lease:
            more = min(charge - self.amount, lease.free)
            lease.free -= more
            lease.held += more
            self.amount = NanoUsd(self.amount + more)
        amount = self.amount
        if not 0 <= charge <= amount:
            receipt = _within(receipt, amount)
            charge = receipt.charge_nano_usd
        lease.held -= amount
        lease.free += amount - charge
        lease.unwritten += 1
        account.spent += charge
        self._keeper.writer.ended(Ended(lease.id, lease.fence, receipt), lease, self._segment)
        return receipt

    def release(self, receipt: Receipt) -> Receipt:
        """Charge nothing, whatever the receipt says."""
        if receipt.charge_nano_usd:
            receipt = msgspec.structs.replace(receipt, charge_nano_usd=NanoUsd(0))
        return self.settle(receipt)

    def __enter__(self) -> "Hold":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._open:
            held = Held(self.call, self.account.user, self.amount, self.at_s, self._lease.id)
            self.release(held.receipt(Reason.FAILED))


def _within(receipt: Receipt, amount: NanoUsd) -> Receipt:
    """The charge brought between nothing and the hold; what is above is an overrun, recorded and absorbed."""
    charge = NanoUsd(min(max(receipt.charge_nano_usd, 0), amount))
    over = NanoUsd(receipt.overrun_nano_usd + max(receipt.charge_nano_usd - amount, 0))
    return msgspec.structs.replace(receipt, charge_nano_usd=charge, overrun_nano_usd=over)
