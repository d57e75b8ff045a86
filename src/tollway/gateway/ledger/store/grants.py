"""Credit given to a user, taken back, or refunded for a call."""

import uuid
from typing import NamedTuple

from tollway.core.errors import BadRequest, NotFound
from tollway.core.ids import CallId, UserId
from tollway.gateway.ledger.store.accounts import ENTRY, ISSUED, REVENUE, Entry, account, numbers, post, record
from tollway.gateway.ledger.store.allowances import allowance, refreshed
from tollway.gateway.ledger.store.months import paid_by
from tollway.gateway.ledger.store.purses import Pot, Till, lock, total
from tollway.ports import Transaction

MOST_ISSUED = 1 << 62
"""Nano-dollars that all users together can be given: twice as much is more than the numbers of a database hold."""


class Grant(NamedTuple):
    """Credit that comes from nowhere, or goes back there when negative."""

    owner: UserId
    amount: int
    """Nano-dollars."""
    kind: str
    """`plan`, `promo` or `topup`."""
    author: str
    reason: str
    reference: str
    """A grant is made once for each reference."""
    at: float
    label: str = ""
    expires_at: float | None = None


class CreditHeld(BadRequest):
    """There is so much to be taken back, but leases hold it."""


class Refund(NamedTuple):
    """A charge given back, or part of it."""

    call: CallId
    amount: int | None
    """Nano-dollars; None for all that was not given back before."""
    author: str
    reason: str
    reference: str
    """A refund is made once for each reference."""
    at: float


def grant(tx: Transaction, new: Grant) -> bool:
    """Move credit from `issued` to the user; False when the reference was used before.

    Raises BadRequest when less is free than would be taken back: CreditHeld when only leases are in the way.
    """
    purse = lock(tx, new.owner)
    if _used(tx, "grant", new.reference):
        return False
    ((issued,),) = tx.run("SELECT balance FROM accounts WHERE id = :id", id=ISSUED)
    if new.amount - issued > MOST_ISSUED:
        raise BadRequest("no books can count so much credit", field="credits")
    if new.amount < 0:
        owned, _ = refreshed(tx, new.owner, purse, new.at)
        postings = _taken_back(owned, purse.reserved, new)
    else:
        label, expires_at = new.label or (new.reference if new.kind == "promo" else ""), new.expires_at
        if new.kind == "plan":
            refreshed(tx, new.owner, purse, new.at)
            running = allowance(tx, new.owner)
            if running is not None:  # what comes beside the month's credit ends with the month, too
                label, expires_at = f"grant:{new.reference}", running.cycle_end
        postings = {account(tx, new.owner, new.kind, label, expires_at): new.amount}
    post(tx, [Entry("grant", new.reference, new.at, {ISSUED: -new.amount, **postings}, new.author, new.reason)])
    return True


def _taken_back(owned: list[Pot], reserved: int, new: Grant) -> dict[int, int]:
    """The pots that a negative grant takes from: those of its kind (and label, if it has one), last-taken first."""
    amount = -new.amount
    fitting = [pot for pot in reversed(owned) if pot.kind == new.kind and new.label in ("", pot.label)]
    there = total(fitting)
    most = min(there, total(owned) - reserved)
    if most < amount:
        refusal = BadRequest if there < amount else CreditHeld
        raise refusal(f"only {most} nano-dollars of {new.kind} credit are free to be taken back", field="credits")
    return {part.account: -part.amount for part in Till(fitting).pay(amount)}


def refund(tx: Transaction, asked: Refund) -> int:
    """Give a charge back to the very pots that paid it, last-taken first; how much that was.

    0 when the reference was used before. Raises NotFound when there is no receipt of the call, BadRequest when it
    would be more than was charged.
    """
    paid = paid_by(tx, asked.call)
    if paid is None:
        raise NotFound(f"no receipt {asked.call[:80]!r}")
    lock(tx, paid.user)
    if _used(tx, "refund", asked.reference):
        return 0
    before = "SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM refunds WHERE call_id = :call"
    done = int(tx.run(before, call=asked.call)[0][0])
    left = sum(amount for _, amount in paid.parts) - done
    amount = left if asked.amount is None else asked.amount
    if not 0 <= amount <= left:
        raise BadRequest(f"{left} nano-dollars of this call's charge can be given back", field="credits")
    postings: dict[int, int] = {}
    skip, rest = done, amount
    for pot, part in reversed(paid.parts):
        passed = min(skip, part)
        back = min(part - passed, rest)
        skip, rest = skip - passed, rest - back
        if back:
            postings[pot] = back
    if amount:
        entry = numbers(tx, ENTRY)
        tx.run(
            "INSERT INTO refunds (entry_id, call_id, amount) VALUES (:entry, :call, :amount)",
            entry=entry, call=asked.call, amount=amount,
        )  # fmt: skip
        why = asked.reason
        record(
            tx, entry, [Entry("refund", asked.reference, asked.at, {REVENUE: -amount, **postings}, asked.author, why)]
        )
    return amount


def _used(tx: Transaction, kind: str, reference: str) -> bool:
    return bool(tx.run("SELECT 1 FROM entries WHERE kind = :kind AND ref = :ref", kind=kind, ref=reference))


def new_reference() -> str:
    """A reference for a grant or refund that nobody will repeat."""
    return f"once:{uuid.uuid4().hex}"
