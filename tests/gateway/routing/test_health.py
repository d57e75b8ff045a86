"""Which channels rest, and for how long; and what a failing wire means."""

import pytest

from tollway.core.errors import Fault, Remedy
from tollway.core.ids import ChannelId
from tollway.gateway.routing.health import COOL_DOWN_DEFAULT_S, COOL_DOWN_MAX_S, Health
from tollway.gateway.routing.retry import fault_of
from tollway.kit.http1.wire import UpstreamError

ONE = ChannelId("one")


def fault(status: int = 429, wait_s: float | None = None) -> Fault:
    return Fault("x", status=status, remedy=Remedy.NEXT_CHANNEL, retry_after_s=wait_s)


@pytest.mark.parametrize(
    ("wait_s", "rest_s"), [(None, COOL_DOWN_DEFAULT_S), (30.0, 30.0), (86_400.0, COOL_DOWN_MAX_S), (0.0, 0.0)]
)
def test_a_limited_channel_rests_as_asked_within_bounds(wait_s: float | None, rest_s: float) -> None:
    health = Health()
    health.failed(ONE, fault(wait_s=wait_s), 100.0)
    assert health.rests_until(ONE) == 100.0 + rest_s
    assert not rest_s or not health.usable(ONE, 100.0 + rest_s - 0.1)
    assert health.usable(ONE, 100.0 + rest_s) and health.all_well


@pytest.mark.parametrize("status", [400, 401, 404, 500, 502, 503, 504])
def test_no_other_fault_makes_a_channel_rest(status: int) -> None:
    health = Health()
    health.failed(ONE, fault(status), 100.0)
    assert health.all_well and health.usable(ONE, 100.0)


def test_a_good_answer_ends_the_rest_of_its_own_channel_only() -> None:
    health = Health()
    health.failed(ONE, fault(), 100.0)
    health.answered(ChannelId("two"))
    assert not health.all_well
    health.answered(ONE)
    assert health.all_well


@pytest.mark.parametrize("phase", ["first_byte", "idle", "total"])
def test_silence_is_worth_one_more_try(phase: str) -> None:
    made = fault_of(UpstreamError(phase, "10.0.0.1 says nothing"), "one")
    assert (made.status, made.remedy) == (504, Remedy.ONCE_MORE) and "10.0.0.1" not in made.message


@pytest.mark.parametrize("phase", ["connect", "tls", "reset", "protocol", "too_large"])
def test_a_broken_wire_sends_the_call_to_the_next_channel(phase: str) -> None:
    made = fault_of(UpstreamError(phase, "10.0.0.1 refused"), "one")
    assert (made.status, made.remedy) == (502, Remedy.NEXT_CHANNEL) and "10.0.0.1" not in made.message
