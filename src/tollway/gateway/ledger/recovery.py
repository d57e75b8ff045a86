"""Puts what dead processes left in their journals into the books, each call exactly once."""

import functools
from collections.abc import Sequence
from pathlib import Path

from tollway.core.receipt import Reason
from tollway.gateway.ledger import store
from tollway.gateway.ledger.booking import book
from tollway.gateway.ledger.journal import DeadJournal, Ended, Held, Record, dead_journals, ended
from tollway.ports import Clock, Database

BATCH = 500


async def replay(database: Database, folder: Path, clock: Clock) -> int:
    """Replay every dead process's journal and return the credit it had leased; how many calls were found."""
    calls = 0
    for dead in dead_journals(folder):
        safe = False
        try:
            calls += await _replay(database, dead, clock)
            safe = True
        finally:
            dead.close(remove=safe)
    return calls


async def _replay(database: Database, dead: DeadJournal, clock: Clock) -> int:
    calls = terminals(dead.records())
    for first in range(0, len(calls), BATCH):
        batch = calls[first : first + BATCH]
        await book(database, batch, doubtful=True)
    await database.write(functools.partial(store.bury, process=dead.process, now=clock.now_s()))
    return len(calls)


def terminals(records: Sequence[Record]) -> list[Ended]:
    """How each call ended; one that never did expired, free of charge."""
    found = {record.receipt.id: record for record in records if isinstance(record, Ended)}
    for record in records:
        if isinstance(record, Held) and record.call not in found:
            found[record.call] = ended((), record.receipt(Reason.EXPIRED))
    return list(found.values())
