"""Gives credit, and takes it back also where it lies idle in the leases of some process."""

import asyncio
import functools

from tollway.gateway.ledger import store
from tollway.gateway.ledger.leasing import Leasing
from tollway.ports import Database

AGAIN_S = 0.1
"""Between two looks whether what was called back is there."""


async def granted(gift: store.Grant, database: Database, leasing: Leasing, patience_s: float) -> bool:
    """Make a grant; False when one with its reference was made before.

    Where leases hold what is to be taken back, every process is asked to return what is idle, and given `patience_s`.
    Raises BadRequest when calls hold it, or when there never was so much.
    """
    loop = asyncio.get_running_loop()
    until_s = loop.time() + patience_s
    while True:
        try:
            return await database.write(functools.partial(store.grant, new=gift))
        except store.CreditHeld:
            if loop.time() >= until_s:
                raise
        await database.write(functools.partial(store.recall, owner=gift.owner, at=gift.at))
        account = leasing.accounts.get(gift.owner)
        if account is not None:
            leasing.call_back(account, gift.at)
        await asyncio.sleep(AGAIN_S)
