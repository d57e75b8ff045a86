"""Histograms of durations: whole milliseconds in, buckets in seconds out."""

from bisect import bisect_left
from itertools import accumulate

ANSWERS_MS = (50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 20_000, 30_000, 60_000, 120_000, 300_000)
"""Upper edges for whole calls. They go beyond what an alert asks for: a quantile cannot be seen above the last edge."""
FIRST_WORDS_MS = (50, 100, 250, 500, 750, 1_000, 1_500, 2_000, 3_000, 5_000, 10_000, 20_000, 30_000, 60_000)
"""Upper edges for the time to the first word of a stream."""


class Times:
    """One histogram. Its hot part is written out by those who count many: `counts[bisect_left(edges, ms)] += 1`."""

    __slots__ = ("counts", "edges", "total_ms")

    def __init__(self, edges: tuple[int, ...]) -> None:
        self.edges = edges
        self.counts = [0] * (len(edges) + 1)
        """By bucket, the last for what is above every edge."""
        self.total_ms = 0

    def took(self, milliseconds: int) -> None:
        """One more, and how long it took."""
        self.counts[bisect_left(self.edges, milliseconds)] += 1
        self.total_ms += milliseconds

    def add(self, other: "Times") -> None:
        """All that `other`, of the same edges, has counted."""
        self.counts = [mine + its for mine, its in zip(self.counts, list(other.counts), strict=True)]
        self.total_ms += other.total_ms

    @property
    def buckets(self) -> list[tuple[str, float]]:
        """(upper edge in seconds, how many were no longer), ending with `+Inf`."""
        edges = [*(f"{edge / 1000:g}" for edge in self.edges), "+Inf"]
        return list(zip(edges, map(float, accumulate(self.counts)), strict=True))
