"""Everything that moved a user's credit in a time, the charges of each day as one line for each kind of credit."""

from typing import NamedTuple

from tollway.core.ids import UserId
from tollway.gateway.ledger.store.batch import DAY_S
from tollway.ports import Transaction

OPENING, BOOKS, CHARGES = "opening", "books", "charges"

_DAY = f"(at / {DAY_S})"
_WHOLE_DAY = f"CAST({_DAY} AS BIGINT) - CASE WHEN CAST({_DAY} AS BIGINT) > {_DAY} THEN 1 ELSE 0 END"
"""The day as a whole number, downward, on databases that round as well as on those that cut."""

_MOVEMENTS = f"""
WITH moved AS (
  SELECT e.id, e.kind, e.at, e.ref, e.author, e.reason, a.kind AS pot, p.amount
  FROM accounts a JOIN postings p ON p.account_id = a.id JOIN entries e ON e.id = p.entry_id
  WHERE a.owner = :owner AND a.kind IN ('plan', 'promo', 'topup')
  AND e.kind <> 'migrate' AND e.kind NOT LIKE 'old_%' AND e.at < :ends
)
SELECT '{OPENING}', 0, 0.0, '', '', '', '', CAST(COALESCE(SUM(amount), 0) AS BIGINT) FROM moved WHERE at < :begins
UNION ALL
SELECT '{CHARGES}', MAX(id), MAX(at), pot, '', '', '', CAST(SUM(amount) AS BIGINT) FROM moved
WHERE at >= :begins AND kind IN ('settle', 'late') GROUP BY {_WHOLE_DAY}, pot
UNION ALL
SELECT kind, id, at, pot, ref, author, reason, CAST(SUM(amount) AS BIGINT) FROM moved
WHERE at >= :begins AND kind NOT IN ('settle', 'late') GROUP BY kind, id, at, pot, ref, author, reason
UNION ALL
SELECT '{BOOKS}', 0, 0.0, '', '', '', '', CAST(COALESCE(SUM(balance), 0) AS BIGINT) FROM accounts
WHERE owner = :owner AND kind IN ('plan', 'promo', 'topup')
"""
"""One statement, so that on every database all of it is of one moment."""


class Movement(NamedTuple):
    """What moved a user's credit."""

    kind: str
    """`grant`, `cycle`, `lapse`, `refund`, `charges`, …"""
    entry: int
    """Its number in the journal; the last one of a day's charges."""
    at: float
    pot: str
    """`plan`, `promo` or `topup`."""
    reference: str
    author: str
    reason: str
    amount: int
    """Nano-dollars; negative when credit went."""


class Moved(NamedTuple):
    """All movements of a time, and what was there before."""

    opening: int
    lines: list[Movement]
    books: int
    """What the user's pots hold by the books now."""


def movements(tx: Transaction, owner: UserId, begins: float, ends: float) -> Moved:
    """What moved the user's credit from `begins` until before `ends`, in the order in which it happened."""
    rows = [Movement(*row) for row in tx.run(_MOVEMENTS, owner=owner, begins=begins, ends=ends)]
    lines = sorted((row for row in rows if row.kind not in (OPENING, BOOKS)), key=lambda row: (row.at, row.entry))
    totals = {row.kind: row.amount for row in rows if row.kind in (OPENING, BOOKS)}
    return Moved(totals[OPENING], lines, totals[BOOKS])
