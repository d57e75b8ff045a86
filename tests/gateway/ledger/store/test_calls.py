"""A call comes into the books once, and is paid out of the pots whose turn it is."""

import asyncio

import pytest

from tests.gateway.ledger.store.desk import ANN, BOB, DAY_S, NOW_S, TTL_S, Desk, call_at, ended
from tollway.core.ids import CallId
from tollway.gateway.ledger import store


async def test_a_batch_is_one_entry_and_names_itself_on_each_receipt(desk: Desk) -> None:
    await desk.grant(1_000)
    await desk.grant(1_000, owner=BOB)
    ann, bob = await desk.lease(500), await desk.lease(500, owner=BOB)
    calls = [ended((ann,), 30, cost=20), ended((bob,), 40, user=BOB, cost=25), ended((ann,), 0), ended((), 0)]
    await desk.settle(*calls)
    assert len(await desk.entries("settle")) == 1
    rows = await desk.look("SELECT DISTINCT entry_id FROM receipts_202611")
    assert rows == await desk.look("SELECT id FROM entries WHERE kind = 'settle'")
    hub = "SELECT kind, balance FROM accounts WHERE owner = 'hub' AND balance <> 0 ORDER BY id"
    assert await desk.look(hub) == [
        ("issued", -2_000), ("revenue", 70), ("provider_cost", -45), ("provider_payable", 45),
    ]  # fmt: skip
    assert (await desk.left(), await desk.left(BOB)) == (970, 960)
    assert (await desk.reserved(), await desk.reserved(BOB)) == (470, 460)
    assert await desk.differences() == []


async def test_the_receipt_is_kept_byte_for_byte_and_shown_to_its_user_only(desk: Desk) -> None:
    await desk.grant(100)
    call = ended((await desk.lease(50),), 7)
    await desk.settle(call)
    assert await desk.look("SELECT body FROM receipts_202611") == [(call.body.decode(),)]
    assert await desk.receipt(call, ANN) == await desk.receipt(call) == call.receipt
    assert await desk.receipt(call, BOB) is None


async def test_plan_is_spent_before_promotion_and_that_before_topup(desk: Desk) -> None:
    await desk.grant(100, "topup")
    await desk.grant(30, "promo", ref="later", expires_at=NOW_S + 2 * DAY_S)
    await desk.grant(20, "promo", ref="sooner", expires_at=NOW_S + DAY_S)
    await desk.grant(10, "promo", ref="never")
    await desk.grant(40, "plan")
    lease = await desk.lease(200)
    calls = [ended((lease,), 25), ended((lease,), 25), ended((lease,), 120)]
    await desk.settle(*calls)
    assert await desk.paid(calls[0]) == [("plan", 25)]
    assert await desk.paid(calls[1]) == [("plan", 15), ("promo", 10)]
    assert await desk.paid(calls[2]) == [("promo", 10), ("promo", 30), ("promo", 10), ("topup", 70)]
    labels = (
        "SELECT a.label, s.amount FROM splits_202611 s JOIN accounts a ON a.id = s.account_id"
        " WHERE s.call_id = :call AND a.kind = 'promo' ORDER BY s.place"
    )
    assert await desk.look(labels, call=calls[2].receipt.id) == [("sooner", 10), ("later", 30), ("never", 10)]
    assert await desk.differences() == []


async def test_credit_granted_while_a_lease_runs_is_spent_in_its_turn(desk: Desk) -> None:
    await desk.grant(100, "topup")
    lease = await desk.lease(80)
    await desk.grant(30, "plan")
    call = ended((lease,), 50)
    await desk.settle(call)
    assert await desk.paid(call) == [("plan", 30), ("topup", 20)]


