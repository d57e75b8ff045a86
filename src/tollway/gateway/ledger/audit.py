"""Recomputes the books from their journal; what comes out must be what they say, to the nano-dollar."""

from tollway.ports import Transaction

CHECKS: tuple[tuple[str, str], ...] = (
    (
        "entry {0} ({1}) does not add up to zero: {2}",
        "SELECT e.id, e.kind, SUM(p.amount) FROM entries e JOIN postings p ON p.entry_id = e.id"
        " GROUP BY e.id, e.kind HAVING SUM(p.amount) <> 0",
    ),
    (
        "account {0} ({1} {2}) says {3}, its postings say {4}",
        "SELECT a.id, a.owner, a.kind, a.balance, COALESCE(p.total, 0) FROM accounts a LEFT JOIN"
        " (SELECT account_id, SUM(amount) AS total FROM postings GROUP BY account_id) p ON p.account_id = a.id"
        " WHERE a.balance <> COALESCE(p.total, 0)",
    ),
    (
        "a posting of {0} belongs to no entry ({1}) or no account ({2})",
        "SELECT p.amount, p.entry_id, p.account_id FROM postings p LEFT JOIN entries e ON e.id = p.entry_id"
        " LEFT JOIN accounts a ON a.id = p.account_id WHERE e.id IS NULL OR a.id IS NULL",
    ),
    (
        "account {0} of {1} is overdrawn: {2}",
        "SELECT id, owner, balance FROM accounts WHERE owner <> 'hub' AND balance < 0",
    ),
    (
        "the lease account of {0} holds {1}, the open leases' unspent credit is {2}",
        "SELECT a.owner, a.balance, COALESCE(l.unspent, 0) FROM accounts a LEFT JOIN"
        " (SELECT account_id, SUM(from_plan + from_promo + from_topup - spent) AS unspent FROM leases"
        " WHERE state = 'open' GROUP BY account_id) l ON l.account_id = a.id"
        " WHERE a.kind = 'lease' AND a.balance <> COALESCE(l.unspent, 0)",
    ),
    (
        "call {0} has {1} terminal entries",
        "SELECT ref, COUNT(*) FROM entries WHERE kind IN ('settle', 'late') GROUP BY ref HAVING COUNT(*) > 1",
    ),
    (
        "call {0} has an entry and no receipt",
        "SELECT e.ref FROM entries e LEFT JOIN receipts r ON r.call_id = e.ref"
        " WHERE e.kind IN ('settle', 'late') AND r.call_id IS NULL",
    ),
    (
        "call {0} was charged {1} by its receipt and {2} by its entry",
        "SELECT r.call_id, r.charge, -SUM(p.amount) FROM receipts r JOIN entries e ON e.ref = r.call_id"
        " JOIN postings p ON p.entry_id = e.id JOIN accounts a ON a.id = p.account_id"
        " WHERE e.kind IN ('settle', 'late') AND a.owner <> 'hub' GROUP BY r.call_id, r.charge"
        " HAVING r.charge <> -SUM(p.amount)",
    ),
    (
        "the providers are owed {0}, the receipts say {1}",
        "SELECT a.balance, r.cost FROM accounts a, (SELECT COALESCE(SUM(cost), 0) AS cost FROM receipts) r"
        " WHERE a.owner = 'hub' AND a.kind = 'provider_payable' AND a.balance <> r.cost",
    ),
    (
        "the receipts of {0} charge {1}, its accounts paid {2}",
        "SELECT r.user_id, r.charged, COALESCE(p.paid, 0) FROM"
        " (SELECT user_id, SUM(charge) AS charged FROM receipts GROUP BY user_id) r LEFT JOIN"
        " (SELECT a.owner, -SUM(p.amount) AS paid FROM postings p JOIN entries e ON e.id = p.entry_id"
        " JOIN accounts a ON a.id = p.account_id"
        " WHERE e.kind IN ('settle', 'late') AND a.owner <> 'hub' GROUP BY a.owner) p ON p.owner = r.user_id"
        " WHERE r.charged <> COALESCE(p.paid, 0)",
    ),
)


def audit(tx: Transaction) -> list[str]:
    """Every difference, in words; none when the books are exact."""
    return [words.format(*row) for words, sql in CHECKS for row in tx.run(sql)]
