"""Holding, settling, releasing and granting, seen from outside."""

import asyncio

import pytest

from tests.gateway.ledger.books import ANN, Books, bill, nano, new_call
from tollway.core.caller import Payer
from tollway.core.errors import BadRequest, CreditsExhausted
from tollway.core.receipt import Reason
from tollway.gateway.ledger.ledger import FolderInUse, Ledger, Rules

PAYER = Payer(ANN)


async def test_a_settled_call_is_charged_once_and_the_rest_comes_back(books: Books) -> None:
    await books.give(1_000)
    async with books.open() as ledger:
        call = new_call()
        hold = await ledger.hold(PAYER, nano(400), call)
        assert (await ledger.balance(ANN)).held == 400
        hold.settle(bill(call, 150, cost=100))
        hold.settle(bill(call, 400))
        hold.release(bill(call, 0))
        balance = await ledger.balance(ANN)
        assert (balance.left, balance.held) == (850, 0)
        receipt = await ledger.receipt(call, ANN)
        assert receipt is not None and receipt.charge_nano_usd == 150
    assert await books.differences() == []
    assert await books.one("SELECT balance FROM accounts WHERE kind = 'provider_payable'") == 100
    assert await books.one("SELECT balance FROM accounts WHERE kind = 'revenue'") == 150
    assert await books.one("SELECT balance FROM accounts WHERE kind = 'topup'") == 850


async def test_of_two_hundred_parallel_calls_as_many_are_held_as_can_be_paid(books: Books) -> None:
    await books.give(50 * 7_000)
    async with books.open() as ledger:
        calls = [new_call() for _ in range(200)]
        results = await asyncio.gather(*(ledger.hold(PAYER, nano(7_000), c) for c in calls), return_exceptions=True)
        held = [result for result in results if not isinstance(result, BaseException)]
        refused = [result for result in results if isinstance(result, CreditsExhausted)]
        assert (len(held), len(refused)) == (50, 150)
        for hold in held:
            hold.settle(bill(hold.call, 7_000))
        assert (await ledger.balance(ANN)).left == 0
    assert await books.differences() == []


async def test_an_account_with_credit_is_held_from_memory(books: Books) -> None:
    await books.give(1_000_000)
    async with books.open() as ledger:
        first = new_call()
        (await ledger.hold(PAYER, nano(1_000), first)).settle(bill(first, 900))
        for _ in range(6):
            call = new_call()
            hold = ledger.try_hold(PAYER, nano(1_000), call)
            assert hold is not None
            hold.settle(bill(call, 900))
            assert ledger.left(PAYER) == (await ledger.balance(ANN)).left
    assert await books.differences() == []


async def test_a_hold_left_open_by_a_fault_is_released(books: Books) -> None:
    await books.give(1_000)
    async with books.open() as ledger:
        call = new_call()
        with pytest.raises(ZeroDivisionError), await ledger.hold(PAYER, nano(1_000), call):
            raise ZeroDivisionError
        receipt = ledger.receipt_pending(call)
        assert receipt is not None and (receipt.reason, receipt.charge_nano_usd) == (Reason.FAILED, 0)
        assert (await ledger.balance(ANN)).left == 1_000
    assert await books.differences() == []


async def test_a_cost_above_the_hold_is_absorbed_not_charged(books: Books) -> None:
    await books.give(1_000)
    async with books.open() as ledger:
        call = new_call()
        (await ledger.hold(PAYER, nano(600), call)).settle(bill(call, 900, cost=640))
        receipt = await ledger.receipt(call, ANN)
        assert receipt is not None and (receipt.charge_nano_usd, receipt.overrun_nano_usd) == (600, 300)
        assert (await ledger.balance(ANN)).left == 400
    assert await books.differences() == []
    assert await books.one("SELECT balance FROM accounts WHERE kind = 'absorbed_loss'") == -300


async def test_plan_credit_is_spent_before_promotion_before_top_up_and_comes_back_to_its_place(books: Books) -> None:
    for kind, amount in (("topup", 300), ("plan", 100), ("promo", 50)):
        await books.give(amount, kind=kind)
    async with books.open() as ledger:
        call = new_call()
        (await ledger.hold(PAYER, nano(400), call)).settle(bill(call, 120))
        balance = await ledger.balance(ANN)
        assert (balance.plan, balance.promo, balance.topup) == (0, 30, 300)
    assert await books.pots() == {"promo": 30, "topup": 300}
    assert await books.differences() == []


async def test_a_grant_with_the_same_reference_counts_once(books: Books) -> None:
    ledger = Ledger(books.database, books.folder, books.clock)
    assert await ledger.grant(ANN, nano(500), "promo", "hub", "welcome", "welcome:ann")
    assert not await ledger.grant(ANN, nano(500), "promo", "hub", "welcome", "welcome:ann")
    assert (await ledger.balance(ANN)).promo == 500
    assert await ledger.grant(ANN, nano(-200), "promo", "admin", "a mistake")
    with pytest.raises(BadRequest):
        await ledger.grant(ANN, nano(-301), "promo", "admin", "a mistake")
    assert (await ledger.balance(ANN)).promo == 300
    assert await books.differences() == []


