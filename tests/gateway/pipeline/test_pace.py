"""A stream that all but stands still is given up; one that goes on, however slowly, is not."""

import msgspec
import pytest

from tollway.core.health import HealthRules
from tollway.gateway.pipeline.pace import Pace

RULES = HealthRules(drip_characters=48.0, drip_s=120.0)


def test_a_drip_is_given_up_after_its_time() -> None:
    pace = Pace(1000, 100.0)
    assert not pace.is_drip(1047, 219.9, RULES) and pace.is_drip(1047, 220.0, RULES)


def test_whoever_says_enough_begins_anew() -> None:
    pace = Pace(0, 100.0)
    assert not pace.is_drip(48, 219.0, RULES)
    assert not pace.is_drip(60, 338.0, RULES) and pace.is_drip(60, 339.0, RULES)


@pytest.mark.parametrize(("setting", "value"), [("drip_s", 300.0), ("drip_characters", 10.0), ("drip_characters", 0.0)])
def test_how_slow_is_too_slow_is_a_setting(setting: str, value: float) -> None:
    assert Pace(0, 100.0).is_drip(20, 230.0, RULES)
    assert not Pace(0, 100.0).is_drip(20, 230.0, msgspec.structs.replace(RULES, **{setting: value}))
