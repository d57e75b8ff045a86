"""Accounts, and the entries that move money between them: postings that add up to zero."""

import functools
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from tollway.ports import Transaction

ISSUED, REVENUE, PROVIDER_COST, PROVIDER_PAYABLE, ABSORBED_LOSS, ALLOWED, USED = 1, 2, 3, 4, 5, 6, 7
"""The hub's accounts, numbered by the migrations."""
ENTRY, FENCE = "entry", "fence"
"""The counters. The row of one is locked until the transaction ends, so its numbers are committed in their order."""


class Entry(NamedTuple):
    """One movement of money: postings by account number that add up to zero."""

    kind: str
    ref: str
    at: float
    postings: Mapping[int, int]
    author: str = ""
    reason: str = ""


def numbers(tx: Transaction, name: str, count: int = 1) -> int:
    """The first of `count` numbers that nobody else gets."""
    sql = "UPDATE counters SET value = value + :count WHERE name = :name RETURNING value"
    return int(tx.run(sql, count=count, name=name)[0][0]) - count + 1


def post(tx: Transaction, entries: Sequence[Entry]) -> None:
    """Write entries and move the balances they touch; an overdraft fails the transaction."""
    if entries:
        record(tx, numbers(tx, ENTRY, len(entries)), entries)


def record(tx: Transaction, first: int, entries: Sequence[Entry]) -> None:
    """Write entries under numbers that were taken before, the first of them `first`."""
    moved: Counter[int] = Counter()
    rows, lines = [], []
    for number, entry in enumerate(entries, start=first):
        kind, ref, at, postings, author, reason = entry
        rows.append({"id": number, "kind": kind, "ref": ref, "at": at, "author": author, "reason": reason})
        for where, amount in postings.items():
            if amount:
                lines.append({"entry": number, "account": where, "amount": amount})
                moved[where] += amount
    tx.many(
        "INSERT INTO entries (id, kind, ref, at, author, reason) VALUES (:id, :kind, :ref, :at, :author, :reason)", rows
    )
    tx.many("INSERT INTO postings (entry_id, account_id, amount) VALUES (:entry, :account, :amount)", lines)
    # Always in the same order, so that two processes never wait for each other.
    changes = [{"id": where, "amount": amount} for where, amount in sorted(moved.items()) if amount]
    tx.many("UPDATE accounts SET balance = balance + :amount WHERE id = :id", changes)


def account(tx: Transaction, owner: str, kind: str, label: str = "", expires_at: float | None = None) -> int:
    """The number of an account, opened when it is new; whoever opens it says when it expires."""
    find = "SELECT id FROM accounts WHERE owner = :owner AND kind = :kind AND label = :label"
    found = tx.run(find, owner=owner, kind=kind, label=label)
    if not found:
        tx.run(
            "INSERT INTO accounts (owner, kind, label, expires_at) VALUES (:owner, :kind, :label, :expires)"
            " ON CONFLICT DO NOTHING",
            owner=owner, kind=kind, label=label, expires=expires_at,
        )  # fmt: skip
        found = tx.run(find, owner=owner, kind=kind, label=label)
    return int(found[0][0])


class Names(NamedTuple):
    """A list of values for `IN`: its text, and the parameters that fill it."""

    text: str
    values: dict[str, str]


def names(values: Collection[str]) -> Names:
    """`(:n0, :n1, …)` with its values, at least one; padded, so that few different statements are ever prepared."""
    filled = list(values)
    size = 1
    while size < len(filled):
        size *= 4
    filled += filled[-1:] * (size - len(filled))
    return Names(_places(size), {f"n{place}": value for place, value in enumerate(filled)})


@functools.lru_cache(maxsize=16)
def _places(size: int) -> str:
    return "(" + ", ".join(f":n{place}" for place in range(size)) + ")"
