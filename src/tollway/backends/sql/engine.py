"""What differs between the two databases."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from tollway.ports import Transaction


class Work(Transaction, Protocol):
    """SQL on one connection, inside one transaction."""

    announced: int
    """The number that says so to others, when the epoch is to change with the commit; else 0."""


class Engine(NamedTuple):
    """One kind of database: how it is reached, and the words in which it differs."""

    connect: Callable[[], Any]
    url: str
    """For SQLAlchemy."""
    work: Callable[[Any], Work]
    begin_write: str
    begin_read: str
    begin_schema: str
    """Waits for another replica that migrates, for as long as that takes."""
    lock_schema: tuple[str, ...]
    """Keeps other replicas and every writer out while the schema changes."""
    schema_exists: str
    """Finds a row when there is any table, `alembic_version` first."""
    errors: type[Exception]
    """Root of the driver's errors: they say that the database cannot be reached or used now …"""
    refusals: tuple[type[Exception], ...]
    """… except these, which say that the work is wrong."""
    busy: Callable[[Exception], bool]
    """Whether an error says that other writers keep the database from us, and not that it is away."""
    hang_up: Callable[[Any], None]
    """Ends a connection that another thread waits on."""
    write_s: float | None = None
    read_s: float | None = None
    """Seconds after which a piece of work is cut off, where the other side may fall silent."""
    snapshot: bool = False
    """An empty database gets `sqlite.sql` instead of every migration."""


class Epoch(Protocol):
    """The number that tells every process that something it remembers may be out of date."""

    def read(self) -> int:
        """The number now."""

    def committed(self, announced: int) -> None:
        """A transaction of ours that announced a change is in the database."""

    def listen(self) -> None:
        """Begin to hear of others, if that needs beginning. Called on the event loop, often."""

    async def close(self) -> None:
        """Hear no more."""
