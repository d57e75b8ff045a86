"""The KeyValue port inside one process: nothing to install, shared with nobody else."""

from typing import NamedTuple

from tollway.ports import Clock

MOST = 100_000
"""Names at once; the one that was begun longest ago is forgotten first."""
MOST_BYTES = 1 << 20
"""A longer value is none of ours."""
INT64 = range(-(2**63), 2**63)


class Entry(NamedTuple):
    """What stands under a name, and until when (monotonic seconds)."""

    value: bytes
    ends_at_s: float


class Shelf:
    """Values that end by themselves. Bounded: what did not end yet may be forgotten for want of room."""

    def __init__(self, clock: Clock, most: int = MOST) -> None:
        self._clock, self._most = clock, most
        self._entries: dict[str, Entry] = {}
        self._sweep_at = 1024

    def __len__(self) -> int:
        return len(self._entries)

    async def get(self, name: str) -> bytes | None:
        """See KeyValue."""
        entry = self._standing(name)
        return entry.value if entry is not None else None

    async def put(self, name: str, value: bytes, ttl_s: float) -> None:
        """See KeyValue."""
        self._keep(name, value, self._end(ttl_s))

    async def add(self, name: str, by: int, ttl_s: float) -> int:
        """See KeyValue."""
        end = self._end(ttl_s)
        entry = self._standing(name)
        count = by + (0 if entry is None else _number(entry.value))
        if by not in INT64 or count not in INT64:
            raise ValueError("a count stays within 64 bits")
        self._keep(name, b"%d" % count, end if entry is None else entry.ends_at_s)
        return count

    async def swap(self, name: str, expected: bytes | None, value: bytes | None, ttl_s: float) -> bool:
        """See KeyValue."""
        end = self._end(ttl_s)
        entry = self._standing(name)
        if (entry.value if entry is not None else None) != expected:
            return False
        if value is None:
            self._entries.pop(name, None)
        else:
            self._keep(name, value, end)
        return True

    async def close(self) -> None:
        """See KeyValue."""
        self._entries.clear()

    def _standing(self, name: str) -> Entry | None:
        entry = self._entries.get(name)
        if entry is not None and (len(entry.value) > MOST_BYTES or entry.ends_at_s <= self._clock.monotonic_s()):
            del self._entries[name]
            return None
        return entry

    def _end(self, ttl_s: float) -> float:
        if not ttl_s > 0:
            raise ValueError("an entry must last for some time")
        return self._clock.monotonic_s() + ttl_s

    def _keep(self, name: str, value: bytes, ends_at_s: float) -> None:
        if name not in self._entries and len(self._entries) >= self._sweep_at:
            self._sweep()
        self._entries[name] = Entry(value, ends_at_s)

    def _sweep(self) -> None:
        """Forget what has ended, and what is too much."""
        now_s = self._clock.monotonic_s()
        self._entries = {name: entry for name, entry in self._entries.items() if entry.ends_at_s > now_s}
        while len(self._entries) >= self._most:
            del self._entries[next(iter(self._entries))]
        self._sweep_at = min(self._most, max(1024, 2 * len(self._entries)))


def _number(value: bytes) -> int:
    """A count as `add` and Redis write it, and nothing else that Python would take for one."""
    try:
        number = int(value)
    except ValueError:
        number = None
    if number is None or number not in INT64 or b"%d" % number != value:
        raise ValueError("what stands there is no count")
    return number


def key_value(_url: str, clock: Clock) -> Shelf:
    """`memory://`."""
    return Shelf(clock)
