"""Beats for every open stream from one timer: keeps idle callers warm, lets go of providers that linger."""

from typing import Protocol


class Beating(Protocol):
    """A stream that is open."""

    def beat(self, now_s: float, every_s: float) -> None:
        """Look once: `now_s` in monotonic seconds, `every_s` the longest silence a caller should hear."""


class Heart:
    """The streams that are open now."""

    def __init__(self) -> None:
        self._open: set[Beating] = set()
        self.add, self.discard = self._open.add, self._open.discard

    def __len__(self) -> int:
        return len(self._open)

    def beat(self, now_s: float, every_s: float) -> None:
        """Look at every open stream once."""
        for stream in tuple(self._open):
            stream.beat(now_s, every_s)
