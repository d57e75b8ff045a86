"""All of the ledger's SQL: what moves money does it in double entry, under guards, inside one transaction."""

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from tollway.core.errors import BadRequest
from tollway.core.ids import CallId, LeaseId, UserId
from tollway.core.money import NanoUsd
from tollway.core.receipt import Receipt
from tollway.gateway.ledger.journal import Ended
from tollway.ports import Transaction

ISSUED, REVENUE, PROVIDER_COST, PROVIDER_PAYABLE, ABSORBED_LOSS = 1, 2, 3, 4, 5
"""The hub's accounts, numbered by the first migration."""
SOURCES = ("plan", "promo", "topup")
"""A user's own accounts in the order in which they are spent; refunds go the other way."""
WHOLE = msgspec.json.Encoder().encode
READ = msgspec.json.Decoder(Receipt).decode


LOST = -1


class Doubt(Exception):
    """Some of the calls are in the books already: the transaction must run again, looking at each."""


class Taken(NamedTuple):
    """What a lease request brought."""

    amount: int
    """`LOST` when the lease is no longer ours."""
    fence: int
    """0 when nothing was taken and nothing renewed."""
    rest: int
    """What the user's own accounts still hold after it."""


class LeaseRow(NamedTuple):
    """An open lease as the database knows it."""

    id: LeaseId
    user: UserId
    account: int
    process: str
    from_plan: int
    from_promo: int
    from_topup: int
    spent: int

    @property
    def unspent(self) -> int:
        return self.from_plan + self.from_promo + self.from_topup - self.spent

    def refund(self, amount: int) -> tuple[int, int, int]:
        """How much of `amount` goes back to plan, promo and topup: what was taken last goes back first."""
        topup = min(amount, self.from_topup)
        promo = min(amount - topup, self.from_promo)
        return amount - topup - promo, promo, topup


# ---------------------------------------------------------------- accounts and entries


def account(tx: Transaction, owner: str, kind: str) -> int:
    """The number of an account, opened when it is new."""
    find = "SELECT id FROM accounts WHERE owner = :owner AND kind = :kind"
    found = tx.run(find, owner=owner, kind=kind)
    if not found:
        tx.run(
            "INSERT INTO accounts (owner, kind) VALUES (:owner, :kind) ON CONFLICT DO NOTHING", owner=owner, kind=kind
        )
        found = tx.run(find, owner=owner, kind=kind)
    return int(found[0][0])


def numbers(tx: Transaction, name: str, count: int) -> int:
    """The first of `count` numbers that nobody else gets."""
    sql = "UPDATE counters SET value = value + :count WHERE name = :name RETURNING value"
    return int(tx.run(sql, count=count, name=name)[0][0]) - count + 1


class Entry(NamedTuple):
    """One movement of money: postings by account number that add up to zero."""

    kind: str
    ref: str
    at: float
    postings: dict[int, int]
    author: str = ""
    reason: str = ""


def post(tx: Transaction, entries: Sequence[Entry]) -> None:
    """Write entries and move the balances they touch; an overdraft fails the transaction."""
    if not entries:
        return
    first = numbers(tx, "entry", len(entries))
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
    _move(tx, moved)


def _move(tx: Transaction, moved: Mapping[int, int]) -> None:
    """Change balances, always in the same order, so that two processes never wait for each other."""
    changes = [{"id": where, "amount": amount} for where, amount in sorted(moved.items()) if amount]
    tx.many("UPDATE accounts SET balance = balance + :amount WHERE id = :id", changes)


def balances(tx: Transaction, user: UserId) -> dict[str, tuple[int, int]]:
    """(account number, balance) of each of the user's accounts, by kind."""
    rows = tx.run("SELECT kind, id, balance FROM accounts WHERE owner = :owner", owner=user)
    return {kind: (number, balance) for kind, number, balance in rows}


