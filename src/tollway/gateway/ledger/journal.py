"""The journal of one process: records that outlive `kill -9`, in mapped files that cost no system call to write.

A record is `length, checksum, payload`. Storing it is a copy into a mapped, already allocated page, so it is in the
kernel's hands when `append` returns. The checksum is seeded with the segment's generation: what an earlier life of
the same file left behind the last record can never be mistaken for one.
"""

import fcntl
import logging
import mmap
import os
import secrets
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import msgspec

from tollway.core.ids import CallId, KeyId, LeaseId, UserId
from tollway.core.money import NanoUsd
from tollway.core.receipt import Reason, Receipt
from tollway.gateway.ledger.lease import Draw
from tollway.gateway.ledger.reduced import reduced

SEGMENT_BYTES = 4 << 20
SPARES = 2
"""Clean segments kept for the next rotation."""
HEAD = struct.Struct("<8sQ")
FRAME = struct.Struct("<II")
MAGIC = b"tollway1"
log = logging.getLogger(__name__)
_frame = FRAME.pack_into


class Held(msgspec.Struct, frozen=True, tag="h", array_like=True, gc=False):
    """A call took a hold."""

    call: CallId
    user: UserId
    amount: NanoUsd
    at_s: float

    def packed(self) -> bytes:
        """As it is stored."""
        return _encode(self)

    def receipt(self, reason: Reason) -> Receipt:
        """The receipt of a call of which nothing but its hold is known."""
        return Receipt(
            id=self.call,
            user=self.user,
            key=KeyId(""),
            reason=reason,
            surface="",
            model="",
            asked="",
            stream=False,
            started_at_s=self.at_s,
            duration_ms=0,
            hold_nano_usd=self.amount,
        )


class Ended(msgspec.Struct, frozen=True, gc=False):
    """A call came to its terminal entry, settled or released."""

    draws: tuple[Draw, ...]
    """The leases the charge is drawn from: the user's, then those of budgets; none for a call found dead."""
    receipt: Receipt
    body: bytes
    """The receipt as JSON: encoded once, for the journal and for the database."""

    def packed(self) -> bytes:
        """As it is stored."""
        return _encode(("s", self.draws, self.body))


class _Stored(msgspec.Struct, tag="s", array_like=True):
    draws: tuple[Draw, ...]
    body: bytes


class _StoredBefore(msgspec.Struct, tag="e", array_like=True):
    """An ended call as the first version stored it; its leases were closed when the books were brought forward."""

    lease: LeaseId
    fence: int
    receipt: Receipt


Record = Held | Ended
write_receipt = msgspec.json.Encoder().encode
_read_receipt = msgspec.json.Decoder(Receipt).decode
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Held | _Stored | _StoredBefore).decode


def pack_held(call: CallId, user: str, amount: NanoUsd, at_s: float) -> bytes:
    """A `Held` as it is stored, without making one."""
    return _encode(("h", call, user, amount, at_s))


def ended(draws: tuple[Draw, ...], receipt: Receipt) -> Ended:
    """How a call ended, its receipt written out."""
    try:
        return Ended(draws, receipt, write_receipt(receipt))
    except (ValueError, TypeError, OverflowError) as error:  # half a character in a name, say
        less = reduced(receipt, type(error).__name__)
        return Ended(draws, less, write_receipt(less))


def _unpacked(payload: bytes) -> Record:
    stored = _decode(payload)
    if isinstance(stored, _Stored):
        return Ended(stored.draws, _read_receipt(stored.body), stored.body)
    return ended((), stored.receipt) if isinstance(stored, _StoredBefore) else stored


class Segment:
    """One mapped file. It is needed while a hold in it is open or a terminal in it is not yet in the database."""

    __slots__ = ("_map", "at", "path", "seed", "size", "waiting")

    def __init__(self, path: Path, size: int, generation: int) -> None:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            _allocate(handle, size)
            self._map = mmap.mmap(handle, size)
        except OSError:
            path.unlink()  # a full disk must not fill with the names of files it had no room for
            raise
        finally:
            os.close(handle)
        self.path, self.size = path, size
        self.reuse(generation)

    def reuse(self, generation: int) -> None:
        """Begin a new life: everything written before is void."""
        self._map[: HEAD.size] = HEAD.pack(MAGIC, generation)
        self.seed, self.at, self.waiting = generation & 0xFFFFFFFF, HEAD.size, 0

    def write(self, payload: bytes) -> bool:
        """Store one record; False when it does not fit."""
        size, at = len(payload), self.at
        end = at + 8 + size
        if end > self.size:
            return False
        _frame(self._map, at, size, crc32(payload, self.seed))
        self._map[at + 8 : end] = payload
        self.at = end
        return True

    def unmap(self) -> None:
        """Let the file go; it stays."""
        self._map.close()


