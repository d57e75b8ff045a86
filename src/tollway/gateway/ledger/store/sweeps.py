"""The sweeper: closes what dead processes left open, and ends what has expired, in one process at a time."""

from collections.abc import Sequence
from typing import NamedTuple

from tollway.gateway.ledger.store.accounts import Entry, post
from tollway.gateway.ledger.store.allowances import refreshed
from tollway.gateway.ledger.store.purses import EVER, lock, lock_all, reserve
from tollway.ports import Transaction

AT_ONCE = 200
"""Owners that one transaction looks after, so that nobody waits long for their purses."""
TURN_S = 5.0
"""For so long after a sweep no other process begins one."""
LONGEST_TURN_S = 60.0
"""A turn that seems to last longer was begun by a process whose clock is ahead, and holds nobody up."""


class Swept(NamedTuple):
    """What one sweep did."""

    leases: int
    unspent: int
    """Nano-dollars that the closed leases had not spent: at most so much may be missing from the books."""
    ended: int
    """Cycles begun and pots lapsed."""
    more: bool
    """There is more to do than one transaction should."""


def sweep(tx: Transaction, process: str, now: float) -> Swept | None:
    """Close the leases that ran out, except our own, lapse expired pots, begin due cycles.

    None when another process is at it.
    """
    if not _our_turn(tx, process, now):
        return None
    ran_out = (
        "SELECT owner, id, fence FROM leases WHERE expires_at < :now AND process <> :process"
        f" ORDER BY owner, id LIMIT {AT_ONCE}"
    )
    leases = tx.run(ran_out, now=now, process=process)
    due = tx.run(
        "SELECT owner FROM allowances WHERE cycle_end <= :now UNION"
        " SELECT a.owner FROM accounts a WHERE a.expires_at <= :now AND a.balance > 0"
        # All that leases hold stays for now, and must not keep others waiting.
        " AND (SELECT SUM(b.balance) FROM accounts b WHERE b.owner = a.owner) >"
        " COALESCE((SELECT reserved FROM purses p WHERE p.owner = a.owner), 0)"
        f" ORDER BY owner LIMIT {AT_ONCE}",
        now=now,
    )  # fmt: skip
    owners = sorted(lock_all(tx, {owner for owner, *_ in [*leases, *due]}))
    closed = _end(tx, [(lease, fence) for _, lease, fence in leases], now, now, process)
    ended = sum(refreshed(tx, owner, lock(tx, owner), now)[1] for owner in owners)
    more = bool(closed or ended) and AT_ONCE in (len(leases), len(due))
    return Swept(len(closed), sum(closed), ended, more)


def bury(tx: Transaction, process: str, now: float) -> int:
    """Close every lease of a process known to be dead, after its journal was replayed; how many."""
    left = tx.run("SELECT owner, id, fence FROM leases WHERE process = :process ORDER BY owner, id", process=process)
    owners = sorted(lock_all(tx, {owner for owner, *_ in left}))
    closed = _end(tx, [(lease, fence) for _, lease, fence in left], EVER, now, "")
    for owner in owners:
        refreshed(tx, owner, lock(tx, owner), now)
    return len(closed)


def _our_turn(tx: Transaction, process: str, now: float) -> bool:
    """Whether no other process sweeps now; then none will for a moment, and until this transaction ends."""
    sql = (
        "INSERT INTO locks (name, holder, until) VALUES ('sweep', :holder, :until) ON CONFLICT (name) DO UPDATE"
        " SET holder = excluded.holder, until = excluded.until"
        " WHERE locks.until <= :now OR locks.until > :longest OR locks.holder = excluded.holder RETURNING holder"
    )
    return bool(tx.run(sql, holder=process, until=now + TURN_S, now=now, longest=now + LONGEST_TURN_S))


def _end(tx: Transaction, leases: Sequence[tuple[str, int]], before: float, now: float, sweeper: str) -> list[int]:
    """Close those that were not renewed meanwhile; what each had not spent. Their purses must be locked."""
    unspent, entries = [], []
    for lease, fence in leases:
        gone = tx.run(
            "DELETE FROM leases WHERE id = :id AND fence = :fence AND expires_at < :before"
            " RETURNING owner, process, taken - spent",
            id=lease, fence=fence, before=before,
        )  # fmt: skip
        for owner, process, left in gone:
            reserve(tx, owner, -left)
            unspent.append(int(left))
            why = (
                f"process {process} stopped renewing the lease of {owner}: {left} nano-dollars went back unspent;"
                " calls it ended and did not write are lost up to so much"
                if before < EVER
                else f"process {process} is dead and its journal replayed: {left} nano-dollars of {owner} went back"
            )
            entries.append(Entry("expire", lease, now, {}, sweeper, why))
    post(tx, entries)
    return unspent
