"""The audit finds what was tampered with, and says where."""

import pytest

from tests.gateway.ledger.books import ANN, BOB, Books, bill, nano, new_call
from tollway.core.caller import Payer


async def lived_in(books: Books) -> None:
    """Books with grants, charges, an overrun, a free call and an open lease."""
    for user in (ANN, BOB):
        await books.give(10_000, user)
    async with books.open() as ledger:
        for user, charge in ((ANN, 100), (ANN, 0), (BOB, 300), (BOB, 700)):
            call = new_call()
            hold = await ledger.hold(Payer(user), nano(600), call)
            hold.settle(bill(call, charge, user=user, cost=charge // 2))


TAMPERED = {
    "UPDATE accounts SET balance = balance + 1 WHERE kind = 'topup' AND owner = 'usr_ann'": "its postings say",
    "UPDATE postings SET amount = amount + 1 WHERE account_id = 2 AND amount = 100": "does not add up to zero",
    "DELETE FROM postings WHERE account_id = 2 AND amount = 100": "does not add up to zero",
    "DELETE FROM entries WHERE kind = 'settle' AND id = (SELECT MAX(id) FROM entries WHERE kind = 'settle')": "belongs",
    "UPDATE receipts SET charge = charge + 1 WHERE charge = 100": "by its receipt",
    "UPDATE receipts SET cost = cost + 1 WHERE charge = 100": "the providers are owed",
    "DELETE FROM receipts WHERE charge = 100": "has an entry and no receipt",
    "UPDATE leases SET state = 'open', from_topup = from_topup + 5": "the open leases' unspent",
    "INSERT INTO entries (id, kind, ref, at) SELECT 999, kind, ref, at FROM entries WHERE kind = 'settle'"
    " LIMIT 1": "terminal entries",
}


@pytest.mark.parametrize("statement", TAMPERED)
async def test_tampering_is_found(books: Books, statement: str) -> None:
    await lived_in(books)
    assert await books.differences() == []
    await books.database.write(lambda tx: tx.run(statement))
    differences = await books.differences()
    assert any(TAMPERED[statement] in difference for difference in differences), differences