async def test_a_call_settled_before_raises_doubt_and_is_then_left_alone(desk: Desk) -> None:
    await desk.grant(1_000)
    lease = await desk.lease(500)
    old, new = ended((lease,), 30), ended((lease,), 50)
    await desk.settle(old)
    with pytest.raises(store.Doubt):
        await desk.do(lambda tx: store.settle(tx, [old, new]))
    assert await desk.left() == 970
    await desk.settle_in_doubt(old, new, new)
    await desk.settle_in_doubt(old, new)
    assert (await desk.left(), await desk.reserved()) == (920, 420)
    assert await desk.differences() == []


async def test_the_same_call_twice_in_one_batch_is_charged_once(desk: Desk) -> None:
    await desk.grant(1_000)
    call = ended((await desk.lease(500),), 30)
    await desk.settle(call, call)
    assert await desk.left() == 970
    assert await desk.differences() == []


async def test_processes_that_settle_the_same_calls_at_once_charge_once(three: list[Desk]) -> None:
    desk = three[0]
    await desk.grant(1_000)
    lease = await desk.lease(500)
    calls = [ended((lease,), 10) for _ in range(20)]

    async def insist(desk: Desk) -> None:
        for doubtful in (False, True, True, True):
            try:
                return await desk.do(lambda tx, sure=not doubtful: store.settle(tx, calls, doubtful=not sure))
            except store.Doubt:
                continue
        raise AssertionError("in doubt for ever")

    await asyncio.gather(*(insist(three[n % 3]) for n in range(6)))
    assert (await desk.left(), await desk.reserved()) == (800, 300)
    assert await desk.differences() == []


async def test_a_zombie_cannot_settle_under_a_lease_that_was_swept(desk: Desk) -> None:
    await desk.grant(1_000)
    swept = await desk.lease(600, process="zombie")
    desk.now_s += TTL_S + 1
    assert await desk.sweep() is not None
    heir = await desk.lease(900, process="heir")
    call = ended((swept,), 300, cost=100)
    with pytest.raises(store.Doubt):
        await desk.do(lambda tx: store.settle(tx, [call]))
    await desk.settle_in_doubt(call)
    assert await desk.charged(call) == (100, 200)
    assert len(await desk.entries("late")) == 1
    assert await desk.reserved() == 900
    await desk.settle(ended((heir,), 900))
    assert await desk.left() == 0
    assert await desk.look("SELECT balance FROM accounts WHERE kind = 'absorbed_loss'") == [(-200,)]
    assert await desk.differences() == []


async def test_the_name_of_a_swept_lease_under_another_fence_is_another_lease(desk: Desk) -> None:
    await desk.grant(1_000)
    owner, lease, fence = await desk.lease(400)
    assert await desk.give_back((owner, lease, fence)) == 400
    again = desk.wish(400)._replace(lease=lease)
    assert (await desk.do(lambda tx: store.take(tx, again))).fence > fence
    call = ended(((owner, lease, fence),), 100)
    with pytest.raises(store.Doubt):
        await desk.do(lambda tx: store.settle(tx, [call]))
    await desk.settle_in_doubt(call)
    assert await desk.look("SELECT taken, spent FROM leases") == [(400, 0)]
    assert (await desk.left(), await desk.reserved()) == (900, 400)


async def test_a_late_call_takes_nothing_that_others_lease(desk: Desk) -> None:
    await desk.grant(100, "plan")
    await desk.grant(50, "topup")
    await desk.lease(150, process="other")
    call = ended((("usr_ann", "lse_gone", 7),), 80)
    await desk.settle(call)
    assert await desk.charged(call) == (0, 80)
    found = await desk.receipt(call)
    assert found is not None and "lease had expired" in found.note
    assert await desk.differences() == []


async def test_a_lease_pays_call_by_call_as_far_as_it_goes(desk: Desk) -> None:
    await desk.grant(1_000)
    lease = await desk.lease(100)
    calls = [ended((lease,), charge) for charge in (60, 70, 30, 20)]
    await desk.settle(*calls)
    assert await desk.look("SELECT taken, spent FROM leases") == [(100, 90)]
    assert len(await desk.entries("late")) == 2
    assert [await desk.charged(call) for call in calls] == [(60, 0), (70, 0), (30, 0), (20, 0)]
    assert (await desk.left(), await desk.reserved()) == (820, 10)
    assert await desk.differences() == []


