"""Time as the system tells it."""

import time


class SystemClock:
    """The Clock port over the system's own clocks, which are asked without a call between."""

    now_s = staticmethod(time.time)
    """Unix seconds."""
    monotonic_s = staticmethod(time.monotonic)
    """Seconds that only go forward."""
