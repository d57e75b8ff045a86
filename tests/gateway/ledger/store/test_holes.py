"""The holes through which other relays lose money (relay.md 8.8), each of them closed."""

import asyncio

import pytest

from tests.gateway.ledger.store.desk import ANN, TTL_S, Desk, ended
from tollway.gateway.ledger import store
from tollway.ports import Transaction


async def test_check_then_subtract_parallel_callers_of_many_processes_never_overdraw(three: list[Desk]) -> None:
    await three[0].grant(100 * 10)
    answered: list[int] = []

    async def call(desk: Desk, process: str) -> None:
        wish = desk.wish(10, process=process)
        taken = await desk.do(lambda tx: store.take(tx, wish))
        assert taken.amount in (0, 10)
        answered.append(taken.amount)

    await asyncio.gather(*(call(three[n % 3], f"p{n % 3}") for n in range(500)))
    assert (answered.count(10), answered.count(0)) == (100, 400)
    assert (await three[0].left(), await three[0].reserved()) == (1_000, 1_000)
    assert await three[0].differences() == []


async def test_check_then_subtract_settling_from_many_processes_spends_what_was_there_and_no_more(
    three: list[Desk],
) -> None:
    await three[0].grant(340)
    await three[0].grant(300, "plan")
    charged = 0
    for _ in range(3):
        leases = [await desk.lease(60, process=f"p{n}") for n, desk in enumerate(three)]
        calls = [ended((lease,), 25) for lease in leases for _ in range(3)]
        await asyncio.gather(*(three[n % 3].settle(call) for n, call in enumerate(calls)))
        charged += sum([(await three[0].charged(call))[0] for call in calls])
        for lease in leases:
            await three[0].give_back(lease)
    assert 600 <= charged == 640 - await three[0].left()
    assert await three[0].differences() == []


async def test_key_side_fails_after_funding_both_are_counted_or_neither(desk: Desk) -> None:
    await desk.grant(1_000)
    user, budget = await desk.lease(500), await desk.lease(500, owner="key_1/total/-", limit=500)

    def power_cut(tx: Transaction) -> None:
        store.settle(tx, [ended((user, budget), 200)])
        raise InterruptedError

    with pytest.raises(InterruptedError):
        await desk.do(power_cut)
    assert (await desk.left(), await desk.left("key_1/total/-")) == (1_000, 500)
    assert await desk.look("SELECT COUNT(*) FROM months") == [(0,)]
    await desk.settle(ended((user, budget), 200))
    assert (await desk.left(), await desk.left("key_1/total/-")) == (800, 300)
    assert await desk.differences() == []


async def test_panic_between_reserve_and_settle_the_reservation_ends_by_itself(desk: Desk) -> None:
    await desk.grant(1_000)
    await desk.lease(900, process="panicked")
    desk.now_s += TTL_S + 1
    await desk.sweep()
    assert (await desk.left(), await desk.reserved()) == (1_000, 0)
    await desk.lease(1_000, process="next")


async def test_crash_a_batch_that_may_have_been_written_is_written_once(desk: Desk) -> None:
    await desk.grant(1_000)
    calls = [ended((await desk.lease(50),), 30) for _ in range(5)]
    await desk.settle(*calls[:3])
    for _ in range(3):
        await desk.settle_in_doubt(*calls)
    assert await desk.left() == 1_000 - 5 * 30
    assert await desk.look("SELECT COUNT(*) FROM receipts_202611") == [(5,)]
    assert await desk.differences() == []


async def test_settlement_overdraws_what_nobody_can_pay_is_an_overrun_and_the_next_is_refused(desk: Desk) -> None:
    await desk.grant(100)
    lease = await desk.lease(100)
    dear, next_one = ended((lease,), 250), desk.wish(1)
    await desk.settle(dear)
    assert await desk.charged(dear) == (0, 250)
    await desk.give_back(lease)
    later = ended((), 250)
    await desk.settle(later)
    assert await desk.charged(later) == (100, 150)
    assert await desk.left() == 0
    assert (await desk.do(lambda tx: store.take(tx, next_one))).fence == 0
    assert await desk.look("SELECT balance FROM accounts WHERE kind = 'absorbed_loss'") == [(-400,)]
    assert await desk.differences() == []


async def test_subscription_overflow_a_charge_spills_from_the_plan_into_the_topup(desk: Desk) -> None:
    await desk.do(lambda tx: store.subscribe(tx, store.Subscription(ANN, "guru", 100, "test", desk.now_s)))
    await desk.grant(500)
    call = ended((await desk.lease(400),), 130)
    await desk.settle(call)
    assert await desk.paid(call) == [("plan", 100), ("topup", 30)]
    assert await desk.refund(call, 50) == 50
    assert await desk.pots() == [("plan", 20), ("topup", 500)]


async def test_empty_streams_are_billed_a_free_call_costs_nothing_and_still_ends_once(desk: Desk) -> None:
    await desk.grant(100)
    free = ended((await desk.lease(50),), 0, cost=0)
    await desk.settle(free)
    with pytest.raises(store.Doubt):
        await desk.do(lambda tx: store.settle(tx, [free]))
    assert await desk.left() == 100
    assert await desk.charged(free) == (0, 0)
    assert await desk.differences() == []


async def test_a_zombie_settles_after_its_lease_was_given_to_others_no_nano_dollar_is_spent_twice(
    three: list[Desk],
) -> None:
    zombie, sweeper, heir = three
    await zombie.grant(1_000)
    old = await zombie.lease(1_000, process="zombie")
    calls = [ended((old,), 100) for _ in range(5)]
    await zombie.settle(calls[0])
    sweeper.now_s = heir.now_s = zombie.now_s + TTL_S + 1
    assert await sweeper.sweep() == store.Swept(1, 900, 0, False)
    new = await heir.lease(700, process="heir")
    await asyncio.gather(zombie.settle(*calls[1:]), heir.settle(*(ended((new,), 100) for _ in range(7))))
    charged = [(await zombie.charged(call))[0] for call in calls]
    assert sorted(charged) == [0, 0, 100, 100, 100]
    assert await heir.left() == 0
    assert await heir.differences() == []
