"""Looks at the books while everything happens: what must hold at every moment, and not only at the end."""

import asyncio
import contextlib
import sqlite3

import psycopg

from bench.books.storage import Storage

EVERY_S = 0.6
ALWAYS = (
    (
        "at {at}: the leases of {0} may spend {1}, reserved are {2}",
        "SELECT p.owner, COALESCE(l.unspent, 0), p.reserved FROM purses p LEFT JOIN"
        " (SELECT owner, SUM(taken - spent) AS unspent FROM leases GROUP BY owner) l ON l.owner = p.owner"
        " WHERE p.reserved <> COALESCE(l.unspent, 0)",
    ),
    (
        "at {at}: the leases of {0} may spend {1}, it has {2}",
        "SELECT p.owner, p.reserved, SUM(a.balance) FROM purses p JOIN accounts a ON a.owner = p.owner"
        " GROUP BY p.owner, p.reserved HAVING p.reserved > SUM(a.balance)",
    ),
    (
        "at {at}: account {0} of {1} is overdrawn: {2}",
        "SELECT id, owner, balance FROM accounts WHERE owner <> 'hub' AND balance < 0",
    ),
)
"""One statement each, so that it sees one moment: (what is wrong, the rows for which it is)."""
MOST = 5


class Watch:
    """Looks again and again; what it found stands in `found`."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.found: list[str] = []
        self.looks = 0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            with contextlib.suppress(sqlite3.OperationalError, psycopg.OperationalError):  # it may be away just now
                await asyncio.to_thread(self._look)

    def _look(self) -> None:
        with self._storage.reader() as reader:
            for words, sql in ALWAYS:
                wrong = reader.run(sql)
                self.found += [words.format(*row, at=f"look {self.looks}") for row in wrong[:MOST]]
            self.looks += 1
