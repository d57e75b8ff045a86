"""Leases reserve; together they never hold more than there is."""

import asyncio

from tests.gateway.ledger.store.desk import ANN, BOB, TTL_S, Desk, ended
from tollway.gateway.ledger import store


async def test_a_lease_moves_no_money_and_giving_it_back_neither(desk: Desk) -> None:
    await desk.grant(1_000)
    before = await desk.look("SELECT COUNT(*) FROM entries")
    draw = await desk.lease(400)
    assert (await desk.left(), await desk.reserved()) == (1_000, 400)
    assert await desk.give_back(draw, 150) == 150
    assert (await desk.left(), await desk.reserved()) == (1_000, 250)
    assert await desk.give_back(draw) == 250
    assert (await desk.left(), await desk.reserved()) == (1_000, 0)
    assert await desk.look("SELECT COUNT(*) FROM entries") == before
    assert await desk.look("SELECT COUNT(*) FROM leases") == [(0,)]


async def test_the_sum_of_leases_never_exceeds_the_balance(three: list[Desk]) -> None:
    desk = three[0]
    await desk.grant(1_000)
    asked = [desk.wish(300, process=f"p{n}") for n in range(20)]
    taking = [three[n % 3].do(lambda tx, wish=wish: store.take(tx, wish)) for n, wish in enumerate(asked)]
    taken = await asyncio.gather(*taking)
    assert sorted(got.amount for got in taken) == [0] * 17 + [300] * 3
    assert await desk.reserved() == 900
    assert {got.rest for got in taken if not got.amount} == {100}
    assert await desk.differences() == []


async def test_a_lease_ahead_of_need_is_a_quarter_of_what_is_left_at_most(desk: Desk) -> None:
    await desk.grant(1_000)
    first = await desk.do(lambda tx: store.take(tx, desk.wish(10, want=5_000)))
    second = await desk.do(lambda tx: store.take(tx, desk.wish(10, want=5_000)))
    small = await desk.do(lambda tx: store.take(tx, desk.wish(10, want=50)))
    assert (first.amount, second.amount, small.amount) == (250, 187, 50)
    needy = await desk.do(lambda tx: store.take(tx, desk.wish(500)))
    assert needy.amount == 500 and needy.rest == 13


async def test_what_waiting_calls_need_is_leased_together_as_far_as_it_goes(desk: Desk) -> None:
    await desk.grant(1_000)
    wish = desk.wish(10)._replace(waiting=700)
    assert (await desk.do(lambda tx: store.take(tx, wish))).amount == 700
    assert (await desk.do(lambda tx: store.take(tx, desk.wish(10)._replace(waiting=700)))).amount == 300


async def test_a_lease_is_extended_under_its_fence_and_not_under_another(desk: Desk) -> None:
    await desk.grant(1_000)
    owner, lease, fence = await desk.lease(100)
    more = desk.wish(50)._replace(lease=lease, fence=fence, expires_at=desk.now_s + 2 * TTL_S)
    assert (await desk.do(lambda tx: store.take(tx, more))).amount == 50
    assert await desk.look("SELECT taken, expires_at FROM leases") == [(150, desk.now_s + 2 * TTL_S)]
    zombie = more._replace(fence=fence + 1)
    assert (await desk.do(lambda tx: store.take(tx, zombie))).amount == store.LOST
    assert await desk.give_back((owner, lease, fence + 1)) == 0
    assert await desk.reserved() == 150


async def test_who_finds_too_little_recalls_what_others_lease(desk: Desk) -> None:
    await desk.grant(1_000)
    await desk.lease(900, process="one")
    refused = await desk.do(lambda tx: store.take(tx, desk.wish(500, process="two")))
    assert (refused.amount, refused.fence, refused.rest, refused.elsewhere) == (0, 0, 100, 900)
    since = desk.now_s - 1
    assert await desk.do(lambda tx: store.recalled(tx, "one", since)) == [ANN]
    assert await desk.do(lambda tx: store.recalled(tx, "two", since)) == []
    assert await desk.do(lambda tx: store.recalled(tx, "one", desk.now_s + 1)) == []


async def test_nobody_is_asked_for_what_would_not_suffice(desk: Desk) -> None:
    await desk.grant(1_000)
    await desk.lease(900, process="one")
    await desk.do(lambda tx: store.take(tx, desk.wish(1_001, process="two")))
    assert await desk.do(lambda tx: store.recalled(tx, "one", 0.5)) == []


async def test_only_the_leases_it_names_are_renewed_so_a_lost_one_dies_of_age(desk: Desk) -> None:
    await desk.grant(1_000)
    kept, lost, foreign = await desk.lease(100), await desk.lease(100), await desk.lease(100, process="two")
    later = desk.now_s + 100
    named = [kept[1], foreign[1]]
    assert await desk.do(lambda tx: store.renew(tx, named, "one", later)) == {kept[1]}
    assert await desk.do(lambda tx: store.renew(tx, [], "one", later)) == set()
    desk.now_s += TTL_S + 1
    await desk.sweep()
    assert await desk.look("SELECT id FROM leases") == [(kept[1],)]
    assert await desk.give_back(lost) == 0


async def test_several_owners_are_leased_at_once_each_for_itself(desk: Desk) -> None:
    await desk.grant(1_000, owner=BOB)
    wishes = [desk.wish(100, owner=BOB), desk.wish(100, owner=ANN), desk.wish(100, owner="key_1/day/x", limit=300)]
    taken = await desk.do(lambda tx: store.take_all(tx, wishes))
    assert [got.amount for got in taken] == [100, 0, 100]
    assert await desk.differences() == []


async def test_a_budget_holds_its_limit_and_no_more(desk: Desk) -> None:
    await desk.grant(1_000)
    user = await desk.lease(1_000)
    budget = await desk.lease(200, owner="key_1/day/2026-11-21", limit=500)
    refused = await desk.do(lambda tx: store.take(tx, desk.wish(301, owner="key_1/day/2026-11-21", limit=500)))
    assert (refused.amount, refused.rest) == (0, 300)
    await desk.settle(ended((user, budget), 150))
    assert await desk.pots("key_1/day/2026-11-21") == [("budget", 350)]
    assert await desk.pots() == [("topup", 850)]
    assert await desk.look("SELECT balance FROM accounts WHERE id IN (6, 7) ORDER BY id") == [(-500,), (150,)]
    assert await desk.differences() == []


async def test_a_changed_limit_is_followed_but_never_below_what_leases_hold(desk: Desk) -> None:
    owner = "key_1/month/2026-11"

    async def look(limit: int) -> int:
        return (await desk.do(lambda tx: store.take(tx, desk.wish(10**6, owner=owner, limit=limit)))).rest

    lease = await desk.lease(200, owner=owner, limit=500)
    assert await look(600) == 400
    assert await look(250) == 50
    assert await look(100) == 0
    assert await desk.pots(owner) == [("budget", 200)]
    await desk.give_back(lease, 150)
    assert await look(100) == 50
    assert await desk.pots(owner) == [("budget", 100)]
    assert await desk.look("SELECT allowed FROM purses WHERE owner = :o", o=owner) == [(100,)]
    assert await desk.differences() == []