async def test_a_charge_with_no_lease_at_all_is_late(desk: Desk) -> None:
    await desk.grant(100)
    call = ended((), 30)
    await desk.settle(call)
    assert await desk.charged(call) == (30, 0)
    assert len(await desk.entries("late")) == 1
    assert await desk.differences() == []


async def test_a_budget_whose_lease_was_swept_counts_what_it_can(desk: Desk) -> None:
    await desk.grant(1_000)
    owner = "key_1/day/2026-11-21"
    user, budget = await desk.lease(500), await desk.lease(300, owner=owner, limit=400)
    await desk.give_back(budget)
    await desk.lease(350, owner=owner, limit=400)
    call = ended((user, budget), 120)
    await desk.settle(call)
    assert await desk.charged(call) == (120, 0)
    assert await desk.pots(owner) == [("budget", 350)]
    assert await desk.differences() == []


async def test_calls_of_two_months_go_into_two_tables_by_their_ids(desk: Desk) -> None:
    await desk.grant(1_000)
    lease = await desk.lease(500)
    before, after = NOW_S - 30 * DAY_S, NOW_S + 20 * DAY_S
    calls = [ended((lease,), 10, at_s=at) for at in (before, NOW_S, after)]
    odd = ended((lease,), 5, call=CallId("req_by_hand"))
    await desk.settle(*calls, odd)
    assert await desk.database.read(store.months) == ["202612", "202611", "202610", "000000"]
    for call in (*calls, odd):
        assert await desk.receipt(call) == call.receipt
    assert len(await desk.entries("settle")) == 4
    assert await desk.differences() == []


async def test_what_each_day_used_is_summed_by_model_and_key(desk: Desk) -> None:
    await desk.grant(1_000)
    lease = await desk.lease(500)
    for _ in range(2):
        await desk.settle(*(ended((lease,), 10, cost=7) for _ in range(3)), ended((lease,), 1, at_s=NOW_S + DAY_S))
    day = int(NOW_S // DAY_S)
    assert await desk.look("SELECT * FROM usage_daily ORDER BY day") == [
        (ANN, day, "echo", "key_1", 6, 60, 42, 60, 18),
        (ANN, day + 1, "echo", "key_1", 2, 2, 0, 20, 6),
    ]


async def test_numbers_of_entries_are_committed_in_order_so_that_a_reader_misses_none(three: list[Desk]) -> None:
    desk = three[0]
    await desk.grant(1_000)
    lease = await desk.lease(900)
    seen: set[object] = set()
    cursor = 0

    async def read() -> None:
        nonlocal cursor
        if not await desk.database.read(store.months):
            return
        rows = await desk.look("SELECT call_id, entry_id FROM receipts_202611 WHERE entry_id > :after", after=cursor)
        seen.update(call for call, _ in rows)
        cursor = max([cursor, *(int(str(entry)) for _, entry in rows)])

    calls = [ended((lease,), 1) for _ in range(60)]

    async def write(first: int) -> None:
        for place in range(first, len(calls), 3):
            await three[first].settle(calls[place])
            await read()

    await asyncio.gather(*(write(first) for first in range(3)))
    await read()
    assert seen == {call.receipt.id for call in calls}


def test_the_month_is_read_from_the_id_and_nothing_else_is_believed() -> None:
    assert store.month_of(call_at(NOW_S)) == "202611"
    last_ms, first_ms = 1_798_761_599_999, 1_798_761_600_000
    assert (store.month_of(call_at(last_ms / 1000)), store.month_of(call_at(first_ms / 1000))) == ("202612", "202701")
    for odd in ("", "req_1", "req_" + "z" * 36, "req_9b2f1c4e-3d5a-4c6b-8a7d-0123456789ab", call_at()[:-1]):
        assert store.month_of(odd) == "000000"
    assert store.month_of("req_ffffffff-ffff-7000-8000-000000000000") == "000000"
