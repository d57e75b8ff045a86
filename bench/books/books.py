"""What the database says when all is over, read with plain SQL and nothing of the product's code."""

import json
from collections import defaultdict
from typing import Any, NamedTuple

from bench.books.storage import Reader
from bench.books.story import Tokens

HUB = "hub"


class Receipt(NamedTuple):
    """One row, and the parts of its body that matter here."""

    id: str
    user: str
    at: float
    charge: int
    cost: int
    reason: str
    entry: int
    """The entry it was settled by; 0 where the books do not say."""
    body: dict[str, Any]

    @property
    def asked(self) -> str:
        """The alias the model was asked for by; empty when only the hold was known."""
        return str(self.body.get("asked", ""))

    @property
    def attempts(self) -> list[dict[str, Any]]:
        """Channels tried."""
        return list(self.body.get("attempts", ()))

    @property
    def overrun(self) -> int:
        """Nano-dollars absorbed."""
        return int(self.body.get("overrun_nano_usd", 0))

    @property
    def hold(self) -> int:
        """Nano-dollars that were set aside."""
        return int(self.body.get("hold_nano_usd", 0))

    @property
    def usage(self) -> Tokens | None:
        """What was charged for."""
        told = self.body.get("usage")
        if told is None:
            return None
        return Tokens(
            told.get("input_total", 0), told.get("output_total", 0), told.get("cache_read", 0),
            told.get("cache_write_5m", 0) + told.get("cache_write_1h", 0),
        )  # fmt: skip

    @property
    def estimated(self) -> bool:
        """We counted, because the provider did not say."""
        return bool((self.body.get("usage") or {}).get("source") == "estimate")


class Books(NamedTuple):
    """Everything at once."""

    receipts: list[Receipt]
    twice: list[str]
    """Call ids with more than one receipt."""
    pots: dict[str, dict[str, int]]
    """Balance by owner and kind."""
    entries: dict[int, tuple[str, str, str]]
    """(kind, ref, reason) by number."""
    posted: dict[str, dict[str, int]]
    """Sum of postings by kind of entry and owner; the hub's by kind of account."""
    leftovers: list[str]
    """What should be gone or zero and is not."""


def read_books(reader: Reader) -> Books:
    """The books of a stopped hub."""
    tables = reader.tables()
    rows = [row for name in tables if name.startswith("receipts") for row in _receipts(reader, name, tables)]
    count: dict[str, int] = defaultdict(int)
    for row in rows:
        count[row.id] += 1
    pots: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for owner, kind, balance in reader.run("SELECT owner, kind, balance FROM accounts"):
        pots[owner][kind] += balance
    posted: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for kind, owner, account, amount in reader.run(
        "SELECT e.kind, a.owner, a.kind, SUM(p.amount) FROM postings p JOIN entries e ON e.id = p.entry_id"
        " JOIN accounts a ON a.id = p.account_id GROUP BY e.kind, a.owner, a.kind"
    ):
        posted[kind][f"{HUB}:{account}" if owner == HUB else owner] += int(amount)
    entries = {
        number: (kind, ref, reason)
        for number, kind, ref, reason in reader.run("SELECT id, kind, ref, reason FROM entries")
    }
    return Books(rows, [call for call, many in count.items() if many > 1], pots, entries, posted, _left(reader, tables))


def _receipts(reader: Reader, table: str, tables: list[str]) -> list[Receipt]:
    number = "entry_id" if "purses" in tables else "0"
    sql = f"SELECT call_id, user_id, at, charge, cost, reason, {number}, body FROM {table}"
    return [
        Receipt(call, user, at, charge, cost, reason, entry or 0, json.loads(body))
        for call, user, at, charge, cost, reason, entry, body in reader.run(sql)
    ]


def _left(reader: Reader, tables: list[str]) -> list[str]:
    """What the books themselves must fulfil when nothing runs any more."""
    checks = [
        ("account {0} of {1} ({2}) is overdrawn: {3}",
         "SELECT id, owner, kind, balance FROM accounts WHERE owner <> 'hub' AND balance < 0"),
        ("all accounts together hold {0}", "SELECT SUM(balance) FROM accounts HAVING SUM(balance) <> 0"),
        ("account {0} of {1} says {2}, its postings {3}",
         "SELECT a.id, a.owner, a.balance, COALESCE(SUM(p.amount), 0) FROM accounts a LEFT JOIN postings p"
         " ON p.account_id = a.id GROUP BY a.id, a.owner, a.balance HAVING a.balance <> COALESCE(SUM(p.amount), 0)"),
    ]  # fmt: skip
    if "purses" in tables:
        checks.append(
            ("the purse of {0} still has {1} reserved", "SELECT owner, reserved FROM purses WHERE reserved <> 0")
        )
        checks.append(("lease {0} of {1} is still open", "SELECT id, owner FROM leases"))
    else:
        checks.append(("lease {0} is still open", "SELECT id FROM leases WHERE state = 'open'"))
        checks.append(
            (
                "the lease account of {0} holds {1}",
                "SELECT owner, balance FROM accounts WHERE kind = 'lease' AND balance <> 0",
            )
        )
    return [words.format(*row) for words, sql in checks for row in reader.run(sql)]