async def test_credit_granted_while_calls_are_refused_is_seen_at_once(books: Books) -> None:
    async with books.open() as ledger:
        with pytest.raises(CreditsExhausted) as refusal:
            await ledger.hold(PAYER, nano(100), new_call())
        assert refusal.value.remaining == 0
        await books.give(100)
        call = new_call()
        (await ledger.hold(PAYER, nano(100), call)).settle(bill(call, 100))
        assert ledger.left(PAYER) == 0
    assert await books.differences() == []


async def test_a_second_ledger_in_the_same_folder_is_refused_in_plain_words(books: Books) -> None:
    async with books.open("serve"):
        with pytest.raises(FolderInUse, match="another tollway serves"):
            await Ledger(books.database, books.folder / "serve", books.clock).start()


async def test_two_ledgers_on_one_database_never_overdraw(books: Books) -> None:
    await books.give(100 * 10)
    async with books.open("one") as one, books.open("two") as two:
        calls = [(ledger, new_call()) for _ in range(150) for ledger in (one, two)]
        results = await asyncio.gather(
            *(ledger.hold(PAYER, nano(10), c) for ledger, c in calls), return_exceptions=True
        )
        held = [result for result in results if not isinstance(result, BaseException)]
        assert len(held) == 100
        for hold in held:
            hold.settle(bill(hold.call, 10))
    assert await books.differences() == []
    assert sum((await books.receipts()).values()) == 1_000


async def test_a_caller_who_leaves_while_credit_is_leased_loses_none(books: Books) -> None:
    await books.give(1_000)
    async with books.open() as ledger:
        waiting = asyncio.create_task(ledger.hold(PAYER, nano(1_000), new_call()))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        call = new_call()
        (await ledger.hold(PAYER, nano(1_000), call)).settle(bill(call, 1))
    assert await books.one("SELECT balance FROM accounts WHERE kind = 'topup'") == 999
    assert await books.differences() == []


async def test_a_hold_grows_as_far_as_there_is_credit(books: Books) -> None:
    await books.give(1_000)
    async with books.open() as ledger:
        call = new_call()
        hold = await ledger.hold(PAYER, nano(100), call)
        assert await hold.extend(nano(850))
        assert (hold.amount, ledger.left(PAYER)) == (950, 50)
        assert not hold.try_extend(nano(51))
        with pytest.raises(CreditsExhausted):
            await hold.extend(nano(51))
        assert hold.amount == 950
        assert await hold.extend(nano(50))
        hold.settle(bill(call, 999))
        assert not hold.try_extend(nano(0))
        assert (await ledger.balance(ANN)).left == 1
    assert await books.differences() == []


async def test_a_hold_whose_call_has_ended_does_not_grow(books: Books) -> None:
    """Neither when it is asked to afterwards, nor when the call ends while credit is looked for."""
    await books.give(1_000)
    async with books.open() as ledger, asyncio.timeout(10):
        call, other = new_call(), new_call()
        hold = await ledger.hold(PAYER, nano(100), call)
        hold.settle(bill(call, 70))
        assert not await hold.extend(nano(1))
        assert not await ledger.extend(hold, nano(1))
        slow = await ledger.hold(PAYER, nano(100), other)
        growing = asyncio.create_task(slow.extend(nano(800)))
        await asyncio.sleep(0)
        slow.settle(bill(other, 30))
        assert not await growing
        assert slow.amount == 100
        assert (await ledger.balance(ANN)).left == 900
    assert await books.differences() == []


async def test_a_cost_above_the_hold_is_charged_as_far_as_credit_is_at_hand(books: Books) -> None:
    await books.give(1_000_000)
    async with books.open() as ledger:
        call = new_call()
        hold = await ledger.hold(PAYER, nano(100), call)
        booked = hold.settle(bill(call, 120))
        assert (booked.charge_nano_usd, booked.overrun_nano_usd) == (120, 0)
        assert (await ledger.balance(ANN)).left == 1_000_000 - 120
    assert await books.differences() == []


async def test_a_durable_call_is_in_the_database_when_its_caller_hears_the_end(books: Books) -> None:
    await books.give(1_000)
    ledger = Ledger(books.database, books.folder / "serve", books.clock, Rules(sync=True, flush_s=3600))
    await ledger.start()
    assert ledger.sync
    call = new_call()
    (await ledger.hold(PAYER, nano(100), call)).settle(bill(call, 70))
    assert ledger.receipt_pending(call) is not None
    await ledger.written(call)
    assert (await books.receipts())[call] == 70
    await ledger.close()


async def test_receipts_are_kept_for_whole_months_besides_the_present_one(books: Books) -> None:
    await books.give(1_000)
    async with books.open() as ledger:
        call = new_call()
        (await ledger.hold(PAYER, nano(100), call)).settle(bill(call, 70))
        await ledger.flush()
        assert await ledger.drop_receipts(1) == []
        books.clock.at_s += 45 * 86_400  # from the middle of January to the first of March
        assert await ledger.drop_receipts(2) == []
        assert await ledger.drop_receipts(1) == ["202701"]
        assert await ledger.receipt(call, ANN) is None
        assert (await ledger.balance(ANN)).left == 930
    assert await books.differences() == []


async def test_a_durable_call_does_not_wait_for_ever(books: Books) -> None:
    await books.give(1_000)
    async with books.open() as ledger:
        call = new_call()
        hold = await ledger.hold(PAYER, nano(100), call)
        hold.settle(bill(call, 70))
        await asyncio.wait_for(ledger.written(call), 5)
        assert ledger.receipt_pending(call) is None
        await asyncio.wait_for(ledger.written(new_call()), 5)
