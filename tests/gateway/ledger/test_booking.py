"""One call that no database takes must not stop the books: it is set aside, and every other call is written whole."""

import asyncio
import logging
from pathlib import Path

import msgspec
import pytest

from tests.gateway.ledger.books import ANN, Books, bill, nano, new_call
from tests.gateway.ledger.test_recovery import die
from tollway.core.caller import Payer
from tollway.core.errors import Unavailable
from tollway.core.ids import CallId, KeyId
from tollway.core.money import NanoUsd
from tollway.core.receipt import Receipt
from tollway.core.usage import Usage
from tollway.gateway.ledger.ledger import Ledger

TOO_MUCH = 2**63
"""One more than either database takes."""


def poisons(charge: int) -> list[Receipt]:
    """Calls that end in a way no database takes, each for another reason."""
    replace = msgspec.structs.replace
    return [
        replace(bill(new_call(), charge), provider_cost_nano_usd=NanoUsd(TOO_MUCH)),
        replace(bill(new_call(), charge), usage=Usage(input_total=TOO_MUCH)),
        replace(bill(new_call(), charge), key=KeyId("key\ud800")),
        replace(bill(new_call(), charge), started_at_s=1e300),
        replace(bill(new_call(), charge), overrun_nano_usd=NanoUsd(TOO_MUCH)),
    ]


async def settle(ledger: Ledger, receipt: Receipt) -> None:
    hold = await ledger.hold(Payer(ANN), nano(100), receipt.id)
    hold.settle(receipt)


async def kept(ledger: Ledger, call: CallId) -> Receipt:
    found = await ledger.receipt(call, ANN)
    assert found is not None
    return found


@pytest.mark.parametrize("which", range(5))
async def test_a_call_that_cannot_be_written_is_charged_all_the_same_and_the_others_are_whole(
    books: Books, caplog: pytest.LogCaptureFixture, which: int
) -> None:
    await books.give(100_000)
    poison = poisons(7)[which]
    async with books.open() as ledger, asyncio.timeout(20):
        honest = [bill(new_call(), 10) for _ in range(30)]
        for receipt in (*honest[:17], poison, *honest[17:]):
            await settle(ledger, receipt)
        await ledger.flush()
        for receipt in honest:
            assert await kept(ledger, receipt.id) == msgspec.structs.replace(receipt)
        less = await kept(ledger, poison.id)
        assert (less.charge_nano_usd, less.reason, less.usage) == (7, poison.reason, None)
        assert "could not be written" in less.note
        assert (await ledger.balance(ANN)).left == 100_000 - 307
        await settle(ledger, bill(new_call(), 1))
        await ledger.flush()
    assert await books.differences() == []
    assert await books.reserved() == 0
    if poison.key == "key_1":
        assert [record.levelno for record in caplog.records if poison.id in record.getMessage()] == [logging.CRITICAL]


async def test_it_is_found_among_others_of_its_kind(books: Books) -> None:
    await books.give(100_000)
    async with books.open() as ledger, asyncio.timeout(20):
        ended = [*poisons(5), *(bill(new_call(), 3) for _ in range(20)), *poisons(5)]
        for receipt in ended:
            await settle(ledger, receipt)
        await ledger.flush()
        assert (await ledger.balance(ANN)).left == 100_000 - 110
    assert set(await books.receipts()) == {receipt.id for receipt in ended}
    assert await books.differences() == []


async def test_a_restart_replays_what_cannot_be_written_the_same_way(books: Books) -> None:
    await books.give(100_000)
    ledger = Ledger(books.database, books.folder / "serve", books.clock)
    await ledger.start()
    ended = [*poisons(5), *(bill(new_call(), 3) for _ in range(5))]
    for receipt in ended:
        await settle(ledger, receipt)
    await die(ledger)
    for _ in range(2):
        async with books.open("serve") as heir, asyncio.timeout(20):
            assert (await heir.balance(ANN)).left == 100_000 - 40
            await settle(heir, last := bill(new_call(), 0))
            ended.append(last)
    assert set(await books.receipts()) == {receipt.id for receipt in ended}
    assert await books.differences() == []


async def test_a_record_that_nobody_can_read_is_kept_and_its_call_ends_free_of_charge(books: Books) -> None:
    await books.give(1_000)
    ledger = Ledger(books.database, books.folder / "serve", books.clock)
    await ledger.start()
    call, other = new_call(), new_call()
    await ledger.hold(Payer(ANN), nano(100), call)
    ledger._journal.store(b"\x93\xa1s\x90\xc4\x02{]")
    await settle(ledger, bill(other, 20))
    process = ledger._journal.process
    await die(ledger)
    async with books.open("serve") as heir:
        assert (await kept(heir, call)).charge_nano_usd == 0
        assert (await heir.balance(ANN)).left == 980
    left: Path = books.folder / "serve" / "unreadable" / process
    assert list(left.glob("*.journal"))
    assert await books.differences() == []


async def test_books_that_take_no_entry_at_all_lose_none_and_go_on_when_they_do(books: Books) -> None:
    """A table is gone for a while: that is no fault of the calls."""
    await books.give(1_000)
    async with books.open() as ledger, asyncio.timeout(20):
        await settle(ledger, bill(new_call(), 1))
        await ledger.flush()
        await books.database.write(lambda tx: tx.run("ALTER TABLE usage_daily RENAME TO elsewhere"))
        for _ in range(3):
            await settle(ledger, bill(new_call(), 10))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ledger.flush(), 1)
        await books.database.write(lambda tx: tx.run("ALTER TABLE elsewhere RENAME TO usage_daily"))
        await ledger.flush()
        assert (await ledger.balance(ANN)).left == 969
    assert await books.differences() == []


async def test_a_start_before_books_that_take_nothing_says_so_and_loses_nothing(books: Books) -> None:
    await books.give(1_000)
    ledger = Ledger(books.database, books.folder / "serve", books.clock)
    await ledger.start()
    await settle(ledger, bill(new_call(), 10))
    await die(ledger)
    await books.database.write(lambda tx: tx.run("ALTER TABLE usage_daily RENAME TO elsewhere"))
    with pytest.raises(Unavailable):
        await Ledger(books.database, books.folder / "serve", books.clock).start(alone=False)
    await books.database.write(lambda tx: tx.run("ALTER TABLE elsewhere RENAME TO usage_daily"))
    async with books.open("serve") as heir:
        assert (await heir.balance(ANN)).left == 990
    assert await books.differences() == []
