"""Plan credit comes each month and is not carried over; what expires lapses, but never what leases hold."""

import asyncio
from datetime import UTC, datetime

from tests.gateway.ledger.store.desk import ANN, DAY_S, NOW_S, Desk, ended
from tollway.core.ids import UserId
from tollway.gateway.ledger import store


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


async def subscribe(desk: Desk, plan: str, amount: int, owner: UserId = ANN) -> bool:
    new = store.Subscription(owner, plan, amount, "test", desk.now_s)
    return await desk.do(lambda tx: store.subscribe(tx, new))


async def refresh(desk: Desk) -> int:
    return await desk.do(lambda tx: store.refresh(tx, ANN, desk.now_s))


async def due(desk: Desk) -> bool:
    return await desk.database.read(lambda tx: store.due(tx, ANN, desk.now_s))


async def test_a_plan_gives_its_credit_at_once_in_a_pot_named_by_the_cycles_first_day(desk: Desk) -> None:
    assert await subscribe(desk, "guru", 10_000)
    pots = await desk.database.read(lambda tx: store.pots(tx, ANN))
    assert [(pot.kind, pot.label, pot.balance) for pot in pots] == [("plan", "2026-11-21", 10_000)]
    assert pots[0].expires_at == desk.now_s + 30 * DAY_S
    assert not await subscribe(desk, "guru", 10_000)
    assert await desk.left() == 10_000


async def test_what_is_left_of_a_cycle_does_not_roll_over(desk: Desk) -> None:
    await desk.grant(500)
    await subscribe(desk, "guru", 10_000)
    lease = await desk.lease(4_000)
    await desk.settle(ended((lease,), 3_000))
    await desk.give_back(lease)
    assert await desk.pots() == [("plan", 7_000), ("topup", 500)]
    desk.now_s += 30 * DAY_S - 1
    assert not await due(desk)
    desk.now_s += 1
    assert await due(desk)
    assert await refresh(desk) == 2
    assert await desk.pots() == [("plan", 10_000), ("topup", 500)]
    assert not await due(desk) and await refresh(desk) == 0
    lapse = "SELECT p.amount FROM postings p JOIN entries e ON e.id = p.entry_id AND e.kind = 'lapse' AND p.amount > 0"
    assert await desk.look(lapse) == [(7_000,)]
    assert await desk.differences() == []


async def test_plan_credit_granted_beside_the_cycles_own_ends_with_the_cycle(desk: Desk) -> None:
    await desk.grant(7, "plan")
    await subscribe(desk, "guru", 10_000)
    desk.now_s += 31 * DAY_S
    await desk.grant(400, "plan")
    assert await desk.left() == 10_407, "a cycle that was due begins first"
    lease = await desk.lease(10_100)
    await desk.settle(ended((lease,), 10_100))
    await desk.give_back(lease)
    desk.now_s += 31 * DAY_S
    await refresh(desk)
    assert await desk.pots() == [("plan", 10_000), ("plan", 7)]
    await subscribe(desk, "none", 0)
    assert await desk.pots() == [("plan", 7)], "only what came without a plan has no end"
    assert await desk.differences() == []


async def test_whoever_takes_first_after_the_cycles_end_begins_the_next_one(desk: Desk) -> None:
    await subscribe(desk, "free", 500)
    desk.now_s += 31 * DAY_S
    taken = await asyncio.gather(*(desk.do(lambda tx: store.take(tx, desk.wish(100))) for _ in range(8)))
    assert sorted(got.amount for got in taken) == [0, 0, 0, 100, 100, 100, 100, 100]
    assert len(await desk.entries("cycle")) == 2
    assert await desk.differences() == []


async def test_cycles_nobody_saw_are_skipped_and_the_anchor_is_kept(desk: Desk) -> None:
    desk.now_s = at("2027-01-31T08:00")
    await subscribe(desk, "guru", 10_000)
    desk.now_s = at("2027-02-28T07:59:59")
    await refresh(desk)
    assert len(await desk.entries("cycle")) == 1
    desk.now_s = at("2027-06-30T08:00")
    await refresh(desk)
    assert await desk.pots() == [("plan", 10_000)]
    found = await desk.database.read(lambda tx: store.allowance(tx, ANN))
    assert found == store.Allowance(
        ANN, "guru", 10_000, at("2027-01-31T08:00"), at("2027-06-30T08:00"), at("2027-07-31T08:00")
    )
    assert await desk.differences() == []


async def test_another_plan_begins_a_cycle_of_its_own_and_ends_the_old_credit(desk: Desk) -> None:
    await subscribe(desk, "free", 500)
    await subscribe(desk, "guru", 10_000)
    assert await desk.pots() == [("plan", 10_000)]
    await subscribe(desk, "free", 500)
    await subscribe(desk, "guru", 10_000)
    assert await desk.pots() == [("plan", 10_000)]
    desk.now_s += 10 * DAY_S
    await subscribe(desk, "none", 0)
    assert await desk.pots() == []
    assert await desk.database.read(lambda tx: store.allowance(tx, ANN)) is None
    assert await desk.differences() == []


async def test_what_leases_hold_of_an_ended_cycle_lapses_when_they_return_it(desk: Desk) -> None:
    await subscribe(desk, "free", 500)
    lease = await desk.lease(300)
    await subscribe(desk, "none", 0)
    assert (await desk.pots(), await desk.reserved()) == ([("plan", 300)], 300)
    call = ended((lease,), 100)
    await desk.settle(call)
    assert await desk.paid(call) == [("plan", 100)]
    assert await desk.give_back(lease, 50) == 50
    assert await desk.pots() == [("plan", 150)]
    await desk.give_back(lease)
    assert await desk.pots() == []
    assert await desk.differences() == []


async def test_a_lease_that_outlives_the_cycle_is_paid_from_the_new_one(desk: Desk) -> None:
    await subscribe(desk, "free", 500)
    lease = await desk.lease(300)
    desk.now_s += 31 * DAY_S
    await refresh(desk)
    assert await desk.pots() == [("plan", 500)]
    await desk.settle(ended((lease,), 300))
    assert await desk.pots() == [("plan", 200)]
    assert await desk.differences() == []


async def test_an_expired_promotion_lapses_and_a_topup_never_does(desk: Desk) -> None:
    await desk.grant(100, "promo", ref="week", expires_at=NOW_S + 7 * DAY_S)
    await desk.grant(50)
    desk.now_s += 7 * DAY_S
    assert await due(desk)
    assert (await desk.do(lambda tx: store.take(tx, desk.wish(51)))).rest == 50
    assert await desk.pots() == [("topup", 50)]
    desk.now_s += 3_650 * DAY_S
    await refresh(desk)
    assert await desk.pots() == [("topup", 50)]
