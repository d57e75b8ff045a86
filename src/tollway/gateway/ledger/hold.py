"""A hold: credit set aside for one call, until the call says what it owes."""

from collections.abc import Sequence
from types import TracebackType
from typing import Protocol

import msgspec

from tollway.core.caller import Payer
from tollway.core.ids import CallId, UserId
from tollway.core.money import NanoUsd
from tollway.core.receipt import Reason, Receipt
from tollway.gateway.ledger.journal import Ended, Held, Segment, ended
from tollway.gateway.ledger.lease import Account, Lease
from tollway.gateway.ledger.levels import Drawn
from tollway.ports import Clock


class Ledger(Protocol):
    """The ledger as a call sees it."""

    @property
    def sync(self) -> bool:
        """Whether a call must wait until it is `written` before its last byte."""

    def left(self, payer: Payer) -> NanoUsd:
        """What the payer could still spend, as known here and now: the least over all levels."""

    def held(self, payer: Payer) -> NanoUsd:
        """What calls of the payer's user that are in flight here have set aside."""

    def try_hold(self, payer: Payer, ceiling: NanoUsd, call: CallId) -> "Hold | None":
        """Set `ceiling` aside without waiting, on every level or on none; None when only `hold` can tell."""

    async def hold(self, payer: Payer, ceiling: NanoUsd, call: CallId) -> "Hold":
        """Set `ceiling` aside. Raises CreditsExhausted, BudgetExhausted, Unavailable."""

    async def learn(self, payer: Payer, ceiling: NanoUsd) -> None:
        """Find out what the payer has, where this process does not know yet. Raises Unavailable."""

    async def written(self, call: CallId) -> None:
        """Return when the ended call's receipt is in the database. Raises Unavailable when that takes too long."""

    def withdraw(self, call: CallId) -> None:
        """The ended call is free after all: its answer was not told, because it was not written in time."""


class Recorder(Protocol):
    """Where the records of calls are written."""

    def held(self, call: CallId, user: str, amount: NanoUsd, at_s: float) -> Segment:
        """Record a hold. Raises Unavailable when the disk is full, and then there is no hold."""

    def ended(self, ended: Ended, leases: Sequence[Lease], held_in: Segment) -> None:
        """Record how a call ended, and see that the database learns of it."""


class Keeper(Protocol):
    """Whoever gave the hold."""

    clock: Clock

    @property
    def writer(self) -> Recorder:
        """Who records it."""

    async def extend(self, hold: "Hold", amount: NanoUsd) -> bool:
        """Set `amount` more aside for the hold. Raises CreditsExhausted, BudgetExhausted, Unavailable."""

    def nearly_empty(self, account: Account) -> None:
        """A call has ended on an account that is leased from call by call."""


