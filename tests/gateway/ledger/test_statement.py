"""A statement says what came and went, and ends where the books are, to the nano-dollar."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.backends import sql
from tollway.core.ids import UserId
from tollway.core.money import NANO_PER_CREDIT
from tollway.gateway.ledger.statement import Statement, as_csv, harmless, six_places, statement
from tollway.gateway.ledger.store import new_reference
from tollway.gateway.ledger.store.accounts import ISSUED, REVENUE, Entry, account, post
from tollway.gateway.ledger.store.movements import movements
from tollway.ports import Database, Transaction

ANN = UserId("usr_ann")
NOON_S = 1_800_014_400.0
DAY_S = 86_400.0
KINDS = ("settle", "late", "grant", "refund", "lapse", "cycle")
POTS = ("plan", "promo", "topup")


@pytest.fixture
async def database(database_url: str, tmp_path: Path) -> AsyncIterator[Database]:
    opened = sql.open(database_url, tmp_path)
    await opened.migrate()
    yield opened
    await opened.close()


def moved(tx: Transaction, kind: str, pot: str, amount: int, at_s: float, reason: str = "") -> None:
    """One entry between the user's pot and the hub."""
    other = REVENUE if kind in ("settle", "late", "refund") else ISSUED
    number = account(tx, ANN, pot)
    post(tx, [Entry(kind, new_reference(), at_s, {number: amount, other: -amount}, "ann", reason)])


async def told(database: Database, *entries: tuple[str, str, int, float]) -> Statement:
    def work(tx: Transaction) -> None:
        for entry in entries:
            moved(tx, *entry)

    await database.write(work)
    return await statement(database, ANN)


async def test_grants_stand_one_by_one_and_the_charges_of_a_day_together(database: Database) -> None:
    found = await told(
        database,
        ("grant", "topup", 10_000_000, NOON_S),
        ("settle", "topup", -1, NOON_S + 10),
        ("late", "topup", -2, NOON_S + 20),
        ("settle", "topup", -4, NOON_S + DAY_S),
        ("refund", "topup", 3, NOON_S + DAY_S + 1),
    )
    lines = [(line.movement.kind, line.movement.amount, line.balance) for line in found.lines]
    assert lines == [
        ("grant", 10_000_000, 10_000_000),
        ("charges", -3, 9_999_997),
        ("charges", -4, 9_999_993),
        ("refund", 3, 9_999_996),
    ]
    assert (found.opening, found.closing, found.books) == (0, 9_999_996, 9_999_996)


async def test_a_day_ends_at_midnight_utc_exactly(database: Database) -> None:
    midnight_s = NOON_S + DAY_S / 2
    found = await told(
        database,
        ("grant", "topup", 100, NOON_S),
        ("settle", "topup", -1, midnight_s - 0.001),
        ("settle", "topup", -2, midnight_s),
        ("settle", "topup", -4, midnight_s + DAY_S - 0.001),
    )
    assert [line.movement.amount for line in found.lines] == [100, -1, -6]


async def test_a_part_of_the_time_opens_with_what_was_there_before(database: Database) -> None:
    await told(database, ("grant", "plan", 100, NOON_S), ("settle", "plan", -30, NOON_S + DAY_S))
    part = await statement(database, ANN, NOON_S + 1, NOON_S + DAY_S)
    assert (part.opening, part.lines, part.closing) == (100, [], 100)
    rest = await statement(database, ANN, NOON_S + 1)
    assert (rest.opening, rest.closing, rest.exact) == (100, 70, True)


async def test_a_wrong_balance_does_not_go_unsaid(database: Database) -> None:
    await told(database, ("grant", "plan", 100, NOON_S))
    await database.write(lambda tx: tx.run("UPDATE accounts SET balance = 99 WHERE owner = :who", who=ANN))
    found = await statement(database, ANN)
    assert (found.closing, found.books, found.exact) == (100, 99, False)


async def test_somebody_without_an_account_has_an_empty_statement(database: Database) -> None:
    found = await statement(database, UserId("usr_nobody"))
    assert (found.opening, found.lines, found.closing, found.exact) == (0, [], 0, True)


MOVEMENTS = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        st.sampled_from(POTS),
        st.integers(1, 10**15),
        st.floats(0, 40 * DAY_S, allow_nan=False),
    ),
    max_size=12,
)


@given(MOVEMENTS, st.floats(0, 40 * DAY_S), st.floats(0, 40 * DAY_S))
def test_every_statement_closes_where_the_next_one_opens_and_the_last_where_the_books_are(
    tmp_path_factory: pytest.TempPathFactory, entries: list[tuple[str, str, int, float]], one: float, other: float
) -> None:
    async def story() -> None:
        database = sql.open("sqlite://", tmp_path_factory.mktemp("books"))
        await database.migrate()

        def work(tx: Transaction) -> None:
            for kind, pot, amount, at_s in sorted(entries, key=lambda entry: entry[3]):
                spends = kind in ("settle", "late", "lapse")
                held = tx.run("SELECT balance FROM accounts WHERE owner = :who AND kind = :kind", who=ANN, kind=pot)
                spent = -min(amount, held[0][0] if held else 0) if spends else amount
                if spent:
                    moved(tx, kind, pot, spent, at_s)

        await database.write(work)
        early, late = sorted((one, other))
        first = await statement(database, ANN, None, early)
        middle = await statement(database, ANN, early, late)
        last = await statement(database, ANN, late)
        assert first.opening == 0
        assert (first.closing, middle.closing) == (middle.opening, last.opening)
        assert last.exact
        whole = await statement(database, ANN)
        assert whole.closing == last.closing == sum(line.movement.amount for line in whole.lines)
        assert all(line.balance >= 0 for line in whole.lines), "a day's charges stand at its last"
        rows = list(csv.reader(io.StringIO(as_csv(whole))))[1:]
        assert Decimal(rows[-1][-1]) * NANO_PER_CREDIT == whole.books
        assert sum(Decimal(row[-2]) for row in rows[1:-1]) == Decimal(rows[-1][-1])
        await database.close()

    asyncio.run(story())


async def test_all_of_a_statement_is_of_one_moment_while_calls_are_settled(database: Database) -> None:
    await told(database, ("grant", "topup", 10**9, NOON_S))

    async def settle() -> None:
        for n in range(30):
            await database.write(lambda tx, n=n: moved(tx, "settle", "topup", -1, NOON_S + n))

    async def look() -> None:
        for _ in range(30):
            found = await database.read(lambda tx: movements(tx, ANN, -1.0, 1e12))
            assert found.opening + sum(line.amount for line in found.lines) == found.books

    await asyncio.gather(settle(), look(), look())


@given(st.integers(-(10**18), 10**18))
def test_credits_show_every_nano_dollar(amount: int) -> None:
    assert Decimal(six_places(amount)) * NANO_PER_CREDIT == amount


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "\n=1"])
async def test_no_text_is_taken_for_a_formula(database: Database, text: str) -> None:
    assert harmless(text).startswith("'")
    await database.write(lambda tx: moved(tx, "grant", "topup", 5, NOON_S, text))
    (_, _, grant, _) = csv.reader(io.StringIO(as_csv(await statement(database, ANN))))
    assert grant[3] == f"'{text}"
    assert grant[-2:] == ["0.000005", "0.000005"]
