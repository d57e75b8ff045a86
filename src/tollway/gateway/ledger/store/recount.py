"""Counts a user's balance again from its postings; where the account says otherwise, the journal decides."""

from typing import NamedTuple

from tollway.core.ids import UserId
from tollway.gateway.ledger.store.purses import lock
from tollway.ports import Transaction


class Difference(NamedTuple):
    """An account that did not say what its postings add up to."""

    account: int
    kind: str
    said: int
    counted: int


def recount(tx: Transaction, owner: UserId) -> list[Difference]:
    """Every account of the user that was wrong; each says now what its postings do. Nothing, as a rule.

    A negative sum cannot be written down: that account is only told of.
    """
    lock(tx, owner)
    rows = tx.run(
        "SELECT a.id, a.kind, a.balance, CAST(COALESCE((SELECT SUM(p.amount) FROM postings p"
        " WHERE p.account_id = a.id), 0) AS BIGINT) FROM accounts a WHERE a.owner = :owner ORDER BY a.id",
        owner=owner,
    )
    found = [Difference(*row) for row in rows if row[2] != row[3]]
    for one in found:
        if one.counted >= 0:
            tx.run(
                "UPDATE accounts SET balance = :counted WHERE id = :id AND balance = :said",
                id=one.account, counted=one.counted, said=one.said,
            )  # fmt: skip
    return found
