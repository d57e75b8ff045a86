"""Plan credit that comes each month, and what becomes of pots whose time is over."""

from typing import NamedTuple

from tollway.core.ids import UserId
from tollway.gateway.ledger.cycle import cycle, first_day
from tollway.gateway.ledger.store.accounts import ISSUED, Entry, account, post
from tollway.gateway.ledger.store.purses import Pot, Purse, lock, pots, total
from tollway.kit.iso8601 import iso
from tollway.ports import Transaction


class Allowance(NamedTuple):
    """A user's plan credit: so much in each monthly cycle, none of it carried over."""

    owner: UserId
    plan: str
    amount: int
    anchor_at: float
    """When the first cycle began; all later ones are counted from it."""
    cycle_start: float
    cycle_end: float
    next_plan: str | None = None
    """The plan, and its credit, of the cycles to come; None: as in the running one."""
    next_amount: int | None = None


class Subscription(NamedTuple):
    """A plan that a user has from now on."""

    owner: UserId
    plan: str
    amount: int
    """Nano-dollars in each cycle; 0 ends the allowance."""
    author: str
    at: float


FIND = (
    "SELECT owner, plan, amount, anchor_at, cycle_start, cycle_end, next_plan, next_amount"
    " FROM allowances WHERE owner = :owner"
)


def allowance(tx: Transaction, owner: UserId) -> Allowance | None:
    """The user's plan credit as it was last rolled forward."""
    rows = tx.run(FIND, owner=owner)
    return Allowance(*rows[0]) if rows else None


def due(tx: Transaction, owner: str, now: float) -> bool:
    """Whether a cycle or a pot of this owner has ended and `refresh` has work to do."""
    ended = (
        "SELECT 1 FROM allowances WHERE owner = :owner AND cycle_end <= :now UNION ALL"
        " SELECT 1 FROM accounts WHERE owner = :owner AND expires_at <= :now AND balance > 0"
    )
    return bool(tx.run(ended, owner=owner, now=now))


def refresh(tx: Transaction, owner: str, now: float) -> int:
    """Begin the cycle that is due and lapse what has expired; how many entries that took."""
    return refreshed(tx, owner, lock(tx, owner), now)[1]


def refreshed(tx: Transaction, owner: str, purse: Purse, now: float) -> tuple[list[Pot], int]:
    """The owner's pots after `refresh`, and how many entries it took. The purse must be locked."""
    opened = _next_cycle(tx, owner, now)
    owned = pots(tx, owner)
    spare = total(owned) - purse.reserved
    lapses = []
    for pot in owned:
        if pot.expires_at is not None and pot.expires_at <= now and spare > 0:
            # What leases still hold lapses when they return it.
            part = min(pot.balance, spare)
            spare -= part
            why = f"{pot.kind} credit that expired on {iso(pot.expires_at)}"
            lapses.append(Entry("lapse", owner, now, {pot.id: -part, ISSUED: part}, reason=why))
    if lapses:
        post(tx, lapses)
        owned = pots(tx, owner)
    return owned, opened + len(lapses)


def subscribe(tx: Transaction, new: Subscription) -> bool:
    """Give a user another plan: a first cycle begins at once, and the old plan's credit ends.

    False, and nothing happens, when he has that plan with that amount already.
    """
    purse = lock(tx, new.owner)
    old = allowance(tx, new.owner)
    if old is not None and (old.plan, old.amount) == (new.plan, new.amount):
        return False
    if old is not None:
        tx.run(
            "UPDATE accounts SET expires_at = :at WHERE owner = :owner AND kind = 'plan' AND expires_at > :at",
            at=new.at, owner=new.owner,
        )  # fmt: skip
        tx.run("DELETE FROM allowances WHERE owner = :owner", owner=new.owner)
    if new.amount:
        begun = Allowance(new.owner, new.plan, new.amount, new.at, *cycle(new.at, new.at))
        tx.run(
            "INSERT INTO allowances (owner, plan, amount, anchor_at, cycle_start, cycle_end)"
            " VALUES (:owner, :plan, :amount, :anchor, :start, :end)",
            owner=begun.owner, plan=begun.plan, amount=begun.amount,
            anchor=begun.anchor_at, start=begun.cycle_start, end=begun.cycle_end,
        )  # fmt: skip
        _open_pot(tx, begun, new.at, new.author)
    refreshed(tx, new.owner, purse, new.at)
    return True


def postpone(tx: Transaction, owner: UserId, new: Subscription | None) -> None:
    """Let the user have another plan from his next cycle on; None: the present one after all."""
    lock(tx, owner)
    plan, amount = (None, None) if new is None else (new.plan, new.amount)
    sql = "UPDATE allowances SET next_plan = :plan, next_amount = :amount WHERE owner = :owner"
    tx.run(sql, plan=plan, amount=amount, owner=owner)


def _next_cycle(tx: Transaction, owner: str, now: float) -> int:
    """Begin the owner's next cycle when one is over, with the plan chosen meanwhile; how many pots were opened.

    Cycles in which nobody looked are skipped: their credit would have lapsed.
    """
    ended = tx.run(f"{FIND} AND cycle_end <= :now", owner=owner, now=now)
    if not ended:
        return 0
    old = Allowance(*ended[0])
    start, end = cycle(old.anchor_at, now)
    new = old._replace(cycle_start=start, cycle_end=end, next_plan=None, next_amount=None)
    if old.next_plan is not None and old.next_amount is not None:
        new = new._replace(plan=old.next_plan, amount=old.next_amount)
    if not new.amount:
        tx.run("DELETE FROM allowances WHERE owner = :owner", owner=owner)
        return 0
    tx.run(
        "UPDATE allowances SET plan = :plan, amount = :amount, cycle_start = :start, cycle_end = :end,"
        " next_plan = NULL, next_amount = NULL WHERE owner = :owner",
        plan=new.plan, amount=new.amount, start=start, end=end, owner=owner,
    )  # fmt: skip
    _open_pot(tx, new, now, "")
    return 1


def _open_pot(tx: Transaction, new: Allowance, at: float, author: str) -> None:
    """Put the cycle's credit into a pot of its own, labelled with the cycle's first day."""
    label = first_day(new.cycle_start)
    before = "SELECT COUNT(*) FROM accounts WHERE owner = :owner AND kind = 'plan' AND label LIKE :like"
    ((plans,),) = tx.run(before, owner=new.owner, like=label + "%")
    if plans:
        label += f".{plans + 1}"  # another plan on the same day
    pot = account(tx, new.owner, "plan", label, new.cycle_end)
    why = f"credit of plan {new.plan} for the cycle until {iso(new.cycle_end)}"
    post(tx, [Entry("cycle", new.owner, at, {ISSUED: -new.amount, pot: new.amount}, author, why)])
