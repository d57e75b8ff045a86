"""The private PostgreSQL of the bench: how many transactions it has seen, and who misses it while it is frozen."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.postgres import Postgres

SETTLED_S = 1.2
"""After this long every connection has told the server's statistics what it did; it tells at most once a second."""


class Observed:
    """A server with one empty database, whose traffic can be counted."""

    def __init__(self) -> None:
        self._server = Postgres().start()
        self.url = self._server.fresh("template0")
        self._database = self.url.partition("?")[0].rpartition("/")[2]

    def transactions(self) -> int:
        """Transactions since it was made, by whomever."""
        time.sleep(SETTLED_S)
        counted = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = "
        found = self._server.run(f"{counted}'{self._database}'")[0][0]
        assert isinstance(found, int)
        return found

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Every process of the server stands still until the block is left."""
        self._server.freeze()
        try:
            yield
        finally:
            self._server.thaw()

    def close(self) -> None:
        """End the server and forget its data."""
        self._server.close()
