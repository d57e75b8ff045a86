"""The scripted outage of `python -m bench.outage`, in short: a real gateway, real providers, a few hundred calls."""

import asyncio

from bench.outage import NAMES, play
from bench.weather.scene import scene

QUICK = "[health]\ncooldown_s = 1.5\ncooldown_max_s = 1.5\nprobe_idle_s = 0\n"


def test_an_outage_is_survived_without_a_lost_call_and_its_end_is_noticed() -> None:
    with scene(NAMES, QUICK) as stage:
        found = asyncio.run(play(stage, 700, 70.0, late_s=2.0))
    wrong = [what for what in found.faults() if "1 %" not in what]  # of so few calls the trials alone are more
    assert wrong == [], found
    assert found.dead_asked <= 5 + 5, "so many until it is found out, and one for each rest"
    assert found.streams_cut > 0 and any(way.startswith("dead 500 > ") for way in found.tried)
