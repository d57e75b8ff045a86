"""The sweeper ends what nobody else would, one process at a time, and says what it did."""

import asyncio

from tests.gateway.ledger.store.desk import ANN, BOB, DAY_S, TTL_S, Desk, ended
from tollway.core.ids import UserId
from tollway.gateway.ledger import store
from tollway.gateway.ledger.audit import swept


async def test_a_lease_that_ran_out_is_closed_and_the_entry_says_what_may_be_missing(desk: Desk) -> None:
    await desk.grant(1_000)
    lease = await desk.lease(400, process="dead")
    await desk.settle(ended((lease,), 150))
    assert await desk.sweep() == store.Swept(0, 0, 0, False)
    desk.now_s += TTL_S + 1
    assert await desk.sweep() == store.Swept(1, 250, 0, False)
    assert (await desk.left(), await desk.reserved()) == (850, 0)
    ((ref, author, reason),) = await desk.entries("expire")
    assert (ref, author) == (lease[1], "sweeper")
    assert reason == (
        "process dead stopped renewing the lease of usr_ann: 250 nano-dollars went back unspent;"
        " calls it ended and did not write are lost up to so much"
    )
    assert await desk.differences() == []


async def test_our_own_leases_and_renewed_ones_are_left_alone(desk: Desk) -> None:
    await desk.grant(1_000)
    await desk.lease(100, process="me")
    renewed = await desk.lease(100, process="alive")
    desk.now_s += TTL_S + 1
    await desk.do(lambda tx: store.renew(tx, [renewed[1]], "alive", desk.now_s + TTL_S))
    assert await desk.sweep("me") == store.Swept(0, 0, 0, False)
    assert await desk.reserved() == 200


async def test_of_those_that_sweep_at_once_one_does_and_the_others_let_it(three: list[Desk]) -> None:
    await three[0].grant(1_000)
    for _ in range(5):
        await three[0].lease(100, process="dead")
    for desk in three:
        desk.now_s += TTL_S + 1
    all_three = await asyncio.gather(*(desk.sweep(f"sweeper {n}") for n, desk in enumerate(three)))
    done = [one for one in all_three if one is not None]
    assert done == [store.Swept(5, 500, 0, False)]
    assert len(await three[0].entries("expire")) == 5
    assert await three[0].differences() == []


async def test_a_sweeper_that_died_is_followed_by_another_after_its_turn(desk: Desk) -> None:
    assert await desk.sweep("first") is not None
    assert await desk.sweep("first") is not None
    assert await desk.sweep("second") is None
    desk.now_s += 5
    assert await desk.sweep("second") is not None


async def test_a_sweep_and_the_settling_of_the_same_lease_agree_on_who_was_first(three: list[Desk]) -> None:
    desk, other, sweeper = three
    await desk.grant(10_000)
    leases = [await desk.lease(100, process="slow") for _ in range(20)]
    calls = [ended((lease,), 60) for lease in leases]
    sweeper.now_s += TTL_S + 1
    settling = [(desk, other)[n % 2].settle(call) for n, call in enumerate(calls)]
    await asyncio.gather(*settling[:10], sweeper.sweep(), *settling[10:])
    assert (await desk.left(), await desk.reserved()) == (10_000 - 20 * 60, 0)
    assert await desk.differences() == []


async def test_cycles_and_pots_that_ended_are_seen_to_for_everybody(desk: Desk) -> None:
    for owner in (ANN, BOB):
        new = store.Subscription(owner, "free", 500, "test", desk.now_s)
        await desk.do(lambda tx, new=new: store.subscribe(tx, new))
    await desk.grant(70, "promo", owner=UserId("usr_eve"), ref="day", expires_at=desk.now_s + DAY_S)
    desk.now_s += 31 * DAY_S
    assert await desk.sweep() == store.Swept(0, 0, 5, False)
    assert [await desk.left(owner) for owner in (ANN, BOB, "usr_eve")] == [500, 500, 0]
    assert await desk.sweep() == store.Swept(0, 0, 0, False)
    assert await desk.differences() == []


async def test_more_work_than_one_transaction_should_do_is_done_in_several(desk: Desk) -> None:
    await desk.grant(1_000_000)
    wishes = [desk.wish(1, owner=f"key_{n:03}/day/x", limit=5, process="dead") for n in range(250)]
    await desk.do(lambda tx: store.take_all(tx, wishes))
    desk.now_s += TTL_S + 1
    first, second = await desk.sweep(), await desk.sweep()
    assert (first, second) == (store.Swept(200, 200, 0, True), store.Swept(50, 50, 0, False))


async def test_the_leases_of_a_process_known_to_be_dead_are_closed_at_once(desk: Desk) -> None:
    await desk.grant(1_000)
    await desk.lease(400, process="dead")
    await desk.lease(100, process="alive")
    assert await desk.do(lambda tx: store.bury(tx, "dead", desk.now_s)) == 1
    assert await desk.do(lambda tx: store.bury(tx, "dead", desk.now_s)) == 0
    assert await desk.reserved() == 100
    ((_, _, reason),) = await desk.entries("expire")
    assert reason == "process dead is dead and its journal replayed: 400 nano-dollars of usr_ann went back"


async def test_the_audit_can_say_what_the_sweeper_did_last(desk: Desk) -> None:
    await desk.grant(1_000)
    await desk.lease(400, process="dead")
    await desk.grant(70, "promo", ref="minute", expires_at=desk.now_s + TTL_S)
    desk.now_s += TTL_S + 1
    await desk.sweep()
    done = await desk.database.read(swept)
    assert [(one.at, one.kind, one.subject, one.process) for one in done] == [
        (desk.now_s, "lapse", ANN, ""),
        (desk.now_s, "expire", done[1].subject, "sweeper"),
    ]
    assert "promo credit that expired on 2026-11-21T14:07:40" in done[0].reason
    assert await desk.database.read(lambda tx: swept(tx, 1)) == done[:1]
