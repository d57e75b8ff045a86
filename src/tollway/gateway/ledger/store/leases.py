"""Leases: so much of an owner's money that one process may spend without asking; they reserve and move nothing."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from tollway.core.ids import LeaseId
from tollway.gateway.ledger.store.accounts import ALLOWED, FENCE, Entry, account, names, numbers, post
from tollway.gateway.ledger.store.allowances import refreshed
from tollway.gateway.ledger.store.purses import Purse, lock, lock_all, pots, reserve, total
from tollway.ports import Transaction

LOST = -1


class Wish(NamedTuple):
    """What a process asks of an owner's money."""

    lease: LeaseId
    owner: str
    """A user, or a budget of one period."""
    process: str
    fence: int
    """0 for a lease that does not exist yet."""
    need: int
    """Less than this is no use: then nothing is taken."""
    waiting: int
    """What the calls waiting now would take together."""
    want: int
    """What would be pleasant, as far as it is at most a quarter of what is there."""
    at: float
    expires_at: float
    limit: int | None = None
    """The most that a budget allows in its period; None for a user."""


class Taken(NamedTuple):
    """What a lease request brought."""

    amount: int
    """`LOST` when the lease is no longer ours."""
    fence: int
    """0 when nothing was taken and nothing renewed."""
    rest: int
    """What the owner still has beyond all leases."""
    elsewhere: int
    """What other processes' leases of the owner may still spend."""


def take(tx: Transaction, wish: Wish) -> Taken:
    """Open a lease or add to it, never more than the owner has beyond all leases.

    When that is too little and other processes' leases hold the rest, they are asked to give back what is idle.
    """
    return _take(tx, wish, lock(tx, wish.owner))


def take_all(tx: Transaction, wishes: Sequence[Wish]) -> list[Taken]:
    """Several owners at once, each for itself; the answers come in the order of the wishes."""
    purses = lock_all(tx, (wish.owner for wish in wishes))
    taken = {wish.owner: _take(tx, wish, purses[wish.owner]) for wish in sorted(wishes, key=lambda wish: wish.owner)}
    return [taken[wish.owner] for wish in wishes]


def _take(tx: Transaction, wish: Wish, purse: Purse) -> Taken:
    ours = 0
    if wish.fence:
        renewed = tx.run(
            "UPDATE leases SET expires_at = :expires WHERE id = :id AND fence = :fence RETURNING taken - spent",
            expires=wish.expires_at, id=wish.lease, fence=wish.fence,
        )  # fmt: skip
        if not renewed:
            return Taken(LOST, 0, 0, 0)
        ours = int(renewed[0][0])
    free = _there(tx, wish, purse) - purse.reserved
    elsewhere = purse.reserved - ours
    if free < wish.need:
        if free + elsewhere >= wish.need:
            recall(tx, wish.owner, wish.at)
        return Taken(0, 0, free, elsewhere)
    amount = min(free, max(wish.need, wish.waiting, min(wish.want, free // 4)))
    fence = wish.fence
    if fence:
        tx.run("UPDATE leases SET taken = taken + :amount WHERE id = :id", amount=amount, id=wish.lease)
    else:
        fence = numbers(tx, FENCE)
        tx.run(
            "INSERT INTO leases (id, owner, process, fence, taken, spent, expires_at)"
            " VALUES (:id, :owner, :process, :fence, :taken, 0, :expires)",
            id=wish.lease, owner=wish.owner, process=wish.process, fence=fence, taken=amount, expires=wish.expires_at,
        )  # fmt: skip
    reserve(tx, wish.owner, amount)
    return Taken(amount, fence, free - amount, elsewhere)


def _there(tx: Transaction, wish: Wish, purse: Purse) -> int:
    """What the owner has, leased or not, after everything that was due."""
    if wish.limit is None:
        return total(refreshed(tx, wish.owner, purse, wish.at)[0])
    there = total(pots(tx, wish.owner))
    # A limit that was lowered below what leases hold follows when they return it.
    change = max(wish.limit - purse.allowed, purse.reserved - there)
    if not change:
        return there
    pot = account(tx, wish.owner, "budget")
    why = f"the limit is {wish.limit} nano-dollars"
    post(tx, [Entry("allow", wish.owner, wish.at, {ALLOWED: -change, pot: change}, reason=why)])
    tx.run("UPDATE purses SET allowed = allowed + :change WHERE owner = :owner", change=change, owner=wish.owner)
    return there + change


def give_back(tx: Transaction, lease: LeaseId, fence: int, amount: int | None, at: float) -> int:
    """Let go of so much of a lease that is ours, of all of it (and close it) when None; how much that was.

    0 when the lease is no longer ours. What expired while it was held lapses.
    """
    found = tx.run("SELECT owner FROM leases WHERE id = :id AND fence = :fence", id=lease, fence=fence)
    if not found:
        return 0
    owner = str(found[0][0])
    purse = lock(tx, owner)
    if amount is None:
        back = close(tx, lease, fence)
    else:
        rows = tx.run("SELECT taken - spent FROM leases WHERE id = :id AND fence = :fence", id=lease, fence=fence)
        back = min(amount, int(rows[0][0])) if rows else 0
        tx.run("UPDATE leases SET taken = taken - :back WHERE id = :id", back=back, id=lease)
        reserve(tx, owner, -back)
    if back:
        refreshed(tx, owner, Purse(purse.reserved - back, purse.allowed), at)
    return back


def close(tx: Transaction, lease: LeaseId, fence: int) -> int:
    """End a lease; what it had not spent. The purse must be locked."""
    gone = tx.run(
        "DELETE FROM leases WHERE id = :id AND fence = :fence RETURNING owner, taken - spent", id=lease, fence=fence
    )
    if not gone:
        return 0
    owner, unspent = gone[0]
    reserve(tx, owner, -unspent)
    return int(unspent)


def renew(tx: Transaction, leases: Collection[LeaseId], process: str, expires_at: float) -> set[LeaseId]:
    """Prolong these leases of a process; the ones it still has.

    A lease it does not name, because the answer to its request was lost, ends by its own time limit.
    """
    rows = [{"expires": expires_at, "id": lease, "process": process} for lease in sorted(leases)]
    tx.many("UPDATE leases SET expires_at = :expires WHERE id = :id AND process = :process", rows)
    if not rows:
        return set()
    among = names(leases)
    held = f"SELECT id FROM leases WHERE process = :process AND id IN {among.text}"
    return {LeaseId(row[0]) for row in tx.run(held, process=process, **among.values)}


def recall(tx: Transaction, owner: str, at: float) -> None:
    """Ask every process to give back what lies idle of the owner's credit."""
    tx.run("UPDATE purses SET recalled_at = :at WHERE owner = :owner", at=at, owner=owner)


def recalled(tx: Transaction, process: str, since: float) -> list[str]:
    """Owners of whom this process has leases and somebody wanted more than was left, at `since` or later."""
    sql = (
        "SELECT DISTINCT p.owner FROM leases l JOIN purses p ON p.owner = l.owner"
        " WHERE l.process = :process AND p.recalled_at >= :since"
    )
    return [str(row[0]) for row in tx.run(sql, process=process, since=since)]
