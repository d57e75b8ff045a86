"""What a channel and its keys may take on: exact windows, estimates that are corrected, nothing counted in vain."""

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.core.ids import ChannelId, LaneId
from tollway.core.model import Channel
from tollway.gateway.limits.lanes import LaneLimits, Place


class Way(NamedTuple):
    channel: Channel
    lane: LaneId


def way(lane: str = "a", **limits: int) -> Way:
    return Way(Channel(id=ChannelId("a"), provider="openai", base_url="https://a.example", **limits), LaneId(lane))


def placed(limits: LaneLimits, through: Way, tokens: int = 1, now_s: float = 0.0) -> Place:
    place = limits.take(through, tokens, now_s)
    assert isinstance(place, Place)
    return place


def test_a_channel_takes_so_many_requests_within_any_sixty_seconds():
    limits, through = LaneLimits(), way(rpm=2)
    placed(limits, through, now_s=0)
    placed(limits, through, now_s=10).release(0)
    assert limits.take(through, 1, 20) == 40  # a place that is given back was a request all the same
    assert limits.take(through, 1, 59.5) == 0.5
    placed(limits, through, now_s=60)
    assert limits.take(through, 1, 61) == 9


def test_a_channel_takes_so_many_calls_at_once():
    limits, through = LaneLimits(), way(parallel=1)
    place = placed(limits, through)
    assert limits.take(through, 1, 0) == 1.0
    place.release(5)
    place.release(5)  # twice is harmless
    placed(limits, through)
    assert limits.take(through, 1, 0) == 1.0


def test_tokens_are_estimated_first_and_corrected_in_the_end():
    limits, through = LaneLimits(), way(tpm=1000)
    place = placed(limits, through, 800)
    assert limits.take(through, 300, 1) == 59
    place.release(500)
    placed(limits, through, 300, 1).release(None)  # nobody knows: the estimate stands
    assert limits.take(through, 300, 2) == 58
    assert limits.headroom(through, 2) == pytest.approx(0.2)
    placed(limits, through, 300, 60)


def test_a_correction_of_what_is_forgotten_changes_nothing():
    limits, through = LaneLimits(), way(tpm=1000)
    slow = placed(limits, through, 900, 0)
    placed(limits, through, 900, 61)
    slow.release(10)
    assert limits.headroom(through, 61) == pytest.approx(0.1)
    slow.release(10)
    assert limits.headroom(through, 61) == pytest.approx(0.1)


def test_a_call_larger_than_the_limit_goes_when_nothing_else_is_there():
    limits, through = LaneLimits(), way(tpm=100)
    placed(limits, through, 5000)
    assert limits.take(through, 1, 1) == 59


def test_each_key_has_its_own_limit_within_that_of_the_channel():
    limits = LaneLimits()
    one, two = way("a#1", rpm=3, key_rpm=2), way("a#2", rpm=3, key_rpm=2)
    placed(limits, one)
    placed(limits, one)
    assert limits.take(one, 1, 0) == 60
    placed(limits, two)
    assert limits.take(two, 1, 5) == 55  # the channel's own
    assert limits.headroom(one, 5) == limits.headroom(two, 5) == 0


def test_what_does_not_fit_counts_for_nothing():
    limits = LaneLimits()
    one, two = way("a#1", rpm=2, key_rpm=1), way("a#2", rpm=2, key_rpm=1)
    placed(limits, one)
    for _ in range(5):
        assert limits.take(one, 1, 0) == 60
    placed(limits, two)


def test_a_channel_without_limits_has_all_the_room_there_is():
    limits = LaneLimits()
    assert limits.headroom(way(), 0) == 1.0
    placed(limits, way(), 10**9).release(0)


STEPS = st.lists(
    st.tuples(st.floats(0, 30), st.integers(0, 120), st.none() | st.integers(0, 150), st.booleans()), max_size=40
)


@given(STEPS)
def test_no_window_of_a_minute_ever_holds_more_than_the_limit(steps: list[tuple[float, int, int | None, bool]]) -> None:
    limits, through = LaneLimits(), way(rpm=5, tpm=300, parallel=3)
    now_s, running = 0.0, list[Place]()
    taken: list[float] = []
    for after_s, tokens, used, ends in steps:
        now_s += after_s
        place = limits.take(through, tokens, now_s)
        if isinstance(place, Place):
            taken.append(now_s)
            running.append(place)
        assert sum(1 for at_s in taken if at_s > now_s - 60) <= 5
        assert len(running) <= 3
        if running and ends:
            running.pop(0).release(used)
        assert 0.0 <= limits.headroom(through, now_s) <= 1.0
    for place in running:
        place.release(0)
    assert limits.headroom(through, now_s + 61) == 1.0
