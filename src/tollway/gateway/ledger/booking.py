"""Brings ended calls into the books: one that cannot be written is set aside, and does not stop the others."""

import functools
import logging
from collections.abc import Sequence

from tollway.core.errors import TollwayError, Unavailable
from tollway.core.ids import CallId
from tollway.gateway.ledger import store
from tollway.gateway.ledger.journal import Ended, ended
from tollway.gateway.ledger.reduced import reduced
from tollway.gateway.ledger.unsaid import make_good
from tollway.ports import Database

log = logging.getLogger(__name__)


async def book(database: Database, calls: Sequence[Ended], *, doubtful: bool) -> set[CallId]:
    """Write terminal entries, each call at most once; which of them were charged before and had to be given back.

    Raises Unavailable: then try again, `doubtful`. A call that no database takes is found by halving, and written in
    a reduced form.
    """
    failed = await _written(database, calls, doubtful)
    if failed is None:
        return await make_good(database, calls) if doubtful else set()
    if len(calls) > 1:
        half = len(calls) // 2
        first = await book(database, calls[:half], doubtful=doubtful)
        return first | await book(database, calls[half:], doubtful=doubtful)
    (call,) = calls
    why = type(failed).__name__
    log.critical("call %s cannot be written, and is set aside in a reduced form", call.receipt.id, exc_info=failed)
    for less in (
        ended(call.draws, reduced(call.receipt, why)),
        ended((), reduced(call.receipt, why, charged=False)),
    ):
        failed = await _written(database, [less], doubtful)
        if failed is None:
            return set()
    # Not even so little can be written: then it is not this call that is wrong, and nothing may be lost.
    raise Unavailable("the books take no entry at all") from failed


async def _written(database: Database, calls: Sequence[Ended], doubtful: bool) -> Exception | None:
    """None when the calls are in the books, else what is wrong with one of them: then none of them is."""
    while True:
        try:
            await database.write(functools.partial(store.settle, calls=calls, doubtful=doubtful))
        except store.Doubt:
            doubtful = True  # somebody else has just booked one of them, or taken a lease: the next look sees it
        except TollwayError:
            raise
        except Exception as error:  # noqa: BLE001 - one call's mistake must not stop the books of all
            return error
        else:
            return None
