"""Settling: ended calls come into the books in batches, each exactly once, out of the very pots that pay for them."""

from collections import Counter
from collections.abc import Sequence

import msgspec

from tollway.core.ids import LeaseId
from tollway.core.money import NanoUsd
from tollway.gateway.ledger.journal import Ended
from tollway.gateway.ledger.store.accounts import names
from tollway.gateway.ledger.store.batch import Batch, Doubt, write
from tollway.gateway.ledger.store.months import kept, month_of
from tollway.gateway.ledger.store.purses import Till, lock_all, pots_of, reserved
from tollway.ports import Transaction

Draw = tuple[str, LeaseId, int]
"""What a call is paid from: owner, lease, fence. The user's own comes first, then those of budgets."""
Covered = set[tuple[str, str]]
"""(call, owner) where the owner's lease is still ours and suffices."""
WHOLE = msgspec.json.Encoder().encode
GONE = "the lease had expired; what was left could not pay for all of it"


def settle(tx: Transaction, calls: Sequence[Ended], *, doubtful: bool = False) -> None:
    """Put terminal entries into the books, each call at most once.

    `doubtful` looks at each call and lease first, for when some calls may be there already or some leases may not.
    Raises Doubt when it should have. What the leases cover is one entry for all the calls of a month; a call whose
    lease was taken away is an entry of its own, paid from what no lease holds.
    """
    covered = None
    if doubtful:
        calls = _unknown(tx, calls)
        owners, covered = _cover(tx, calls)
    else:
        owners = _spend(tx, calls)
    if calls:
        counter = _Counter(tx, owners, covered)
        for call in calls:
            counter.take(call)
        write(tx, counter.batches())


class _Counter:
    """Where calls are paid: their owners' pots, and the batches that remember what came out of which."""

    def __init__(self, tx: Transaction, owners: set[str], covered: Covered | None) -> None:
        self._tx, self._covered = tx, covered
        owned = pots_of(tx, owners)
        self._tills = {owner: Till(owned.get(owner, [])) for owner in owners}
        self._batches: dict[str, Batch] = {}
        self._late: list[Ended] = []
        self._owed: list[tuple[Batch, str, int]] = []
        """Charges that a budget's own lease does not cover any more."""

    def take(self, call: Ended) -> None:
        """Put a call into its month's batch; what is not covered waits until everything is that is."""
        receipt = call.receipt
        charge = receipt.charge_nano_usd
        if charge and self._covered is not None and (receipt.id, receipt.user) not in self._covered:
            self._late.append(call)
            return
        month = month_of(receipt.id)
        batch = self._batches.get(month)
        if batch is None:
            batch = self._batches[month] = Batch(month)
        if not charge:
            batch.add(receipt, call.body, None)
            return
        till = self._tills[receipt.user]
        if till.left >= charge:
            till.left -= charge
            batch.add(receipt, call.body, till.account)
        else:
            self._split(batch, call, charge)
        if len(call.draws) > 1:
            self._budgets(batch, call, charge)

    def batches(self) -> list[Batch]:
        """Everything that was taken, the late calls each for itself."""
        done = list(self._batches.values())
        for call in self._late:
            receipt, batch = call.receipt, Batch(month_of(call.receipt.id), "late")
            paid = self._split(batch, call, min(receipt.charge_nano_usd, self._free(receipt.user)))
            self._budgets(batch, call, paid)
            done.append(batch)
        for batch, owner, amount in self._owed:
            batch.use(self._tills[owner].pay(min(amount, self._free(owner))))
        return done

    def _free(self, owner: str) -> int:
        """What no lease holds."""
        return max(0, self._tills[owner].total - reserved(self._tx, owner))

    def _split(self, batch: Batch, call: Ended, charge: int) -> int:
        """Pay up to `charge`, maybe out of several pots; what there was. The rest of what is owed is an overrun."""
        receipt, body = call.receipt, call.body
        parts = self._tills[receipt.user].pay(charge)
        paid = sum(part.amount for part in parts)
        if paid < receipt.charge_nano_usd:
            receipt = msgspec.structs.replace(
                receipt,
                charge_nano_usd=NanoUsd(paid),
                overrun_nano_usd=NanoUsd(receipt.overrun_nano_usd + receipt.charge_nano_usd - paid),
                note=f"{receipt.note} {GONE}".strip(),
            )
            body = WHOLE(receipt)
        if len(parts) == 1:
            batch.add(receipt, body, parts[0].account)
        else:
            batch.add(receipt, body, None, parts)
        return paid

    def _budgets(self, batch: Batch, call: Ended, charge: int) -> None:
        """Count the charge against each budget it was held from."""
        for owner, _, _ in call.draws[1:]:
            if self._covered is None or (call.receipt.id, owner) in self._covered:
                batch.use(self._tills[owner].pay(charge))
            else:
                self._owed.append((batch, owner, charge))