class Hold:
    """Ends exactly once, by `settle` or `release`; as a `with` block it is released if nobody ended it.

    It may grow meanwhile. It is drawn from a lease on the user's credits and from one on each budget of the payer.
    """

    __slots__ = ("_account", "_budgets", "_keeper", "_lease", "_open", "_segment", "amount", "at_s", "call")

    def __init__(self, call: CallId, amount: NanoUsd, at_s: float, user: Drawn, keeper: Keeper) -> None:
        self.call, self.amount, self.at_s, self._keeper = call, amount, at_s, keeper
        self._account, self._lease = user
        self._budgets: tuple[Drawn, ...] = ()
        self._segment: Segment = keeper.writer.held(call, self._account.owner, amount, at_s)
        self._open = True
        lease = self._lease  # `set_aside`, written out: every call comes here
        lease.free -= amount
        lease.held += amount
        lease.used_at_s = at_s

    @property
    def is_open(self) -> bool:
        """The call has not said yet what it owes."""
        return self._open

    def draw_on(self, budgets: tuple[Drawn, ...]) -> None:
        """Draw on these, too."""
        self._budgets = budgets
        for _, lease in budgets:
            lease.set_aside(self.amount, self.at_s)

    @property
    def drawn(self) -> tuple[Drawn, ...]:
        """What it is drawn from: the user's lease, then those of the budgets."""
        return ((self._account, self._lease), *self._budgets)

    def try_extend(self, amount: NanoUsd) -> bool:
        """Set `amount` more aside without waiting, on every level or on none; False when it is not at hand here."""
        now_s = self._keeper.clock.now_s()
        if not self._open or self.lacking(amount, now_s):
            return False
        moved = []
        for account, before in self.drawn:
            lease = account.lease or before
            if lease is not before:  # the old one was taken away, or is about to be given back: all moves to the new
                before.set_aside(-self.amount, now_s)
                lease.set_aside(self.amount, now_s)
            lease.set_aside(amount, now_s)
            moved.append((account, lease))
        (_, self._lease), *budgets = moved
        self._budgets = tuple(budgets)
        self.amount = NanoUsd(self.amount + amount)
        return True

    def lacking(self, amount: NanoUsd, now_s: float) -> list[tuple[Account, NanoUsd]]:
        """The accounts that must lease more before the hold can grow so much, and how much each must have free."""
        needs = [
            (account, amount if lease is account.lease else NanoUsd(self.amount + amount))
            for account, lease in self.drawn
        ]
        return [(account, need) for account, need in needs if not account.covers(need, now_s)]

    async def extend(self, amount: NanoUsd) -> bool:
        """Set `amount` more aside, leasing credit when needed; False when the call has ended meanwhile.

        Raises CreditsExhausted or BudgetExhausted when there is not so much, Unavailable when the books cannot tell.
        """
        return self.try_extend(amount) or (self._open and await self._keeper.extend(self, amount))

    def settle(self, receipt: Receipt) -> Receipt:
        """Charge what the receipt says; the record outlives this process when it returns. The receipt as booked.

        What is above the hold is taken from credit at hand; what that cannot pay is an overrun.
        """
        if not self._open:
            return receipt
        self._open = False
        charge = receipt.charge_nano_usd
        if charge > self.amount:
            self._stretch(charge - self.amount)
            receipt = msgspec.structs.replace(receipt, hold_nano_usd=self.amount)
        amount, account, lease, budgets = self.amount, self._account, self._lease, self._budgets
        if not 0 <= charge <= amount:
            receipt = _within(receipt, amount)
            charge = receipt.charge_nano_usd
        lease.held -= amount
        lease.free += amount - charge
        account.spent += charge
        if budgets:
            leases = [lease]
            for each, other in budgets:
                other.held -= amount
                other.free += amount - charge
                each.spent += charge
                leases.append(other)
                if each.strict:
                    self._keeper.nearly_empty(each)
            draws = tuple([one.draw for one in leases])
            self._keeper.writer.ended(ended(draws, receipt), leases, self._segment)
        else:
            self._keeper.writer.ended(ended(lease.alone, receipt), (lease,), self._segment)
        if account.strict:
            self._keeper.nearly_empty(account)
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
            held = Held(self.call, UserId(self._account.owner), self.amount, self.at_s)
            self.release(held.receipt(Reason.FAILED))

    def _stretch(self, amount: int) -> None:
        """Set aside as much of `amount` more as every lease has free, if they are still ours."""
        now_s = self._keeper.clock.now_s()
        free = [
            lease.free if lease is account.lease and now_s <= lease.trusted_until_s else 0
            for account, lease in self.drawn
        ]
        more = min(amount, *free)
        for _, lease in self.drawn:
            lease.set_aside(more, now_s)
        self.amount = NanoUsd(self.amount + more)


def _within(receipt: Receipt, amount: NanoUsd) -> Receipt:
    """The charge brought between nothing and the hold; what is above is an overrun, recorded and absorbed."""
    charge = NanoUsd(min(max(receipt.charge_nano_usd, 0), amount))
    over = NanoUsd(receipt.overrun_nano_usd + max(receipt.charge_nano_usd - amount, 0))
    return msgspec.structs.replace(receipt, charge_nano_usd=charge, overrun_nano_usd=over)
