"""Purses and pots: what an owner has, and how much of it leases hold.

The purse row is the lock: whoever touches an owner's money first locks it, several owners in sorted order, and only
then reads balances. The order everywhere is purses, leases, counters, accounts.
"""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from tollway.gateway.ledger.store.accounts import names
from tollway.ports import Transaction

SOURCES = ("plan", "promo", "topup")
"""The kinds of a user's pots, in the order in which they are spent; refunds go the other way."""
EVER = float("inf")


class Pot(NamedTuple):
    """An account one may spend from."""

    id: int
    kind: str
    label: str
    expires_at: float | None
    balance: int


class Purse(NamedTuple):
    """What is locked of an owner."""

    reserved: int
    """What open leases may still spend."""
    allowed: int
    """The limit a budget was seeded with."""


def lock(tx: Transaction, owner: str) -> Purse:
    """Lock an owner's purse until the transaction ends; a new owner gets one."""
    touch = "UPDATE purses SET reserved = reserved WHERE owner = :owner RETURNING reserved, allowed"
    found = tx.run(touch, owner=owner)
    if not found:
        tx.run("INSERT INTO purses (owner) VALUES (:owner) ON CONFLICT DO NOTHING", owner=owner)
        found = tx.run(touch, owner=owner)
    return Purse(*found[0])


def lock_all(tx: Transaction, owners: Iterable[str]) -> dict[str, Purse]:
    """Lock several, in the order that everybody keeps."""
    return {owner: lock(tx, owner) for owner in sorted(set(owners))}


def reserve(tx: Transaction, owner: str, amount: int) -> None:
    """Set more (or, when negative, less) of the owner's money aside for leases. The purse must be locked."""
    if amount:
        tx.run("UPDATE purses SET reserved = reserved + :amount WHERE owner = :owner", amount=amount, owner=owner)


def reserved(tx: Transaction, owner: str) -> int:
    """What the open leases of all processes may still spend of the owner's money."""
    rows = tx.run("SELECT reserved FROM purses WHERE owner = :owner", owner=owner)
    return int(rows[0][0]) if rows else 0


def budgets_used(tx: Transaction, owners: Collection[str]) -> dict[str, int]:
    """What ended calls have used of budgets' purses; budgets that nobody drew on are left out."""
    if not owners:
        return {}
    among = names(owners)
    sql = (
        "SELECT p.owner, CAST(p.allowed - COALESCE(SUM(a.balance), 0) AS BIGINT) FROM purses p"
        f" LEFT JOIN accounts a ON a.owner = p.owner WHERE p.owner IN {among.text} GROUP BY p.owner, p.allowed"
    )
    return {str(owner): int(used) for owner, used in tx.run(sql, **among.values)}


def pots(tx: Transaction, owner: str) -> list[Pot]:
    """The owner's pots that hold anything, in the order in which they are spent."""
    return pots_of(tx, [owner]).get(owner, [])


def pots_of(tx: Transaction, owners: Collection[str]) -> dict[str, list[Pot]]:
    """The same for several owners; those without a pot are left out."""
    if not owners:
        return {}
    among = names(owners)
    rows = tx.run(
        f"SELECT owner, id, kind, label, expires_at, balance FROM accounts WHERE owner IN {among.text} AND balance > 0",
        **among.values,
    )
    found: dict[str, list[Pot]] = {}
    for owner, *pot in rows:
        found.setdefault(owner, []).append(Pot(*pot))
    for owned in found.values():
        if len(owned) > 1:
            owned.sort(key=_turn)
    return found


def _turn(pot: Pot) -> tuple[int, float, int]:
    """When a pot's turn comes: by kind, then what expires first."""
    place = SOURCES.index(pot.kind) if pot.kind in SOURCES else len(SOURCES)
    return place, EVER if pot.expires_at is None else pot.expires_at, pot.id


class Drawn(NamedTuple):
    """How much a pot gives."""

    account: int
    amount: int


class Till:
    """An owner's pots while many calls are paid from them; `left` is what the pot whose turn it is still holds."""

    __slots__ = ("_rest", "account", "left")

    def __init__(self, owned: list[Pot]) -> None:
        self._rest = owned[::-1]
        self.account, self.left = 0, 0
        self._next()

    @property
    def total(self) -> int:
        """What all pots still hold."""
        return self.left + total(self._rest)

    def pay(self, amount: int) -> list[Drawn]:
        """Take up to `amount` in spending order."""
        paid = []
        while amount > 0:
            if not self.left and not self._next():
                break
            part = min(amount, self.left)
            paid.append(Drawn(self.account, part))
            self.left -= part
            amount -= part
        return paid

    def _next(self) -> bool:
        if not self._rest:
            return False
        pot = self._rest.pop()
        self.account, self.left = pot.id, pot.balance
        return True


def total(owned: Iterable[Pot]) -> int:
    """What pots hold together."""
    return sum(pot.balance for pot in owned)
