"""All that Tollway needs from outside, on one page; every port has a backend inside the process."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from tollway.kit.http1.wire import Inbound, Outbound

T = TypeVar("T")
Row = tuple[Any, ...]


class Clock(Protocol):
    """Time, so that tests can hold it still."""

    def now_s(self) -> float:
        """Unix seconds."""

    def monotonic_s(self) -> float:
        """Seconds that only go forward."""


class Transaction(Protocol):
    """SQL inside one transaction, the same text on SQLite and PostgreSQL, with `:named` parameters."""

    def run(self, sql: str, **values: Any) -> list[Row]:
        """Execute one statement; its rows, if it returns any."""

    def many(self, sql: str, rows: Sequence[Mapping[str, Any]] | Sequence[Row]) -> int:
        """Execute one statement for each row of parameters; how many rows of the table changed in all.

        Rows may be tuples, all of them: values in the order of the names, each of which stands in the SQL once.
        """

    def announce(self) -> None:
        """Once this transaction is committed, `epoch` is another number in every process."""


class Database(Protocol):
    """Durable truth. Work runs off the event loop, one transaction per call, committed or rolled back whole."""

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` as one writing transaction. It may run again after a lost race: no side effects."""

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` as one reading transaction."""

    async def migrate(self) -> str | None:
        """Bring the schema forward to this version, under a lock; the version it had, None when it had none."""

    def epoch(self) -> int:
        """A number that becomes another in every process, on every host, when a transaction announces a change.

        Cheap: read on every call.
        """

    async def close(self) -> None:
        """Finish what was begun and let go."""


class KeyValue(Protocol):
    """Small facts that processes share and that may be lost: counts, shares and rests, never money.

    Every entry ends by itself `ttl_s` seconds (more than 0) after it was put. A value of more than 1 MiB is none of
    ours: nothing stands there, and nobody reads it. Every method raises Unavailable when the
    store cannot be reached in time; whether an `add` or a `swap` was done is then not known. Nothing that a caller
    waits for may wait for this.
    """

    async def get(self, name: str) -> bytes | None:
        """What stands under the name; None when nothing does. A count reads as its decimal digits."""

    async def put(self, name: str, value: bytes, ttl_s: float) -> None:
        """Let `value` stand under the name, whatever stood there."""

    async def add(self, name: str, by: int, ttl_s: float) -> int:
        """Add to the count under the name, which begins at 0; the count now.

        `ttl_s` counts from its beginning: adding does not prolong it. Raises ValueError when what stands there is no
        number, or would leave 64 bits; it stays as it was.
        """

    async def swap(self, name: str, expected: bytes | None, value: bytes | None, ttl_s: float) -> bool:
        """Put `value` (None: nothing) if `expected` (None: nothing) stands there, in one step; whether it did."""

    async def close(self) -> None:
        """Let go of every connection."""


class Sealer(Protocol):
    """Turns secrets into text that may be kept where others can read it."""

    async def seal(self, secret: bytes, context: str) -> str:
        """Text that an Opener of the same keys reads, in the same `context` only: it says what the secret is for.

        Raises Unavailable when the keys cannot be had.
        """


class Opener(Protocol):
    """Reads what a Sealer of the same keys has sealed."""

    async def open(self, sealed: str, context: str) -> bytes:
        """The secret. Raises OtherVault when keys that are not here sealed it, BrokenSeal when it was changed or
        sealed in another context, Unavailable when the keys cannot be had."""


class Vault(Sealer, Opener, Protocol):
    """Both, for whoever may do both."""


class Upstream(Protocol):
    """Reaches providers."""

    async def send(self, request: Outbound) -> Inbound:
        """Send and wait for the head of the answer. Raises UpstreamError; cancelling cuts the connection."""

    async def close(self) -> None:
        """Close every pooled connection."""