def _spend(tx: Transaction, calls: Sequence[Ended]) -> set[str]:
    """Consume the leases the calls draw from; whose they are. Raises Doubt when one of them does not suffice."""
    spent: Counter[Draw] = Counter()
    for call in calls:
        charge = call.receipt.charge_nano_usd
        if charge:
            if not call.draws:
                raise Doubt
            for draw in call.draws:
                spent[draw] += charge
    if not _consume(tx, spent):
        raise Doubt
    return {owner for owner, _, _ in spent}


def _consume(tx: Transaction, spent: Counter[Draw]) -> bool:
    """Whether every lease had so much left."""
    owners: Counter[str] = Counter()
    for (owner, _, _), charge in spent.items():
        owners[owner] += charge
    of_purses = [{"owner": owner, "charge": charge} for owner, charge in sorted(owners.items())]
    less = "UPDATE purses SET reserved = reserved - :charge WHERE owner = :owner AND reserved >= :charge"
    if tx.many(less, of_purses) != len(of_purses):
        return False
    of_leases = [
        {"id": lease, "fence": fence, "charge": charge}
        for (_, lease, fence), charge in sorted(spent.items(), key=lambda item: item[0][1:])
    ]
    more = (
        "UPDATE leases SET spent = spent + :charge"
        " WHERE id = :id AND fence = :fence AND taken - spent >= :charge"
    )  # fmt: skip
    return tx.many(more, of_leases) == len(of_leases)


def _cover(tx: Transaction, calls: Sequence[Ended]) -> tuple[set[str], Covered]:
    """Consume the leases that are still ours, call by call as far as each goes; who pays, and what they cover."""
    owing = [call for call in calls if call.receipt.charge_nano_usd]
    draws = {draw for call in owing for draw in call.draws}
    owners = {owner for owner, _, _ in draws} | {str(call.receipt.user) for call in owing}
    lock_all(tx, owners)
    left: dict[Draw, int] = {}
    for draw in draws:
        room = "SELECT taken - spent FROM leases WHERE id = :id AND fence = :fence AND owner = :owner"
        rows = tx.run(room, owner=draw[0], id=draw[1], fence=draw[2])
        left[draw] = int(rows[0][0]) if rows else 0
    covered: Covered = set()
    spent: Counter[Draw] = Counter()
    for call in owing:
        charge = call.receipt.charge_nano_usd
        for draw in call.draws:
            if left[draw] >= charge:
                left[draw] -= charge
                spent[draw] += charge
                covered.add((call.receipt.id, draw[0]))
    if not _consume(tx, spent):
        raise Doubt
    return owners, covered


def _unknown(tx: Transaction, calls: Sequence[Ended]) -> list[Ended]:
    """Those that have no receipt yet, each call once."""
    once: dict[str, Ended] = {}
    months: dict[str, list[str]] = {}
    for call in calls:
        if once.setdefault(call.receipt.id, call) is call:
            months.setdefault(month_of(call.receipt.id), []).append(call.receipt.id)
    for month, ids in months.items():
        if kept(tx, month):
            among = names(ids)
            known = f"SELECT call_id FROM receipts_{month} WHERE call_id IN {among.text}"
            for (call_id,) in tx.run(known, **among.values):
                del once[call_id]
    return list(once.values())
