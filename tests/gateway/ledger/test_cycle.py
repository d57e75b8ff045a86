"""A plan's cycles keep to the anchor's day of the month, whatever the months are like."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.gateway.ledger.cycle import cycle, first_day

TIMES = st.integers(1_577_836_800, 4_070_908_800).map(float)
"""From 2020 to 2098."""


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


STARTS = {
    ("2026-01-31", "2026-02-10"): ("2026-01-31", "2026-02-28"),
    ("2026-01-31", "2026-02-28"): ("2026-02-28", "2026-03-31"),
    ("2026-01-31", "2026-03-30"): ("2026-02-28", "2026-03-31"),
    ("2026-01-31", "2026-03-31"): ("2026-03-31", "2026-04-30"),
    ("2026-01-30", "2026-03-01"): ("2026-02-28", "2026-03-30"),
    ("2026-01-29", "2026-02-28"): ("2026-02-28", "2026-03-29"),
    ("2026-01-28", "2026-02-28"): ("2026-02-28", "2026-03-28"),
    ("2028-01-31", "2028-02-29"): ("2028-02-29", "2028-03-31"),
    ("2028-01-30", "2028-02-28"): ("2028-01-30", "2028-02-29"),
    ("2028-01-29", "2028-02-29"): ("2028-02-29", "2028-03-29"),
    ("2028-02-29", "2029-02-28"): ("2029-02-28", "2029-03-29"),
    ("2028-02-29", "2029-03-28"): ("2029-02-28", "2029-03-29"),
    ("2028-02-29", "2032-02-29"): ("2032-02-29", "2032-03-29"),
    ("2096-01-31", "2100-02-28"): ("2100-02-28", "2100-03-31"),
    ("2026-12-31", "2027-01-30"): ("2026-12-31", "2027-01-31"),
    ("2026-12-31", "2027-02-28"): ("2027-02-28", "2027-03-31"),
    ("2026-11-15", "2026-12-31"): ("2026-12-15", "2027-01-15"),
    ("2026-12-01", "2026-12-01"): ("2026-12-01", "2027-01-01"),
}


@pytest.mark.parametrize(("anchor", "now"), STARTS)
def test_a_cycle_begins_on_the_anchors_day_or_on_the_last_of_the_month(anchor: str, now: str) -> None:
    start, end = STARTS[anchor, now]
    assert cycle(at(anchor), at(now)) == (at(start), at(end))


def test_the_time_of_day_of_the_anchor_is_kept() -> None:
    anchor = at("2026-01-31T23:59:59")
    assert cycle(anchor, at("2026-02-28T23:59:58")) == (anchor, at("2026-02-28T23:59:59"))
    assert cycle(anchor, at("2026-02-28T23:59:59")).start_s == at("2026-02-28T23:59:59")


def test_before_the_anchor_it_is_the_first_cycle() -> None:
    assert cycle(at("2026-01-31"), at("2025-06-01")) == (at("2026-01-31"), at("2026-02-28"))


@given(anchor=TIMES, now=TIMES)
def test_every_moment_is_in_its_own_cycle_and_cycles_leave_no_gap(anchor: float, now: float) -> None:
    now = max(anchor, now)
    start, end = cycle(anchor, now)
    assert start <= now < end
    assert 28 * 86_400 <= end - start <= 31 * 86_400
    assert cycle(anchor, end).start_s == end
    assert cycle(anchor, start) == (start, end)
    if start > anchor:
        assert cycle(anchor, start - 1).end_s == start


@given(anchor=TIMES, now=TIMES)
def test_a_late_look_finds_the_same_cycle_as_one_every_month(anchor: float, now: float) -> None:
    now = min(max(anchor, now), anchor + 4 * 366 * 86_400)
    step = cycle(anchor, anchor)
    while step.end_s <= now:
        step = cycle(anchor, step.end_s)
    assert cycle(anchor, now) == step


def test_the_first_day_is_said_in_utc() -> None:
    assert first_day(at("2026-11-21T23:59:59")) == "2026-11-21"
