"""What the database says when all is over, read with plain SQL and nothing of the product's code."""

import json
from collections import defaultdict
from typing import Any, NamedTuple

from bench.books.storage import Reader
from bench.books.story import Tokens

HUB = "hub"
AT_THE_END = (
    (
        "account {0} of {1} ({2}) is overdrawn: {3}",
        "SELECT id, owner, kind, balance FROM accounts WHERE owner <> 'hub' AND balance < 0",
    ),
    ("all accounts together hold {0}", "SELECT SUM(balance) FROM accounts HAVING SUM(balance) <> 0"),
    (
        "account {0} of {1} says {2}, its postings {3}",
        "SELECT a.id, a.owner, a.balance, COALESCE(SUM(p.amount), 0) FROM accounts a LEFT JOIN postings p"
        " ON p.account_id = a.id GROUP BY a.id, a.owner, a.balance HAVING a.balance <> COALESCE(SUM(p.amount), 0)",
    ),
    ("the purse of {0} still has {1} reserved", "SELECT owner, reserved FROM purses WHERE reserved <> 0"),
    ("lease {0} of {1} is still open", "SELECT id, owner FROM leases"),
)
"""(what is wrong, the rows for which it is)."""


class Receipt(NamedTuple):
    """One row, and the parts of its body that matter here."""

    id: str
    user: str
    key: str
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
    used: dict[str, tuple[int, ...]]
    """Calls, charge, cost, input and output tokens of each user, as the daily usage has them."""
    splits: dict[str, int]
    """Nano-dollars in all of each call that several pots paid for."""
    leftovers: list[str]
    """What should be gone or zero and is not."""


def read_books(reader: Reader) -> Books:
    """The books of a stopped hub."""
    tables = reader.tables()
    rows = [row for name in tables if name.startswith("receipts_") for row in _receipts(reader, name)]
    count: dict[str, int] = defaultdict(int)
    for row in rows:
        count[row.id] += 1
    pots: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for owner, kind, balance in reader.run("SELECT owner, kind, balance FROM accounts"):
        pots[owner][kind] += balance
    entries = {
        number: (kind, ref, reason)
        for number, kind, ref, reason in reader.run("SELECT id, kind, ref, reason FROM entries")
    }
    return Books(
        rows, [call for call, many in count.items() if many > 1], pots, entries, _used(reader), _splits(reader, tables),
        _left(reader),
    )  # fmt: skip


def _used(reader: Reader) -> dict[str, tuple[int, ...]]:
    rows = reader.run(
        "SELECT user_id, SUM(requests), SUM(charge), SUM(cost), SUM(input_tokens), SUM(output_tokens)"
        " FROM usage_daily GROUP BY user_id"
    )
    return {str(user): tuple(map(int, sums)) for user, *sums in rows}


def _splits(reader: Reader, tables: list[str]) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for name in tables:
        if name.startswith("splits_"):
            for call, amount in reader.run(f"SELECT call_id, SUM(amount) FROM {name} GROUP BY call_id"):
                found[str(call)] += int(amount)
    return found


def _receipts(reader: Reader, table: str) -> list[Receipt]:
    sql = f"SELECT call_id, user_id, key_id, at, charge, cost, reason, entry_id, body FROM {table}"
    return [
        Receipt(call, user, key, at, charge, cost, reason, entry, json.loads(body))
        for call, user, key, at, charge, cost, reason, entry, body in reader.run(sql)
    ]


def _left(reader: Reader) -> list[str]:
    """What the books themselves must fulfil when nothing runs any more."""
    return [words.format(*row) for words, sql in AT_THE_END for row in reader.run(sql)]
