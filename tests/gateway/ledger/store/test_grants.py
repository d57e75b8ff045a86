"""Credit is given once for a reference, taken back only as far as it is free, and refunded to where it came from."""

import asyncio

import pytest

from tests.gateway.ledger.store.desk import ANN, BOB, DAY_S, NOW_S, TTL_S, Desk, ended
from tollway.core.errors import BadRequest, NotFound


async def test_a_grant_is_made_once_for_its_reference_however_many_ask_at_once(three: list[Desk]) -> None:
    desk = three[0]
    owners = enumerate((ANN, BOB) * 6)
    made = await asyncio.gather(*(three[n % 3].grant(100, ref="voucher:1", owner=owner) for n, owner in owners))
    assert made.count(True) == 1
    assert await desk.left() + await desk.left(BOB) == 100
    assert await desk.differences() == []


async def test_a_grant_says_who_gave_it_and_why(desk: Desk) -> None:
    await desk.grant(100, ref="gift")
    assert await desk.entries("grant") == [("gift", "test", "to spend")]


async def test_each_promotion_is_a_pot_of_its_own(desk: Desk) -> None:
    await desk.grant(100, "promo", ref="welcome")
    await desk.grant(50, "promo", ref="friend", expires_at=NOW_S + DAY_S)
    rows = "SELECT label, balance, expires_at FROM accounts WHERE kind = 'promo' ORDER BY label"
    assert await desk.look(rows) == [("friend", 50, NOW_S + DAY_S), ("welcome", 100, None)]


async def test_what_leases_hold_cannot_be_taken_back(desk: Desk) -> None:
    await desk.grant(1_000)
    await desk.lease(700)
    with pytest.raises(BadRequest, match="only 300 nano-dollars of topup credit are free"):
        await desk.grant(-301)
    assert await desk.grant(-300)
    assert (await desk.left(), await desk.reserved()) == (700, 700)
    assert await desk.differences() == []


async def test_only_credit_of_its_kind_is_taken_back_the_last_to_be_spent_first(desk: Desk) -> None:
    await desk.grant(1_000)
    await desk.grant(30, "promo", ref="sooner", expires_at=NOW_S + DAY_S)
    await desk.grant(40, "promo", ref="later", expires_at=NOW_S + 2 * DAY_S)
    with pytest.raises(BadRequest, match="only 70 nano-dollars of promo"):
        await desk.grant(-71, "promo")
    await desk.grant(-50, "promo")
    assert await desk.pots() == [("promo", 20), ("topup", 1_000)]
    with pytest.raises(BadRequest):
        await desk.grant(-1, "plan")


async def test_a_refund_goes_back_to_the_very_pots_last_taken_first(desk: Desk) -> None:
    for kind, amount in (("plan", 40), ("promo", 30), ("topup", 100)):
        await desk.grant(amount, kind)
    call = ended((await desk.lease(150),), 100)
    await desk.settle(call)
    assert await desk.pots() == [("topup", 70)]
    assert await desk.refund(call, 20) == 20
    assert await desk.pots() == [("topup", 90)]
    assert await desk.refund(call, 25) == 25
    assert await desk.pots() == [("promo", 15), ("topup", 100)]
    assert await desk.refund(call) == 55
    assert await desk.pots() == [("plan", 40), ("promo", 30), ("topup", 100)]
    assert await desk.differences() == []


async def test_no_more_is_given_back_than_was_charged(desk: Desk) -> None:
    await desk.grant(100)
    call = ended((await desk.lease(100),), 60)
    await desk.settle(call)
    with pytest.raises(BadRequest, match="60 nano-dollars of this call's charge"):
        await desk.refund(call, 61)
    await desk.refund(call, 50)
    with pytest.raises(BadRequest, match="10 nano-dollars of this call's charge"):
        await desk.refund(call, 11)
    with pytest.raises(BadRequest):
        await desk.refund(call, -1)
    assert await desk.refund(call) == 10
    assert await desk.refund(call) == 0
    assert await desk.left() == 100


async def test_a_refund_is_made_once_for_its_reference_however_many_ask_at_once(three: list[Desk]) -> None:
    desk = three[0]
    await desk.grant(100)
    call = ended((await desk.lease(100),), 60)
    await desk.settle(call)
    assert sorted(await asyncio.gather(*(three[n % 3].refund(call, 20, ref="case 1") for n in range(5)))) == [
        0,
        0,
        0,
        0,
        20,
    ]
    assert await desk.left() == 60
    assert await desk.entries("refund") == [("case 1", "test", "sorry")]
    assert await desk.differences() == []


async def test_a_free_call_has_nothing_to_give_back_and_an_unknown_one_no_receipt(desk: Desk) -> None:
    call = ended((), 0)
    await desk.settle(call)
    assert await desk.refund(call) == 0
    with pytest.raises(NotFound, match="no receipt"):
        await desk.refund(ended((), 0))


async def test_a_refund_to_a_pot_that_has_expired_lapses(desk: Desk) -> None:
    await desk.grant(100, "promo", ref="short", expires_at=NOW_S + DAY_S)
    lease = await desk.lease(100)
    call = ended((lease,), 60)
    await desk.settle(call)
    await desk.give_back(lease)
    desk.now_s += DAY_S + TTL_S
    await desk.sweep()
    assert await desk.left() == 0
    assert await desk.refund(call) == 60
    assert await desk.pots() == [("promo", 60)]
    desk.now_s += TTL_S
    await desk.sweep()
    assert await desk.left() == 0
    assert await desk.differences() == []


async def test_no_more_is_given_than_the_numbers_of_a_database_can_count(desk: Desk) -> None:
    """SQLite would go on in fractions, and lose nano-dollars without a word."""
    most = 1 << 60
    for _ in range(4):
        assert await desk.grant(most, owner=ANN)
    for owner in (ANN, BOB):
        with pytest.raises(BadRequest, match="so much credit"):
            await desk.grant(most, owner=owner)
    assert await desk.left() == 4 * most
    assert await desk.grant(-most)
    assert await desk.grant(most, owner=BOB)
    assert await desk.differences() == []
