"""What one key, or all keys of one user, did within the last minute and do now."""

import asyncio
from collections import deque

WINDOW_S = 60.0
RETRY_PARALLEL_S = 1.0
"""Nobody knows when a running call will end: ask again soon."""
ALL = 1 << 60
"""The share of a process that shares with nobody."""


class Use:
    """Counts exactly; refuses nobody itself."""

    __slots__ = (
        "admitted", "elsewhere", "frees_s", "left", "limit", "name", "running", "share", "task", "told_s", "told_used",
        "waiting",
    )  # fmt: skip

    def __init__(self, name: str, share: int = ALL) -> None:
        self.name = name
        self.admitted: deque[float] = deque()
        """Monotonic seconds of each request of the last minute."""
        self.running = 0
        self.share = share
        """How many requests a minute this process may admit, where several share the limit."""
        self.limit = 0
        """The whole limit, when a share was last needed."""
        self.elsewhere = 0
        """What other processes had admitted when they last said so."""
        self.left = 0
        """What we could have had more then, at once or when others give back what they had not used."""
        self.frees_s = 0.0
        """When the first of theirs is a minute old, monotonic; 0 when there is none."""
        self.waiting = 0
        """Calls that wait for a larger share."""
        self.task: asyncio.Task[None] | None = None
        """Comes to terms with the other processes."""
        self.told_used = 0
        """How much of our share we said was used."""
        self.told_s = 0.0
        """When they were last told of our share, monotonic."""

    @property
    def busy(self) -> bool:
        """There is something to remember."""
        return bool(self.running or self.admitted or self.task) or 0 < self.share < ALL

    def forget_before(self, then_s: float) -> None:
        """Forget requests that are over a minute old."""
        admitted = self.admitted
        while admitted and admitted[0] <= then_s:
            admitted.popleft()

    def frees_at_s(self, limit: int) -> float | None:
        """When there is room for one more, as far as is known; None when nothing is."""
        admitted = self.admitted
        if len(admitted) >= limit:  # once all but `limit - 1` of its requests are a minute old
            return admitted[len(admitted) - limit] + WINDOW_S
        known = [admitted[0] + WINDOW_S] if admitted else []
        return min([*known, self.frees_s] if self.frees_s else known, default=None)
