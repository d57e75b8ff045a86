"""Receipts live in a table for each month, and whole months are dropped."""

import asyncio

import pytest

from tests.gateway.ledger.store.desk import ANN, BOB, DAY_S, NOW_S, Desk, ended
from tollway.core.errors import NotFound
from tollway.gateway.ledger import store

MONTH_S = 30 * DAY_S


async def three_months(desk: Desk) -> list[store.Draw]:
    await desk.grant(1_000)
    await desk.grant(1_000, owner=BOB)
    leases = [await desk.lease(500), await desk.lease(500, owner=BOB)]
    for ago in (2, 1, 0):
        at_s = NOW_S - ago * MONTH_S
        ann = [ended((leases[0],), charge, cost=charge // 2, at_s=at_s) for charge in (0, 10, 20)]
        await desk.settle(*ann, ended((leases[1],), 40, user=BOB, cost=25, at_s=at_s))
    return leases


async def test_a_month_that_was_dropped_leaves_exact_books(desk: Desk) -> None:
    await three_months(desk)
    assert await desk.do(lambda tx: store.drop_months(tx, "202611")) == ["202610", "202609"]
    assert await desk.database.read(store.months) == ["202611"]
    assert await desk.look("SELECT month, user_id, requests, charge, cost FROM closed_months ORDER BY 1, 2") == [
        ("202609", "", 0, 0, 0), ("202609", ANN, 3, 30, 15), ("202609", BOB, 1, 40, 25),
        ("202610", "", 0, 0, 0), ("202610", ANN, 3, 30, 15), ("202610", BOB, 1, 40, 25),
    ]  # fmt: skip
    assert await desk.look("SELECT SUM(charge) FROM usage_daily") == [(210,)]
    assert await desk.differences() == []
    assert await desk.do(lambda tx: store.drop_months(tx, "202611")) == []


async def test_months_go_one_by_one_the_oldest_first(desk: Desk) -> None:
    await three_months(desk)
    for month in (["202609"], ["202610"], []):
        assert await desk.do(lambda tx: store.drop_months(tx, "202611", most=1)) == month
        assert await desk.differences() == []


async def test_what_was_dropped_is_not_found_and_cannot_be_refunded(desk: Desk) -> None:
    (lease, _) = await three_months(desk)
    old = ended((lease,), 5, at_s=NOW_S - MONTH_S)
    await desk.settle(old)
    await desk.do(lambda tx: store.drop_months(tx, "202611"))
    assert await desk.receipt(old) is None
    with pytest.raises(NotFound):
        await desk.refund(old)


async def test_a_call_of_a_dropped_month_cannot_be_charged_again(desk: Desk) -> None:
    (lease, _) = await three_months(desk)
    old = ended((lease,), 5, at_s=NOW_S - MONTH_S)
    await desk.settle(old)
    await desk.do(lambda tx: store.drop_months(tx, "202611"))
    left = await desk.left()
    await desk.settle_in_doubt(old, ended((lease,), 7))
    assert await desk.left() == left - 7
    ((_, _, reason),) = await desk.entries("void")
    assert reason == "1 calls of 202610, whose receipts were dropped: not charged"
    assert await desk.differences() == []


async def test_a_refund_of_a_dropped_call_stays_in_the_books(desk: Desk) -> None:
    (lease, _) = await three_months(desk)
    old = ended((lease,), 50, at_s=NOW_S - MONTH_S)
    await desk.settle(old)
    await desk.refund(old, 30)
    await desk.do(lambda tx: store.drop_months(tx, "202611"))
    assert await desk.differences() == []


async def test_processes_that_need_a_new_month_at_once_make_it_once(three: list[Desk]) -> None:
    await three[0].grant(10_000)
    leases = [await three[0].lease(100, process=f"p{n}") for n in range(12)]
    calls = [ended((lease,), 5, at_s=NOW_S + n % 4 * MONTH_S) for n, lease in enumerate(leases)]
    await asyncio.gather(*(three[n % 3].settle(call) for n, call in enumerate(calls)))
    assert await three[0].database.read(store.months) == ["202702", "202701", "202612", "202611"]
    assert await three[0].left() == 10_000 - 60
    assert await three[0].differences() == []


async def test_months_are_dropped_while_other_processes_settle(three: list[Desk]) -> None:
    (lease, _) = await three_months(three[0])
    calls = [ended((lease,), 1, at_s=NOW_S - n % 2 * MONTH_S) for n in range(20)]
    dropping = three[0].do(lambda tx: store.drop_months(tx, "202611"))
    settling = [three[1 + n % 2].settle(call) for n, call in enumerate(calls)]
    await asyncio.gather(*settling[:10], dropping, *settling[10:])
    assert await three[0].database.read(store.months) == ["202611"]
    assert await three[0].differences() == []
