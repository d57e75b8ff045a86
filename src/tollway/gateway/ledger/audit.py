"""Recomputes the books from their journal; what comes out must be what they say, to the nano-dollar."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from tollway.gateway.ledger.store.batch import DAY_S
from tollway.gateway.ledger.store.months import tables
from tollway.ports import Transaction

JOURNAL: tuple[tuple[str, str], ...] = (
    (
        "entry {0} ({1}) does not add up to zero: {2}",
        "SELECT e.id, e.kind, SUM(p.amount) FROM entries e JOIN postings p ON p.entry_id = e.id"
        " GROUP BY e.id, e.kind HAVING SUM(p.amount) <> 0",
    ),
    (
        "account {0} ({1} {2} {3}) says {4}, its postings say {5}",
        "SELECT a.id, a.owner, a.kind, a.label, a.balance, COALESCE(p.total, 0) FROM accounts a LEFT JOIN"
        " (SELECT account_id, SUM(amount) AS total FROM postings GROUP BY account_id) p ON p.account_id = a.id"
        " WHERE a.balance <> COALESCE(p.total, 0)",
    ),
    (
        "a posting of {0} names entry {1} and account {2}, and there are not both",
        "SELECT p.amount, p.entry_id, p.account_id FROM postings p LEFT JOIN entries e ON e.id = p.entry_id"
        " LEFT JOIN accounts a ON a.id = p.account_id WHERE e.id IS NULL OR a.id IS NULL",
    ),
    (
        "account {0} of {1} is overdrawn: {2}",
        "SELECT id, owner, balance FROM accounts WHERE owner <> 'hub' AND balance < 0",
    ),
    (
        "entry {0} has a number that was never given out: the last one was {1}",
        "SELECT e.id, c.value FROM entries e JOIN counters c ON c.name = 'entry' AND e.id > c.value",
    ),
    (
        "{0} {1} was made {2} times",
        "SELECT kind, ref, COUNT(*) FROM entries WHERE kind IN ('grant', 'refund') GROUP BY kind, ref"
        " HAVING COUNT(*) > 1",
    ),
)
LEASES: tuple[tuple[str, str], ...] = (
    (
        "the purse of {0} says {1} are reserved, its leases may still spend {2}",
        "SELECT u.owner, u.reserved, COALESCE(l.open, 0) FROM purses u LEFT JOIN"
        " (SELECT owner, SUM(taken - spent) AS open FROM leases GROUP BY owner) l ON l.owner = u.owner"
        " WHERE u.reserved <> COALESCE(l.open, 0)",
    ),
    (
        "lease {0} of {1} belongs to no purse",
        "SELECT l.id, l.owner FROM leases l LEFT JOIN purses u ON u.owner = l.owner WHERE u.owner IS NULL",
    ),
    (
        "lease {0} has spent {1} of {2}",
        "SELECT id, spent, taken FROM leases WHERE spent > taken OR spent < 0",
    ),
    (
        "lease {0} has fence {1}, and no other may have it or a higher number than {2}",
        "SELECT l.id, l.fence, c.value FROM leases l JOIN counters c ON c.name = 'fence' WHERE l.fence > c.value"
        " OR l.fence IN (SELECT fence FROM leases GROUP BY fence HAVING COUNT(*) > 1)",
    ),
    (
        "leases hold {1} of {0}, who has {2}",
        "SELECT u.owner, u.reserved, COALESCE(a.there, 0) FROM purses u LEFT JOIN"
        " (SELECT owner, SUM(balance) AS there FROM accounts GROUP BY owner) a ON a.owner = u.owner"
        " WHERE u.reserved > COALESCE(a.there, 0)",
    ),
    (
        "budget {0} says {1} were allowed, its entries say {2}",
        "SELECT u.owner, u.allowed, COALESCE(a.allowed, 0) FROM purses u LEFT JOIN"
        " (SELECT a.owner, SUM(p.amount) AS allowed FROM postings p JOIN entries e ON e.id = p.entry_id"
        " JOIN accounts a ON a.id = p.account_id WHERE e.kind = 'allow' AND a.kind = 'budget' GROUP BY a.owner) a"
        " ON a.owner = u.owner WHERE u.allowed <> COALESCE(a.allowed, 0)",
    ),
)
CALLS: tuple[tuple[str, str], ...] = (
    (
        "call {0} has {1} receipts",
        "SELECT call_id, COUNT(*) FROM receipts GROUP BY call_id HAVING COUNT(*) > 1",
    ),
    (
        "call {0} names entry {1}, which is none that settles calls of its month",
        "SELECT r.call_id, r.entry_id FROM receipts r LEFT JOIN entries e ON e.id = r.entry_id"
        " AND e.kind IN ('settle', 'late') AND e.ref LIKE r.month || '/%' WHERE e.id IS NULL",
    ),
    (
        "entry {0} ({1}) settles calls of {2}, and not one receipt names it",
        "SELECT e.id, e.kind, e.ref FROM entries e LEFT JOIN (SELECT DISTINCT entry_id FROM receipts) r"
        " ON r.entry_id = e.id WHERE e.kind IN ('settle', 'late') AND r.entry_id IS NULL"
        " AND substr(e.ref, 1, 7) NOT IN (SELECT month || '/' FROM closed_months)",
    ),
    (
        "call {0} of {1} was charged {2}, and its pots are said to have paid {3}",
        "SELECT r.call_id, r.user_id, r.charge, COALESCE(s.paid, 0) FROM receipts r LEFT JOIN"
        " (SELECT call_id, SUM(amount) AS paid FROM splits GROUP BY call_id) s ON s.call_id = r.call_id"
        " WHERE r.charge <> CASE WHEN r.account_id IS NULL THEN COALESCE(s.paid, 0) ELSE r.charge END"
        " OR (r.account_id IS NOT NULL AND (s.paid IS NOT NULL OR r.charge <= 0))",
    ),
    (
        "a share of {1} of call {0} has no receipt, or one of another pot's owner",
        "SELECT s.call_id, s.amount FROM splits s LEFT JOIN receipts r ON r.call_id = s.call_id"
        " LEFT JOIN accounts a ON a.id = s.account_id AND a.owner = r.user_id WHERE a.id IS NULL OR s.amount <= 0",
    ),
    (
        "call {0} of {1} was paid out of account {2}, which is somebody else's",
        "SELECT r.call_id, r.user_id, r.account_id FROM receipts r LEFT JOIN accounts a ON a.id = r.account_id"
        " AND a.owner = r.user_id WHERE r.account_id IS NOT NULL AND a.id IS NULL",
    ),
    (
        "entry {0} takes {2} from account {1}, its receipts say {3}",
        "SELECT x.entry_id, x.account_id, SUM(x.posted), SUM(x.told) FROM ("
        "SELECT p.entry_id, p.account_id, -p.amount AS posted, 0 AS told FROM postings p"
        " JOIN entries e ON e.id = p.entry_id AND e.kind IN ('settle', 'late')"
        " JOIN accounts a ON a.id = p.account_id AND a.kind IN ('plan', 'promo', 'topup')"
        " WHERE substr(e.ref, 1, 7) NOT IN (SELECT month || '/' FROM closed_months)"
        " UNION ALL SELECT entry_id, account_id, 0, charge FROM receipts WHERE account_id IS NOT NULL"
        " UNION ALL SELECT r.entry_id, s.account_id, 0, s.amount FROM splits s JOIN receipts r ON r.call_id = s.call_id"
        ") x GROUP BY x.entry_id, x.account_id HAVING SUM(x.posted) <> SUM(x.told)",
    ),
    (
        "entry {0} owes the providers {1}, its receipts say {2}",
        "SELECT x.entry_id, SUM(x.posted), SUM(x.told) FROM ("
        "SELECT p.entry_id, p.amount AS posted, 0 AS told FROM postings p"
        " JOIN entries e ON e.id = p.entry_id AND e.kind IN ('settle', 'late')"
        " JOIN accounts a ON a.id = p.account_id AND a.owner = 'hub' AND a.kind = 'provider_payable'"
        " WHERE substr(e.ref, 1, 7) NOT IN (SELECT month || '/' FROM closed_months)"
        " UNION ALL SELECT entry_id, 0, cost FROM receipts"
        ") x GROUP BY x.entry_id HAVING SUM(x.posted) <> SUM(x.told)",
    ),
    (
        "the receipts of {0}, kept and dropped, are {1} calls, {2} charged, {3} paid to providers;"
        " the usage by day says {4}, {5}, {6}",
        "SELECT x.user_id, SUM(x.calls), SUM(x.charge), SUM(x.cost), SUM(x.n), SUM(x.charged), SUM(x.paid) FROM ("
        "SELECT user_id, COUNT(*) AS calls, SUM(charge) AS charge, SUM(cost) AS cost,"
        " 0 AS n, 0 AS charged, 0 AS paid FROM receipts GROUP BY user_id"
        " UNION ALL SELECT user_id, requests, charge, cost, 0, 0, 0 FROM closed_months"
        " UNION ALL SELECT user_id, 0, 0, 0, requests, charge, cost FROM usage_daily"
        ") x GROUP BY x.user_id HAVING SUM(x.calls) <> SUM(x.n) OR SUM(x.charge) <> SUM(x.charged)"
        " OR SUM(x.cost) <> SUM(x.paid)",
    ),
    (
        "the receipts of {0}, kept and dropped, charge {1}, the pots paid {2}",
        "SELECT x.owner, SUM(x.told), SUM(x.paid) FROM ("
        "SELECT user_id AS owner, charge AS told, 0 AS paid FROM receipts"
        " UNION ALL SELECT user_id, charge, 0 FROM closed_months"
        " UNION ALL SELECT a.owner, 0, -p.amount FROM postings p JOIN entries e ON e.id = p.entry_id"
        " AND e.kind IN ('settle', 'late') JOIN accounts a ON a.id = p.account_id"
        " AND a.kind IN ('plan', 'promo', 'topup')"
        ") x GROUP BY x.owner HAVING SUM(x.told) <> SUM(x.paid)",
    ),
    (
        "the providers are owed {0}, the receipts, kept and dropped, say {1}",
        "SELECT a.balance, r.cost FROM accounts a, (SELECT COALESCE(SUM(cost), 0) AS cost FROM"
        " (SELECT cost FROM receipts UNION ALL SELECT cost FROM closed_months) told) r"
        " WHERE a.owner = 'hub' AND a.kind = 'provider_payable' AND a.balance <> r.cost",
    ),
    (
        "call {0} was charged {1}, and {2} were given back",
        "SELECT r.call_id, r.charge, f.back FROM receipts r JOIN"
        " (SELECT call_id, SUM(amount) AS back FROM refunds GROUP BY call_id) f ON f.call_id = r.call_id"
        " WHERE f.back > r.charge",
    ),
    (
        "refund entry {0} gives back {1}, it is written as {2}",
        "SELECT x.entry_id, SUM(x.posted), SUM(x.told) FROM ("
        "SELECT p.entry_id, -p.amount AS posted, 0 AS told FROM postings p"
        " JOIN entries e ON e.id = p.entry_id AND e.kind = 'refund' JOIN accounts a ON a.id = p.account_id"
        " AND a.owner = 'hub' UNION ALL SELECT entry_id, 0, amount FROM refunds"
        ") x GROUP BY x.entry_id HAVING SUM(x.posted) <> SUM(x.told)",
    ),
)
BY_DAY = (
    "on day {1} (since 1970) key {2} of {0} made {3} calls for {4} that cost {5}; the usage by day says {6}, {7}, {8}",
    "SELECT x.user_id, x.day, x.key_id, SUM(x.calls), SUM(x.charge), SUM(x.cost), SUM(x.n), SUM(x.charged),"
    " SUM(x.paid) FROM ("
    "SELECT user_id, CAST(at * 1000000 AS BIGINT) / 86400000000 AS day, key_id, 1 AS calls, charge, cost,"
    " 0 AS n, 0 AS charged, 0 AS paid FROM receipts"
    " UNION ALL SELECT user_id, day, key_id, 0, 0, 0, requests, charge, cost FROM usage_daily"
    ") x WHERE x.day >= :first GROUP BY x.user_id, x.day, x.key_id HAVING SUM(x.calls) <> SUM(x.n)"
    " OR SUM(x.charge) <> SUM(x.charged) OR SUM(x.cost) <> SUM(x.paid)",
)
BODY = (
    "the receipt of call {0} shows something else than its charge of {1} and cost of {2}",
    "SELECT call_id, charge, cost FROM receipts_{month} WHERE body NOT LIKE '%\"id\":\"' || call_id || '\",%'"
    " OR (charge > 0 AND body NOT LIKE '%\"charge_nano_usd\":' || charge || ',%'"
    " AND body NOT LIKE '%\"charge_nano_usd\":' || charge || '}%')"
    " OR (cost > 0 AND body NOT LIKE '%\"provider_cost_nano_usd\":' || cost || ',%'"
    " AND body NOT LIKE '%\"provider_cost_nano_usd\":' || cost || '}%')"
    " OR (charge = 0 AND body LIKE '%\"charge_nano_usd\":%')"
    " OR (cost = 0 AND body LIKE '%\"provider_cost_nano_usd\":%')",
)
NO_RECEIPTS = (
    "SELECT '' AS month, '' AS call_id, '' AS user_id, '' AS key_id, 0.0 AS at, 0 AS charge, 0 AS cost, 0 AS entry_id,"
    " 0 AS account_id WHERE 1 = 0"
)
NO_SPLITS = "SELECT '' AS call_id, 0 AS account_id, 0 AS amount WHERE 1 = 0"


def audit(tx: Transaction) -> list[str]:
    """Every difference, in words; none when the books are exact."""
    found = [words.format(*row) for words, sql in (*JOURNAL, *LEASES) for row in tx.run(sql)]
    months = tables(tx)
    calls = _calls(months)
    found += [words.format(*row) for words, sql in CALLS for row in tx.run(calls + sql)]
    words, sql = BY_DAY
    found += [words.format(*row) for row in tx.run(calls + sql, first=_first_whole_day(tx))]
    words, sql = BODY
    return found + [words.format(*row) for month in months for row in tx.run(sql.replace("{month}", month))]


def _calls(months: list[str]) -> str:
    """All months' tables as one, for the statement that follows."""
    receipts = " UNION ALL ".join(
        f"SELECT '{month}' AS month, call_id, user_id, key_id, at, charge, cost, entry_id, account_id"
        f" FROM receipts_{month}"
        for month in months
    )
    splits = " UNION ALL ".join(f"SELECT call_id, account_id, amount FROM splits_{month}" for month in months)
    return f"WITH receipts AS ({receipts or NO_RECEIPTS}), splits AS ({splits or NO_SPLITS}) "


def _first_whole_day(tx: Transaction) -> int:
    """The first day of which every receipt is still kept: the second after the last month that was dropped."""
    ((last,),) = tx.run("SELECT MAX(month) FROM closed_months")
    if last is None:
        return 0
    after = (datetime(int(last[:4]), int(last[4:]), 1, tzinfo=UTC) + timedelta(days=31)).replace(day=1)
    return int(after.timestamp()) // DAY_S + 1


class Sweeping(NamedTuple):
    """One thing the sweeper did."""

    at: float
    kind: str
    """`expire` a lease, `lapse` credit, begin a `cycle`."""
    subject: str
    """The lease or the user."""
    process: str
    """Who closed a lease; empty when its process was known to be dead, or for credit."""
    reason: str


def swept(tx: Transaction, limit: int = 50) -> list[Sweeping]:
    """What the sweeper did last, newest first."""
    sql = (
        "SELECT at, kind, ref, author, reason FROM entries WHERE kind IN ('expire', 'lapse', 'cycle')"
        " ORDER BY id DESC LIMIT :limit"
    )
    return [Sweeping(*row) for row in tx.run(sql, limit=limit)]
