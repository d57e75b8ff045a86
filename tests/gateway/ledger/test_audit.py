"""The audit finds what was tampered with, and says where."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.gateway.ledger.books import Books, new_books
from tests.gateway.ledger.store.desk import ANN, BOB, DAY_S, NOW_S, TTL_S, Desk, call_at, ended
from tollway.backends.sql import sqlite, sqlite_file
from tollway.gateway.ledger import store
from tollway.gateway.ledger.audit import audit
from tollway.ports import Transaction


async def lived_in(desk: Desk) -> None:
    """Books in which everything has happened that can."""
    await desk.grant(10_000, ref="first")
    await desk.grant(10_000, owner=BOB, ref="second")
    await desk.grant(250, "promo", ref="bonus")
    plan = store.Subscription(ANN, "free", 500, "test", desk.now_s)
    await desk.do(lambda tx: store.subscribe(tx, plan))
    budget = await desk.lease(300, owner="key_1/day/2026-11-21", limit=1_000)
    ann, bob = await desk.lease(2_000), await desk.lease(2_000, owner=BOB)
    old = [ended((ann,), 11, cost=5, at_s=NOW_S - 30 * DAY_S), ended((ann,), 0, at_s=NOW_S - 30 * DAY_S)]
    calls = [
        ended((ann, budget), 100, cost=70),
        ended((ann,), 470, cost=300),
        ended((ann,), 0),
        ended((bob,), 300, user=BOB, cost=200),
        ended((bob,), 55, user=BOB, cost=30, at_s=NOW_S + DAY_S),
    ]
    await desk.settle(*old, *calls)
    await desk.settle(ended((("usr_ann", "lse_gone", 1),), 77, cost=50))
    await desk.refund(calls[1], 60, ref="sorry")
    await desk.lease(1_000, process="dead")
    desk.now_s += TTL_S + 1
    kept = [ann[1], bob[1], budget[1]]
    await desk.do(lambda tx: store.renew(tx, kept, "one", desk.now_s + TTL_S))
    await desk.sweep()
    assert await desk.do(lambda tx: store.drop_months(tx, "202611")) == ["202610"]


TAMPERED: dict[str, tuple[tuple[str, ...], str]] = {
    "a balance": (("UPDATE accounts SET balance = balance + 1 WHERE kind = 'promo'",), "its postings say"),
    "a hub's balance": (("UPDATE accounts SET balance = balance - 1 WHERE id = 5",), "its postings say"),
    "a posting": (("UPDATE postings SET amount = amount + 1 WHERE amount = 250",), "does not add up to zero: 1"),
    "a posting gone": (("DELETE FROM postings WHERE amount = 250",), "does not add up to zero"),
    "an entry gone": (("DELETE FROM entries WHERE kind = 'late'",), "there are not both"),
    "a grant gone": (("DELETE FROM entries WHERE ref = 'first'",), "there are not both"),
    "an account gone": (("DELETE FROM accounts WHERE kind = 'promo'",), "there are not both"),
    "an entry from nowhere": (
        ("INSERT INTO entries (id, kind, ref, at) VALUES (99999, 'gift', '', 0)",),
        "entry 99999 has a number that was never given out",
    ),
    "a grant made twice": (
        ("DROP INDEX one_per_reference", "UPDATE entries SET ref = 'first' WHERE ref = 'second'"),
        "grant first was made 2 times",
    ),
    "what is reserved": (("UPDATE purses SET reserved = reserved + 1 WHERE owner = 'usr_ann'",), "are reserved"),
    "a lease gone": (("DELETE FROM leases WHERE owner = 'usr_bob'",), "the purse of usr_bob says"),
    "a lease grown": (("UPDATE leases SET taken = taken + 1 WHERE owner = 'usr_bob'",), "the purse of usr_bob says"),
    "a lease less spent": (("UPDATE leases SET spent = spent - 1 WHERE owner = 'usr_bob'",), "the purse of usr_bob"),
    "a purse gone": (("DELETE FROM purses WHERE owner = 'usr_bob'",), "of usr_bob belongs to no purse"),
    "a fence of two": (("UPDATE leases SET fence = 1",), "has fence 1, and no other may"),
    "a fence from nowhere": (("UPDATE leases SET fence = 9999 WHERE owner = 'usr_bob'",), "has fence 9999"),
    "a lease of more than there is": (
        (
            "UPDATE purses SET reserved = reserved + 99999 WHERE owner = 'usr_bob'",
            "UPDATE leases SET taken = taken + 99999 WHERE owner = 'usr_bob'",
        ),
        "of usr_bob, who has 9645",
    ),
    "a budget's limit": (("UPDATE purses SET allowed = allowed + 1 WHERE allowed > 0",), "were allowed"),
    "a charge": (("UPDATE receipts_202611 SET charge = charge + 1 WHERE charge = 100",), "its receipts say"),
    "a split charge": (("UPDATE receipts_202611 SET charge = charge + 1 WHERE charge = 470",), "are said to have paid"),
    "a cost": (("UPDATE receipts_202611 SET cost = cost + 1 WHERE charge = 100",), "owes the providers"),
    "a receipt gone": (("DELETE FROM receipts_202611 WHERE charge = 100",), "its receipts say"),
    "a free receipt gone": (("DELETE FROM receipts_202611 WHERE charge = 0",), "the usage by day says"),
    "a late receipt gone": (("DELETE FROM receipts_202611 WHERE charge = 77",), "not one receipt names it"),
    "a receipt of another call": (
        ("UPDATE receipts_202611 SET call_id = 'req_x' WHERE charge = 100",),
        "the receipt of call req_x shows something else",
    ),
    "a receipt's text": (
        ("UPDATE receipts_202611 SET body = replace(body, '470', '47') WHERE charge = 470",),
        "shows something else than its charge of 470",
    ),
    "a free receipt's text": (
        ("UPDATE receipts_202611 SET body = replace(body, '}', ',\"charge_nano_usd\": 5}') WHERE charge = 0",),
        "shows something else than its charge of 0",
    ),
    "a receipt under another entry": (
        ("UPDATE receipts_202611 SET entry_id = (SELECT id FROM entries WHERE kind = 'late') WHERE charge = 300",),
        "its receipts say",
    ),
    "a receipt under none": (("UPDATE receipts_202611 SET entry_id = 0 WHERE charge = 0",), "names entry 0, which is"),
    "a settlement renamed": (("UPDATE entries SET kind = 'gift' WHERE kind = 'late'",), "which is none that settles"),
    "a receipt of another user": (
        ("UPDATE receipts_202611 SET user_id = 'usr_bob' WHERE charge = 100",),
        "which is somebody else's",
    ),
    "a receipt paid from another pot": (
        (
            "UPDATE receipts_202611 SET account_id = (SELECT id FROM accounts WHERE owner = 'usr_ann'"
            " AND kind = 'promo') WHERE charge = 100",
        ),
        "its receipts say 181",
    ),
    "a receipt paid from nowhere": (
        ("UPDATE receipts_202611 SET account_id = NULL WHERE charge = 100",),
        "are said to have paid 0",
    ),
    "a receipt on another day": (("UPDATE receipts_202611 SET at = at + 86400 WHERE charge = 100",), "on day 20779"),
    "a receipt of another key": (("UPDATE receipts_202611 SET key_id = 'key_2' WHERE charge = 100",), "key key_2 of"),
    "a share": (("UPDATE splits_202611 SET amount = amount + 1",), "are said to have paid"),
    "a share gone": (("DELETE FROM splits_202611 WHERE place = 1",), "are said to have paid"),
    "a share of no call": (("UPDATE splits_202611 SET call_id = 'req_x'",), "has no receipt"),
    "a day's calls": (("UPDATE usage_daily SET requests = requests + 1 WHERE user_id = 'usr_bob'",), "on day"),
    "a day's charge": (("UPDATE usage_daily SET charge = charge + 1 WHERE user_id = 'usr_bob'",), "on day"),
    "a day gone": (("DELETE FROM usage_daily WHERE user_id = 'usr_bob'",), "the receipts of usr_bob, kept and dropped"),
    "calls moved to another day": (
        ("UPDATE usage_daily SET day = day - 3 WHERE user_id = 'usr_bob'",),
        "on day 20778 (since 1970) key key_1 of usr_bob",
    ),
    "a dropped month's charge": (
        ("UPDATE closed_months SET charge = charge + 1 WHERE user_id = 'usr_ann'",),
        "kept and dropped, charge 659, the pots paid 658",
    ),
    "a dropped month's cost": (
        ("UPDATE closed_months SET cost = cost + 1 WHERE user_id = 'usr_ann'",),
        "the providers are owed 655, the receipts, kept and dropped, say 656",
    ),
    "a dropped month's calls": (
        ("UPDATE closed_months SET requests = requests - 1 WHERE user_id = 'usr_ann'",),
        "the usage by day says",
    ),
    "a refund": (("UPDATE refunds SET amount = amount - 1",), "gives back 60, it is written as 59"),
    "a refund gone": (("DELETE FROM refunds",), "gives back 60, it is written as 0"),
    "a refund of more than was paid": (("UPDATE refunds SET amount = 471",), "was charged 470, and 471 were given"),
    "a charge that no call made": (
        (
            "UPDATE counters SET value = 9999 WHERE name = 'entry'",
            "INSERT INTO entries (id, kind, ref, at) VALUES (9998, 'settle', '202611/x', 0)",
            "INSERT INTO postings (entry_id, account_id, amount)"
            " SELECT 9998, id, -5 FROM accounts WHERE kind = 'promo'",
            "INSERT INTO postings (entry_id, account_id, amount) VALUES (9998, 2, 5)",
            "UPDATE accounts SET balance = balance + 5 WHERE id = 2",
            "UPDATE accounts SET balance = balance - 5 WHERE kind = 'promo'",
        ),
        "settles calls of 202611/x, and not one receipt names it",
    ),
    "another pot made to pay": (
        (
            "UPDATE postings SET account_id = (SELECT id FROM accounts WHERE owner = 'usr_bob' AND kind = 'topup')"
            " WHERE amount = -77",
            "UPDATE accounts SET balance = balance - 77 WHERE owner = 'usr_bob' AND kind = 'topup'",
            "UPDATE accounts SET balance = balance + 77 WHERE owner = 'usr_ann' AND kind = 'promo'",
        ),
        "takes 77 from account",
    ),
}


class Undone(Exception):
    """Nothing of what was tampered with shall stay."""


def tamper(tx: Transaction, statements: tuple[str, ...], found: list[str]) -> None:
    for statement in statements:
        tx.run(statement)
    found += audit(tx)
    raise Undone


async def test_whatever_is_tampered_with_is_found(books: Books) -> None:
    desk = Desk(books.database)
    await lived_in(desk)
    missed = {}
    for what, (statements, words) in TAMPERED.items():
        found: list[str] = []
        with pytest.raises(Undone):
            await desk.do(lambda tx, statements=statements, found=found: tamper(tx, statements, found))
        if not any(words in difference for difference in found):
            missed[what] = found
    assert missed == {}
    assert await desk.differences() == []


async def test_a_call_with_two_receipts_is_found(books: Books) -> None:
    desk = Desk(books.database)
    await lived_in(desk)
    await desk.settle(ended((), 0, at_s=NOW_S + 30 * DAY_S))
    columns = "call_id, user_id, key_id, at, charge, cost, reason, entry_id, account_id, body"
    again = f"INSERT INTO receipts_202612 ({columns}) SELECT {columns} FROM receipts_202611 WHERE charge = 100"
    await desk.do(lambda tx: tx.run(again))
    assert any("has 2 receipts" in difference for difference in await desk.differences())


async def test_an_account_that_got_below_zero_is_found(books: Books) -> None:
    desk = Desk(books.database)
    await lived_in(desk)
    unguarded = (
        "CREATE TABLE bare AS SELECT * FROM accounts",
        "DROP TABLE accounts",
        "ALTER TABLE bare RENAME TO accounts",
        "UPDATE accounts SET balance = -1 WHERE kind = 'promo'",
    )
    for statement in unguarded:
        await desk.do(lambda tx, one=statement: tx.run(one))
    assert any("of usr_ann is overdrawn: -1" in difference for difference in await desk.differences())


async def test_a_forged_id_is_not_a_month(books: Books) -> None:
    desk = Desk(books.database)
    await lived_in(desk)
    for forged in (call_at(NOW_S - 30 * DAY_S), call_at(NOW_S + 3_000 * DAY_S)):
        assert await desk.database.read(lambda tx, call=forged: store.receipt(tx, call, None)) is None


CLOSED = "INSERT INTO closed_months (month, user_id, requests, charge, cost) VALUES (:month, '', 0, 0, 0)"


async def steps(folder: Path, calls: int) -> int:
    """What an audit costs SQLite's machine, in hundreds of its instructions: so many calls, leases, closed months."""
    async with new_books(folder) as books:
        desk = Desk(books.database)
        await desk.grant(10 * calls)
        for number in range(calls):
            await desk.grant(5, "promo")
            draw = await desk.lease(12)
            call = ended((draw,), 12 if number % 2 else 9, cost=5)
            await desk.settle(call)
            await desk.refund(call, 1)
            await desk.lease(1, process=f"other {number}")
            await desk.do(lambda tx, month=f"{1900 + number // 12}{number % 12 + 1:02}": tx.run(CLOSED, month=month))
    file = sqlite_file("sqlite://", folder)
    assert file is not None
    counted = [0]

    def count() -> int:
        counted[0] += 1
        return 0

    with closing(sqlite3.connect(file)) as connection:
        connection.set_progress_handler(count, 100)
        assert audit(sqlite.Work(connection)) == []
    return counted[0]


async def test_an_audit_of_four_times_the_history_takes_about_four_times_as_long(tmp_path: Path) -> None:
    few, many = await steps(tmp_path / "few", 50), await steps(tmp_path / "many", 200)
    assert many < 5 * few
