"""How hard a property is tried: the same examples every time, few in the gate, and many new ones by hand."""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings

LONG = "long"
FEW = 20


def effort(examples: int) -> Callable[[Any], Any]:
    """`examples` in a whole test run, a twentieth in the gate's quick profile, ten times as many new ones in `long`."""
    profile = settings.get_current_profile_name()
    times = 10 if profile == LONG else 1
    most = max(FEW, examples // 20) if profile == "quick" else examples * times
    quiet = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    return settings(max_examples=most, derandomize=profile != LONG, deadline=None, suppress_health_check=quiet)
