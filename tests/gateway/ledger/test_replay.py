"""Journals of the dead are replayed exactly once, whoever replays them, and however often that is begun anew."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.gateway.ledger.books import ANN, Books, bill, nano, new_call
from tests.gateway.ledger.test_recovery import die
from tollway.core.caller import Payer
from tollway.core.errors import Unavailable
from tollway.core.ids import CallId
from tollway.core.receipt import Reason
from tollway.gateway.ledger.journal import Journal, dead_journals
from tollway.gateway.ledger.recovery import BATCH, replay
from tollway.ports import Transaction

PAYER = Payer(ANN)
CALLS = 2 * BATCH + 30


async def died_with_calls(books: Books) -> dict[CallId, int]:
    """What a dead process's journal says its calls are to be charged; every third never ended."""
    await books.give(10**9)
    ledger = books.ledger()
    await ledger.start()
    charges = {}
    for number in range(CALLS):
        call = new_call()
        hold = ledger.try_hold(PAYER, nano(1_000), call) or await ledger.hold(PAYER, nano(1_000), call)
        charges[call] = 0
        if number % 3:
            charges[call] = hold.settle(bill(call, number % 1_000)).charge_nano_usd
    await die(ledger)
    return charges


async def test_two_processes_that_share_a_folder_replay_its_dead_once(books: Books) -> None:
    charges = await died_with_calls(books)
    folder = books.folder / "serve" / "journal"
    found = await asyncio.gather(*(replay(books.database, folder, books.clock) for _ in range(3)))
    assert sorted(found) == [0, 0, CALLS]
    assert await books.receipts() == charges
    assert list(folder.iterdir()) == []
    assert await books.reserved() == 0
    assert await books.differences() == []


class DiesHalfWay:
    """A database that is there for so many transactions, and then no more."""

    def __init__(self, books: Books, writes: int) -> None:
        self._real, self._writes = books.database, writes

    async def write(self, work: Callable[[Transaction], Any]) -> Any:
        if not self._writes:
            raise Unavailable("gone")
        self._writes -= 1
        return await self._real.write(work)


@pytest.mark.parametrize("writes", [0, 1, 2, 3])
async def test_a_replay_that_was_broken_off_is_taken_up_again(books: Books, writes: int) -> None:
    charges = await died_with_calls(books)
    folder = books.folder / "serve" / "journal"
    with pytest.raises(Unavailable):
        await replay(DiesHalfWay(books, writes), folder, books.clock)
    assert await replay(books.database, folder, books.clock) == CALLS
    assert await books.receipts() == charges
    assert await books.reserved() == 0
    assert await books.differences() == []


class Raw:
    """A record as another version stored it."""

    def __init__(self, *parts: object) -> None:
        self._parts = parts

    def packed(self) -> bytes:
        return msgspec.msgpack.encode(self._parts)


async def test_the_first_versions_journal_is_understood(books: Books, tmp_path: Path) -> None:
    await books.give(1_000)
    journal = Journal(books.folder / "serve" / "journal")
    done, lost = new_call(), new_call()
    for record in (
        Raw("h", done, ANN, 500, 1.0, "lse_1"),
        Raw("h", lost, ANN, 500, 1.0, "lse_1"),
        Raw("e", "lse_1", 7, bill(done, 420)),
    ):
        journal.append(record)  # type: ignore[arg-type]
    journal.close(remove=False)
    async with books.open() as heir:
        receipt = await heir.receipt(lost, ANN)
        assert receipt is not None and receipt.reason is Reason.EXPIRED
    assert await books.receipts() == {done: 420, lost: 0}
    assert await books.pots() == {"topup": 580}
    assert list(dead_journals(books.folder / "serve" / "journal")) == []
    assert await books.differences() == []
