"""Holds through several levels: every budget of every level covers a call, or the call is not held."""

import asyncio
from datetime import UTC, datetime

import pytest

from tests.gateway.ledger.books import ANN, BOB, Books, bill, nano, new_call
from tollway.core.caller import Budget, Level, Payer
from tollway.core.errors import BudgetExhausted, CreditsExhausted
from tollway.core.ids import UserId
from tollway.core.money import NanoUsd


def payer(*levels: tuple[str, int, str], user: UserId = ANN) -> Payer:
    """Pays through levels, each with one budget."""
    return Payer(user, tuple(Level(name, (Budget(NanoUsd(amount), kind),)) for name, amount, kind in levels))


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


async def test_a_call_is_counted_against_every_budget_on_its_way(books: Books) -> None:
    await books.give(10_000)
    books.clock.at_s = seconds("2026-11-21T12:00")
    who = payer(("org_1", 5_000, "month"), ("key_1", 800, "day"))
    async with books.open() as ledger:
        call = new_call()
        (await ledger.hold(who, nano(500), call)).settle(bill(call, 300))
        assert ledger.left(who) == 500
        second = new_call()
        hold = await ledger.hold(who, nano(500), second)
        assert not hold.try_extend(nano(1))
        with pytest.raises(BudgetExhausted, match="day budget of key_1"):
            await hold.extend(nano(1))
        hold.settle(bill(second, 501))
        assert ledger.left(who) == 0
    assert await books.pots() == {"topup": 9_200}
    assert await books.pots("key_1/day/2026-11-21") == {}
    assert await books.pots("org_1/month/2026-11") == {"budget": 4_200}
    assert await books.differences() == []


async def test_a_refusal_names_the_level_and_says_when_it_begins_anew(books: Books) -> None:
    await books.give(10_000)
    books.clock.at_s = seconds("2026-11-21T23:00")
    async with books.open() as ledger:
        with pytest.raises(BudgetExhausted) as refusal:
            await ledger.hold(payer(("org_1", 5_000, "month"), ("key_1", 100, "day")), nano(101), new_call())
        assert (refusal.value.level, refusal.value.period, refusal.value.retry_after_s) == ("key_1", "day", 3600)
        assert (refusal.value.remaining_nano_usd, refusal.value.status) == (100, 429)
        with pytest.raises(BudgetExhausted) as refusal:
            await ledger.hold(payer(("key_1", 100, "total")), nano(101), new_call())
        assert refusal.value.retry_after_s is None
        with pytest.raises(CreditsExhausted) as poor:
            await ledger.hold(payer(("key_2", 50_000, "day")), nano(10_001), new_call())
        assert not isinstance(poor.value, BudgetExhausted)
    assert await books.differences() == []
    assert await books.reserved() == 0


async def test_a_budget_begins_anew_while_the_gateway_runs(books: Books) -> None:
    await books.give(10_000)
    books.clock.at_s = seconds("2026-11-21T23:59:58")
    who = payer(("key_1", 100, "day"))
    async with books.open() as ledger:
        over_midnight = new_call()
        hold = await ledger.hold(who, nano(100), over_midnight)
        assert ledger.try_hold(who, nano(1), new_call()) is None
        books.clock.at_s += 3
        next_day = new_call()
        (await ledger.hold(who, nano(100), next_day)).settle(bill(next_day, 60))
        hold.settle(bill(over_midnight, 90))
        assert ledger.left(who) == 40
    assert await books.pots("key_1/day/2026-11-21") == {"budget": 10}
    assert await books.pots("key_1/day/2026-11-22") == {"budget": 40}
    assert await books.differences() == []


async def test_a_changed_budget_is_obeyed_at_once(books: Books) -> None:
    await books.give(10_000)
    async with books.open() as ledger:
        for limit, fits, refused in ((1_000, 500, 501), (5_000, 4_000, 501), (4_600, 100, 1)):
            who = payer(("key_1", limit, "total"))
            call = new_call()
            (await ledger.hold(who, nano(fits), call)).settle(bill(call, fits))
            with pytest.raises(BudgetExhausted):
                await ledger.hold(who, nano(refused), new_call())
    assert await books.differences() == []


async def test_a_budget_shared_by_parallel_calls_of_two_users_on_two_processes_is_never_exceeded(books: Books) -> None:
    for user in (ANN, BOB):
        await books.give(100_000, user)
    async with books.open("one") as one, books.open("two") as two:
        asked = [
            ledger.hold(
                payer(("org_1", 40 * 30, "month"), (f"key_{user}", 10**6, "week"), user=user), nano(30), new_call()
            )
            for _ in range(40)
            for ledger in (one, two)
            for user in (ANN, BOB)
        ]
        results = await asyncio.gather(*asked, return_exceptions=True)
        held = [result for result in results if not isinstance(result, BaseException)]
        assert all(isinstance(r, BudgetExhausted) for r in results if isinstance(r, BaseException))
        assert len(held) == 40
        for hold in held:
            user = hold.drawn[0][0].owner
            hold.settle(bill(hold.call, 30, user=UserId(user)))
    assert await books.differences() == []
    assert sum((await books.receipts()).values()) == 40 * 30


async def test_runs_and_nodes_are_levels_given_with_the_call(books: Books) -> None:
    await books.give(10_000)
    async with books.open() as ledger:
        key = payer(("key_1", 5_000, "total"))
        for node, fits in (("node_a", 300), ("node_b", 700)):
            way = (
                *key.levels,
                Level("run_1", (Budget(nano(1_000), "total"),)),
                Level(node, (Budget(nano(700), "total"),)),
            )
            call = new_call()
            (await ledger.hold(Payer(ANN, way), nano(fits), call)).settle(bill(call, fits))
        with pytest.raises(BudgetExhausted, match="run_1"):
            await ledger.hold(Payer(ANN, way), nano(1), new_call())
    assert await books.differences() == []