def grant(tx: Transaction, user: UserId, amount: int, kind: str, at: float, note: tuple[str, str, str]) -> bool:
    """Move credit from `issued` to the user (or back, when negative); False when the reference was used before.

    `note` is (author, reason, reference). Raises BadRequest when there is not so much to take back.
    """
    author, reason, reference = note
    if tx.run("SELECT 1 FROM entries WHERE kind = 'grant' AND ref = :ref", ref=reference):
        return False
    target = account(tx, user, kind)
    guard = "SELECT 1 FROM accounts WHERE id = :id AND balance + :amount >= 0"
    if not tx.run(guard, id=target, amount=amount):
        raise BadRequest(f"the {kind} account holds less than would be taken back", field="amount")
    post(tx, [Entry("grant", reference, at, {ISSUED: -amount, target: amount}, author, reason)])
    return True


def draw(tx: Transaction, user: UserId, amount: int) -> dict[str, tuple[int, int]]:
    """(account number, part) by kind: up to `amount` of what the user's own accounts hold, in spending order.

    Only says where it would come from; `post` moves it, and the balance check refuses a lost race.
    """
    held, parts = balances(tx, user), {}
    for kind in SOURCES:
        number, balance = held.get(kind, (0, 0))
        part = min(amount, balance)
        if part > 0:
            parts[kind] = (number, part)
            amount -= part
    return parts


# ---------------------------------------------------------------- leases


class Wish(NamedTuple):
    """What a process asks of an account."""

    lease: LeaseId
    user: UserId
    process: str
    fence: int
    """0 for a lease that does not exist yet."""
    need: int
    """Less than this is no use: then nothing is taken."""
    waiting: int
    """What the calls waiting now would take together."""
    want: int
    """What would be pleasant, as far as it is at most a quarter of what is there."""
    at: float
    expires_at: float


