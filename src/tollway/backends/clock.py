"""Time as the system tells it."""

import time


class SystemClock:
    """The Clock port over the system's own clocks."""

    def now_s(self) -> float:
        """Unix seconds."""
        return time.time()

    def monotonic_s(self) -> float:
        """Seconds that only go forward."""
        return time.monotonic()
