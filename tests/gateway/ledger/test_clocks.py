"""Clocks that are set back, and hosts whose clocks differ: leases go on being kept, and every call ends once."""

from tests.gateway.ledger.books import ANN, Books, StillClock, bill, nano, new_call
from tollway.core.caller import Payer
from tollway.gateway.ledger.ledger import Ledger

HOUR_S = 3_600.0


async def host(books: Books, name: str, ahead_s: float = 0.0) -> tuple[Ledger, StillClock]:
    """A started ledger with a clock of its own, and that clock."""
    clock = StillClock(books.clock.at_s + ahead_s)
    ledger = Ledger(books.database, books.folder / name, clock)
    await ledger.start()
    return ledger, clock


async def test_a_clock_set_back_is_not_believed_to_have_renewed_a_lease(books: Books) -> None:
    await books.give(1_000)
    ledger, clock = await host(books, "one")
    (await ledger.hold(Payer(ANN), nano(100), new_call())).release(bill(new_call(), 0))
    clock.at_s -= HOUR_S
    await ledger.tend()
    assert await books.one("SELECT MIN(expires_at) FROM leases") == clock.at_s + 60
    clock.at_s += 51
    assert ledger.try_hold(Payer(ANN), nano(1), new_call()) is None, "what nobody renewed is not trusted"
    await ledger.close()
    assert await books.differences() == []


async def test_a_sweeper_whose_clock_is_ahead_and_who_died_holds_no_other_up(books: Books) -> None:
    await books.give(1_000)
    early, _ = await host(books, "ahead", HOUR_S)
    await early.sweep()
    orphan, clock = await host(books, "orphan")
    await orphan.hold(Payer(ANN), nano(100), new_call())
    heir, later = await host(books, "heir", 61)
    assert await books.reserved() == 0, "the start of another sweeps what the orphan left"
    for ledger in (early, orphan, heir):
        await ledger.close()
    assert later.at_s > clock.at_s
    assert await books.differences() == []


async def test_hosts_an_hour_apart_take_each_others_leases_and_charge_every_call_once(books: Books) -> None:
    await books.give(1_000)
    behind, _ = await host(books, "behind", -HOUR_S)
    right, _ = await host(books, "right")
    calls = [new_call() for _ in range(20)]
    for number, call in enumerate(calls):
        ledger = (behind, right)[number % 2]
        hold = await ledger.hold(Payer(ANN), nano(60), call)
        await right.sweep()
        hold.settle(bill(call, 40))
        await ledger.flush()
    charged = await books.receipts()
    assert [charged[call] for call in calls] == [40] * 20
    for ledger in (behind, right):
        await ledger.close()
    assert (await books.pots(), await books.reserved()) == ({"topup": 200}, 0)
    assert await books.differences() == []
