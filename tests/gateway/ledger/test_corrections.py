"""An administrator takes credit back: all that no call holds, wherever it is leased, and nothing that one does."""

import pytest

from tests.gateway.ledger.books import ANN, Books, bill, nano, new_call
from tollway.core.caller import Payer
from tollway.core.errors import BadRequest
from tollway.gateway.ledger.lease import Rules
from tollway.gateway.ledger.ledger import Ledger

PROMPT = Rules(heed_s=0.05)


async def leased(books: Books, name: str) -> Ledger:
    """A gateway that has leased more than it uses."""
    ledger = books.ledger(name, PROMPT)
    await ledger.start()
    call = new_call()
    (await ledger.hold(Payer(ANN), nano(100), call)).settle(bill(call, 50))
    await ledger.flush()
    return ledger


async def test_what_lies_idle_in_leases_is_called_back(books: Books) -> None:
    await books.give(10_000)
    one, two = await leased(books, "one"), await leased(books, "two")
    assert await books.reserved() > 200
    elsewhere = books.ledger("desk", PROMPT)
    assert await elsewhere.grant(ANN, nano(-9_000), "topup", "root", "given twice")
    assert await one.grant(ANN, nano(-900), "topup", "root", "and the rest")
    assert (await one.balance(ANN)).left == 0
    for ledger in (one, two):
        await ledger.close()
    assert await books.differences() == []


async def test_what_a_call_holds_stays_his(books: Books) -> None:
    await books.give(1_000)
    impatient = PROMPT._replace(patience_s=0.3)
    ledger = books.ledger("one", impatient)
    await ledger.start()
    hold = await ledger.hold(Payer(ANN), nano(400), new_call())
    with pytest.raises(BadRequest, match="only 600 nano-dollars"):
        await books.ledger("desk", impatient).grant(ANN, nano(-601), "topup", "root", "too much")
    with pytest.raises(BadRequest, match="only 0 nano-dollars of promo"):
        await ledger.grant(ANN, nano(-1), "promo", "root", "of what he never had")
    assert await books.ledger("desk", impatient).grant(ANN, nano(-600), "topup", "root", "all that is free")
    hold.settle(bill(hold.call, 400))
    assert (await ledger.balance(ANN)).left == 0
    await ledger.close()
    assert await books.differences() == []