def _allocate(handle: int, size: int) -> None:
    """Real blocks, not a hole: a full disk must refuse here, not kill us on a later write to the page."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, 0, size)
    else:
        os.write(handle, bytes(size))


class Journal:
    """Writes this process's records; its folder is locked for as long as the process lives."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._lock = _new_folder(folder)
        self.process = self._folder.name
        self._generation = 0
        self._spare: list[Segment] = []
        self._segments: set[Segment] = set()
        self._current = self._next(SEGMENT_BYTES)

    def append(self, record: Record) -> Segment:
        """Store a record; it survives this process from here on. The segment waits until told it is `done`."""
        return self.store(record.packed())

    def store(self, payload: bytes) -> Segment:
        """Store a record that is packed already."""
        segment = self._current
        if not segment.write(payload):
            segment = self._rotate(len(payload))
            segment.write(payload)
        segment.waiting += 1
        return segment

    def done(self, segment: Segment, records: int = 1) -> None:
        """So many records of the segment need it no longer; with the last one it is free to be used again."""
        segment.waiting -= records
        if not segment.waiting and segment is not self._current:
            self._free(segment)

    def close(self, *, remove: bool) -> None:
        """Let go of the folder. Removed only when everything in it is in the database."""
        for segment in (*self._segments, *self._spare):
            segment.unmap()
        if remove:
            shutil.rmtree(self._folder, ignore_errors=True)
        os.close(self._lock)

    def _rotate(self, payload: int) -> Segment:
        full, self._current = self._current, self._next(max(SEGMENT_BYTES, payload + HEAD.size + FRAME.size))
        if not full.waiting:
            self._free(full)
        return self._current

    def _next(self, size: int) -> Segment:
        self._generation += 1
        if self._spare and size == SEGMENT_BYTES:
            segment = self._spare.pop()
            segment.reuse(self._generation)
        else:
            segment = Segment(self._folder / f"{self._generation:08d}.journal", size, self._generation)
        self._segments.add(segment)
        return segment

    def _free(self, segment: Segment) -> None:
        self._segments.discard(segment)
        if len(self._spare) < SPARES and segment.size == SEGMENT_BYTES:
            self._spare.append(segment)
        else:
            segment.unmap()
            segment.path.unlink()


class DeadJournal:
    """What a process that is no more left behind, locked by us so that nobody else replays it."""

    def __init__(self, folder: Path, lock: int) -> None:
        self.process = folder.name
        self._folder, self._lock = folder, lock
        self._unreadable = 0

    def records(self) -> list[Record]:
        """Every whole record, in the order written. What nobody can read is left out, and kept as it is."""
        lives = sorted(_life(path) for path in self._folder.glob("*.journal"))
        found: list[Record] = []
        for payload in (payload for _, path in lives for payload in _payloads(path)):
            try:
                found.append(_unpacked(payload))
            except msgspec.DecodeError as error:
                self._unreadable += 1
                log.critical("a record of a dead process cannot be read: %s", error)
        return found

    def close(self, *, remove: bool) -> None:
        """Unlock; remove the folder when its records are safe in the database: to `unreadable` where some are not."""
        if remove and self._unreadable:
            kept = self._folder.parent.with_name("unreadable")
            kept.mkdir(mode=0o700, exist_ok=True)
            self._folder.rename(kept / self.process)
            log.critical("%d unreadable records are kept in %s", self._unreadable, kept / self.process)
        elif remove:
            shutil.rmtree(self._folder, ignore_errors=True)
        os.close(self._lock)


def dead_journals(folder: Path) -> Iterator[DeadJournal]:
    """Journals whose process lives no more; the caller closes each."""
    for left in sorted(folder.iterdir()) if folder.is_dir() else ():
        lock = _lock(left) if left.is_dir() else None
        if lock is not None:
            yield DeadJournal(left, lock)


def _new_folder(folder: Path) -> tuple[Path, int]:
    """A folder of our own and its lock; another's start may mistake a new one for a dead one, so try again."""
    for _ in range(9):
        made = folder / secrets.token_hex(8)
        made.mkdir(parents=True, mode=0o700)
        lock = _lock(made)
        if lock is not None:
            return made, lock
    raise OSError(f"no folder made in {folder} stays ours")


def _lock(folder: Path) -> int | None:
    """An exclusive lock that ends with the process that holds it; None when another has it."""
    try:
        handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def _life(path: Path) -> tuple[int, Path]:
    with path.open("rb") as file:
        head = file.read(HEAD.size)
    magic, generation = HEAD.unpack(head) if len(head) == HEAD.size else (b"", 0)
    return (generation if magic == MAGIC else 0), path


def _payloads(path: Path) -> Iterator[bytes]:
    """Payloads up to the first that is not whole."""
    generation, _ = _life(path)
    whole = path.read_bytes()
    at = HEAD.size
    while generation and at + FRAME.size <= len(whole):
        length, checksum = FRAME.unpack_from(whole, at)
        payload = whole[at + FRAME.size : at + FRAME.size + length]
        if not length or len(payload) < length or crc32(payload, generation & 0xFFFFFFFF) != checksum:
            return
        yield payload
        at += FRAME.size + length