def take(tx: Transaction, wish: Wish) -> Taken:
    """Open a lease or add to it, never more than the user's accounts hold."""
    there = sum(balance for kind, (_, balance) in balances(tx, wish.user).items() if kind in SOURCES)
    if there < wish.need:
        return Taken(0, 0, there)
    amount = min(there, max(wish.need, wish.waiting, min(wish.want, there // 4)))
    parts = draw(tx, wish.user, amount)
    home = account(tx, wish.user, "lease")
    fence = wish.fence
    if not fence:
        fence = numbers(tx, "fence", 1)
        tx.run(
            "INSERT INTO leases (id, user_id, account_id, process, fence, expires_at)"
            " VALUES (:id, :user, :home, :process, :fence, :expires)",
            id=wish.lease, user=wish.user, home=home, process=wish.process, fence=fence, expires=wish.expires_at,
        )  # fmt: skip
    plan, promo, topup = (parts.get(kind, (0, 0))[1] for kind in SOURCES)
    still_ours = tx.run(
        "UPDATE leases SET from_plan = from_plan + :plan, from_promo = from_promo + :promo,"
        " from_topup = from_topup + :topup, expires_at = :expires"
        " WHERE id = :id AND fence = :fence AND state = 'open' RETURNING id",
        plan=plan, promo=promo, topup=topup, expires=wish.expires_at, id=wish.lease, fence=fence,
    )  # fmt: skip
    if not still_ours:
        return Taken(LOST, 0, there)
    postings = {number: -part for number, part in parts.values()}
    post(tx, [Entry("lease", wish.lease, wish.at, {**postings, home: amount})])
    return Taken(amount, fence, there - amount)


LEASE = "SELECT id, user_id, account_id, process, from_plan, from_promo, from_topup, spent FROM leases"


def give_back(tx: Transaction, lease: LeaseId, amount: int | None, at: float, kind: str = "return") -> int:
    """Return credit of an open lease to where it came from, all of it (and close the lease) when None.

    The amount returned; 0 when the lease is no longer open.
    """
    found = tx.run(f"{LEASE} WHERE id = :id AND state = 'open'", id=lease)
    if not found:
        return 0
    row = LeaseRow(*found[0])
    back = row.unspent if amount is None else min(amount, row.unspent)
    plan, promo, topup = row.refund(back)
    state, fence = ("closed", 1) if amount is None else ("open", 0)
    changed = tx.run(
        "UPDATE leases SET from_plan = from_plan - :plan, from_promo = from_promo - :promo,"
        " from_topup = from_topup - :topup, state = :state, fence = fence + :fence"
        " WHERE id = :id AND state = 'open' RETURNING id",
        plan=plan, promo=promo, topup=topup, state=state, fence=fence, id=lease,
    )  # fmt: skip
    if changed and back:
        parts = {account(tx, row.user, k): part for k, part in zip(SOURCES, (plan, promo, topup), strict=True) if part}
        post(tx, [Entry(kind, lease, at, {**parts, row.account: -back})])
    return back


def renew(tx: Transaction, process: str, expires_at: float) -> set[LeaseId]:
    """Prolong this process's leases; the ones it still has."""
    sql = "UPDATE leases SET expires_at = :expires WHERE process = :process AND state = 'open' RETURNING id"
    return {LeaseId(row[0]) for row in tx.run(sql, expires=expires_at, process=process)}


def sweep(tx: Transaction, process: str, now: float) -> int:
    """Close every lease that ran out, except our own; how many."""
    sql = "SELECT id FROM leases WHERE state = 'open' AND expires_at < :now AND process <> :process ORDER BY id"
    ended = tx.run(sql, now=now, process=process)
    for (lease,) in ended:
        give_back(tx, lease, None, now, "expire")
    return len(ended)


def bury(tx: Transaction, process: str, now: float) -> int:
    """Close every lease of a process known to be dead; how many."""
    ended = tx.run("SELECT id FROM leases WHERE state = 'open' AND process = :process ORDER BY id", process=process)
    for (lease,) in ended:
        give_back(tx, lease, None, now, "expire")
    return len(ended)


def open_leases(tx: Transaction, user: UserId) -> list[LeaseRow]:
    """The user's open leases, of every process."""
    return [LeaseRow(*row) for row in tx.run(f"{LEASE} WHERE user_id = :user AND state = 'open'", user=user)]


# ---------------------------------------------------------------- calls


def settle(tx: Transaction, calls: Sequence[Ended], *, doubtful: bool = False) -> None:
    """Put terminal entries into the books, each call at most once.

    `doubtful` looks at each call first, for when some may be there already. Raises Doubt when it should have.
    A charge is an entry of its own, from the lease to the revenue. What the providers are owed is one entry for all
    the calls of the batch; the part of each is on its receipt.
    """
    if doubtful:
        calls = _unknown(tx, calls)
    homes = _spend(tx, calls)
    rows: list[dict[str, Any]] = []
    charged, extra = [], []
    cost = 0
    for call in calls:
        receipt, home = call.receipt, homes.get((call.lease, call.fence))
        if receipt.charge_nano_usd and home is None:
            receipt = _late(tx, receipt)
        row = {
            "call": receipt.id,
            "user": receipt.user,
            "key": receipt.key,
            "at": receipt.started_at_s,
            "charge": receipt.charge_nano_usd,
            "cost": receipt.provider_cost_nano_usd,
            "reason": receipt.reason.value,
            "body": WHOLE(receipt).decode(),
            "home": home,
        }
        rows.append(row)
        if home is not None and receipt.charge_nano_usd:
            charged.append(row)
        cost += receipt.provider_cost_nano_usd
        if receipt.overrun_nano_usd:
            over = {ABSORBED_LOSS: -receipt.overrun_nano_usd, REVENUE: receipt.overrun_nano_usd}
            extra.append(Entry("overrun", receipt.id, receipt.started_at_s, over))
    if tx.many(KEEP, rows) != len(rows):
        raise Doubt
    if cost:
        owed = {PROVIDER_COST: -cost, PROVIDER_PAYABLE: cost}
        extra.append(Entry("cost", rows[-1]["call"], rows[-1]["at"], owed, reason=f"{len(rows)} calls"))
    _charge(tx, charged)
    post(tx, extra)


KEEP = (
    "INSERT INTO receipts (call_id, user_id, key_id, at, charge, cost, reason, body)"
    " VALUES (:call, :user, :key, :at, :charge, :cost, :reason, :body) ON CONFLICT DO NOTHING"
)


def _charge(tx: Transaction, rows: list[dict[str, Any]]) -> None:
    """An entry for each row: its charge goes from its lease account, `home`, to the revenue."""
    if not rows:
        return
    moved: Counter[int] = Counter()
    for number, row in enumerate(rows, start=numbers(tx, "entry", len(rows))):
        row["id"] = number
        moved[row["home"]] -= row["charge"]
        moved[REVENUE] += row["charge"]
    tx.many("INSERT INTO entries (id, kind, ref, at) VALUES (:id, 'settle', :call, :at)", rows)
    tx.many("INSERT INTO postings (entry_id, account_id, amount) VALUES (:id, :home, -:charge)", rows)
    tx.many(f"INSERT INTO postings (entry_id, account_id, amount) VALUES (:id, {REVENUE}, :charge)", rows)
    _move(tx, moved)


def _unknown(tx: Transaction, calls: Sequence[Ended]) -> list[Ended]:
    """Those that have no receipt yet, each call once."""
    once = {call.receipt.id: call for call in reversed(calls)}
    known = "SELECT 1 FROM receipts WHERE call_id = :call"
    return [call for call in reversed(once.values()) if not tx.run(known, call=call.receipt.id)]


def _spend(tx: Transaction, calls: Sequence[Ended]) -> dict[tuple[LeaseId, int], int]:
    """Consume the leases the calls drew from; the account of each lease that is still ours."""
    total: Counter[tuple[LeaseId, int]] = Counter()
    for call in calls:
        if call.receipt.charge_nano_usd:
            total[call.lease, call.fence] += call.receipt.charge_nano_usd
    homes = {}
    for lease, fence in sorted(total):
        spent = tx.run(
            "UPDATE leases SET spent = spent + :charge WHERE id = :id AND fence = :fence AND state = 'open'"
            " AND from_plan + from_promo + from_topup - spent >= :charge RETURNING account_id",
            charge=total[lease, fence], id=lease, fence=fence,
        )  # fmt: skip
        if spent:
            homes[lease, fence] = int(spent[0][0])
    return homes


def _late(tx: Transaction, receipt: Receipt) -> Receipt:
    """Charge a call whose lease was taken away to what the user still has; the rest is an overrun."""
    parts = draw(tx, receipt.user, receipt.charge_nano_usd)
    paid = sum(part for _, part in parts.values())
    postings = {number: -part for number, part in parts.values()}
    post(tx, [Entry("late", receipt.id, receipt.started_at_s, {**postings, REVENUE: paid})] if paid else [])
    if paid == receipt.charge_nano_usd:
        return receipt
    return msgspec.structs.replace(
        receipt,
        charge_nano_usd=NanoUsd(paid),
        overrun_nano_usd=NanoUsd(receipt.overrun_nano_usd + receipt.charge_nano_usd - paid),
        note=(receipt.note + " the lease had expired; what was left could not pay for all of it").strip(),
    )


def receipt(tx: Transaction, call: CallId, user: UserId) -> Receipt | None:
    """A call's receipt, for its own user only."""
    rows = tx.run("SELECT body FROM receipts WHERE call_id = :call AND user_id = :user", call=call, user=user)
    return READ(rows[0][0]) if rows else None


def new_reference() -> str:
    """A reference for a grant that nobody will repeat."""
    return f"once:{uuid.uuid4().hex}"
