"""An answer that was not told because the books could not be written: free, whatever the books had come to know."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

import pytest

from tests.gateway.ledger.books import ANN, Books, bill, nano, new_call
from tests.gateway.ledger.test_recovery import die
from tollway.core.caller import Payer
from tollway.core.errors import Unavailable
from tollway.core.ids import CallId
from tollway.core.receipt import Reason
from tollway.gateway.ledger import store
from tollway.gateway.ledger.ledger import Hold, Ledger
from tollway.ports import Database, Transaction

T = TypeVar("T")


class Moody:
    """A database that does what it is told now and then, when calls are settled."""

    def __init__(self, real: Database) -> None:
        self._real = real
        self.read, self.epoch = real.read, real.epoch
        self.away = False
        """It is out of reach."""
        self.mute = 0
        """So many writes are done, and their answers lost."""
        self.slow: asyncio.Event | None = None
        """Answers to what is written wait for it."""
        self.written = asyncio.Event()

    async def write(self, work: Callable[[Transaction], T]) -> T:
        if getattr(work, "func", None) is not store.settle:
            return await self._real.write(work)
        if self.away:
            raise Unavailable("gone fishing")
        done = await self._real.write(work)
        self.written.set()
        if self.slow is not None:
            await self.slow.wait()
        if self.mute:
            self.mute -= 1
            raise Unavailable("the answer was lost")
        return done


@pytest.fixture
async def moody(books: Books) -> Moody:
    await books.give(1_000)
    return Moody(books.database)


async def started(books: Books, moody: Moody) -> Ledger:
    ledger = Ledger(moody, books.folder / "serve", books.clock)
    await ledger.start()
    return ledger


async def begun(ledger: Ledger) -> Hold:
    """A call that is being answered."""
    return await ledger.hold(Payer(ANN), nano(100), new_call())


def end(hold: Hold, charge: int = 60) -> CallId:
    """Its answer is there, and waits for the books."""
    hold.settle(bill(hold.call, charge, cost=charge // 2))
    return hold.call


async def is_free(ledger: Ledger, call: CallId) -> None:
    receipt = await ledger.receipt(call, ANN)
    assert receipt is not None
    assert (receipt.reason, receipt.charge_nano_usd, receipt.provider_cost_nano_usd) == (Reason.FAILED, 0, 30)


async def exact(books: Books, ledger: Ledger, left: int) -> None:
    """He has so much, and may spend all of it."""
    async with asyncio.timeout(20):
        await ledger.flush()
        assert (await ledger.balance(ANN)).left == left
        last = new_call()
        (await ledger.hold(Payer(ANN), nano(left), last)).settle(bill(last, left))
        await ledger.close()
    assert await books.receipts() | {last: left} == await books.receipts()
    assert (await books.pots(), await books.reserved(), await books.differences()) == ({}, 0, [])


async def test_what_is_not_written_yet_is_written_as_free(books: Books, moody: Moody) -> None:
    ledger = await started(books, moody)
    holds = [await begun(ledger) for _ in range(4)]
    told = end(holds[0], 40)
    await ledger.flush()
    moody.away = True
    calls = [end(hold) for hold in holds[1:]]
    ledger.withdraw(calls[1])
    ledger.withdraw(new_call())
    moody.away = False
    await ledger.flush()
    await is_free(ledger, calls[1])
    assert (await books.receipts())[told] == 40
    await exact(books, ledger, 840)


async def test_what_was_written_and_nobody_heard_of_it_is_given_back(books: Books, moody: Moody) -> None:
    ledger = await started(books, moody)
    hold, other = await begun(ledger), await begun(ledger)
    moody.written.clear()
    moody.mute = 1
    call, kept = end(hold), end(other, 50)
    await asyncio.wait_for(moody.written.wait(), 20)
    ledger.withdraw(call)
    await ledger.flush()
    assert await books.receipts() == {call: 60, kept: 50}
    assert await books.one("SELECT SUM(amount) FROM refunds") == 60
    await exact(books, ledger, 950)


async def test_what_is_being_written_in_this_moment_is_given_back_once(books: Books, moody: Moody) -> None:
    ledger = await started(books, moody)
    hold = await begun(ledger)
    moody.written.clear()
    moody.slow = asyncio.Event()
    call = end(hold)
    await asyncio.wait_for(moody.written.wait(), 20)
    ledger.withdraw(call)
    moody.slow.set()
    await ledger.flush()
    ledger.withdraw(call)
    await ledger.flush()
    assert await books.one("SELECT SUM(amount) FROM refunds") == 60
    await exact(books, ledger, 1_000)


@pytest.mark.parametrize("known", [False, True], ids=["not in the books", "in the books"])
async def test_a_kill_after_that_leaves_it_free(books: Books, moody: Moody, known: bool) -> None:
    ledger = await started(books, moody)
    hold = await begun(ledger)
    moody.written.clear()
    moody.away, moody.mute = not known, 1
    call = end(hold)
    if known:
        await asyncio.wait_for(moody.written.wait(), 20)
    ledger.withdraw(call)
    await die(ledger)
    moody.away, moody.mute = False, 0
    async with books.open("serve") as heir:
        assert (await heir.balance(ANN)).left == 1_000
    assert (await books.receipts())[call] == (60 if known else 0)
    assert await books.differences() == []
