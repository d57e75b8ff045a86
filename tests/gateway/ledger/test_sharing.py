"""Several processes on one account: together they never spend more than it has, and none is refused what lies idle."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from tests.gateway.ledger.books import ANN, Books, bill, nano, new_call
from tests.gateway.ledger.test_recovery import die
from tollway.core.caller import Payer
from tollway.core.errors import CreditsExhausted

PAYER = Payer(ANN)
PRICE = 1_000


async def test_five_hundred_parallel_calls_on_three_processes_with_credit_for_a_hundred(books: Books) -> None:
    await books.give(60 * PRICE, kind="plan")
    await books.give(40 * PRICE)
    async with AsyncExitStack() as stack:
        ledgers = [await stack.enter_async_context(books.open(name)) for name in ("one", "two", "three")]

        async def call(number: int) -> bool:
            await asyncio.sleep(number % 7 / 100)
            name = new_call()
            try:
                hold = await ledgers[number % 3].hold(PAYER, nano(PRICE), name)
            except CreditsExhausted:
                return False
            await asyncio.sleep(0.01)
            hold.settle(bill(name, PRICE))
            return True

        passed = await asyncio.gather(*(call(number) for number in range(500)))
        assert sum(passed) == 100
    assert await books.pots() == {}
    assert sum((await books.receipts()).values()) == 100 * PRICE
    assert await books.differences() == []


async def test_credit_that_lies_idle_in_another_process_is_called_back(books: Books) -> None:
    await books.give(1_000_000)
    async with books.open("one") as one, books.open("two") as two:
        call = new_call()
        (await one.hold(PAYER, nano(10_000), call)).settle(bill(call, 1))
        assert await books.reserved() > 10_000
        second = new_call()
        (await two.hold(PAYER, nano(999_999), second)).settle(bill(second, 999_999))
        with pytest.raises(CreditsExhausted):
            await one.hold(PAYER, nano(1), new_call())
    assert await books.pots() == {}
    assert await books.differences() == []


async def test_nearly_empty_accounts_are_leased_from_call_by_call(books: Books) -> None:
    await books.give(1_000)
    async with books.open("one") as one, books.open("two") as two:
        for ledger in (one, two, one, two, one):
            call = new_call()
            hold = await ledger.hold(PAYER, nano(300), call)
            assert await books.reserved() >= 300
            hold.settle(bill(call, 20))
            await ledger.flush()
            async with asyncio.timeout(5):
                while await books.reserved():
                    await asyncio.sleep(0.02)
    assert await books.pots() == {"topup": 900}
    assert await books.differences() == []


async def test_a_process_frozen_beyond_its_lease_draws_on_it_no_more_and_its_calls_are_late(books: Books) -> None:
    await books.give(10_000)
    async with books.open("zombie") as zombie, books.open("other") as other:
        before, during = new_call(), new_call()
        (await zombie.hold(PAYER, nano(1_000), before)).settle(bill(before, 1_000))
        await zombie.flush()
        hold = await zombie.hold(PAYER, nano(1_000), during)
        books.clock.at_s += 61
        assert await other.sweep() == 1
        assert await books.reserved() == 0
        rich = new_call()
        (await other.hold(PAYER, nano(8_600), rich)).settle(bill(rich, 8_600))
        await other.flush()
        assert zombie.try_hold(PAYER, nano(1), new_call()) is None
        hold.settle(bill(during, 700))
        await zombie.flush()
        receipt = await zombie.receipt(during, ANN)
        assert receipt is not None and (receipt.charge_nano_usd, receipt.overrun_nano_usd) == (400, 300)
    assert await books.one("SELECT COUNT(*) FROM entries WHERE kind = 'late'") == 1
    assert await books.pots() == {}
    assert await books.differences() == []


async def test_a_hold_whose_lease_was_taken_away_moves_to_the_next_one_when_it_grows(books: Books) -> None:
    await books.give(10_000)
    async with books.open("zombie") as zombie, books.open("other") as other:
        call = new_call()
        hold = await zombie.hold(PAYER, nano(1_000), call)
        books.clock.at_s += 61
        assert await other.sweep() == 1
        assert await hold.extend(nano(500))
        hold.settle(bill(call, 1_400))
    assert await books.one("SELECT COUNT(*) FROM entries WHERE kind = 'late'") == 0
    assert await books.pots() == {"topup": 8_600}
    assert await books.differences() == []


async def test_what_a_lost_host_had_leased_comes_back_and_the_most_that_can_be_missing_is_written_down(
    books: Books,
) -> None:
    await books.give(10_000)
    lost = books.ledger("lost")
    await lost.start()
    call = new_call()
    (await lost.hold(PAYER, nano(1_000), call)).settle(bill(call, 900))
    leased = await books.reserved()
    await die(lost)
    books.clock.at_s += 61
    async with books.open("other") as other:
        assert (await other.balance(ANN)).left == 10_000
    assert (
        await books.one("SELECT COUNT(*) FROM entries WHERE kind = 'expire' AND reason LIKE :w", w=f"%{leased}%") == 1
    )
    assert await books.receipts() == {}
    assert await books.differences() == []
