"""A number in a file that many processes see change at once: one mapped page, read without a system call."""

import fcntl
import mmap
import os
from pathlib import Path


class SharedCounter:
    """An unsigned 64-bit counter; created at zero, readable and writable by the file's owner only."""

    def __init__(self, path: Path) -> None:
        self._path = path
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if os.fstat(handle).st_size < 8:
                os.ftruncate(handle, 8)
            self._map = mmap.mmap(handle, 8)
        finally:
            os.close(handle)
        self._cells = memoryview(self._map).cast("Q")

    def read(self) -> int:
        """The number now. About a tenth of a microsecond."""
        return self._cells[0]

    def bump(self) -> int:
        """Add one, against every other process at once; the new number."""
        with self._path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self._cells[0] += 1
            return self._cells[0]

    def close(self) -> None:
        """Let the page go; the file stays."""
        self._cells.release()
        self._map.close()
