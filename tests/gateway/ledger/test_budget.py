"""Budgets begin anew by the calendar of their time zone, on days of 23 and 25 hours, too."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.gateway.ledger.budget import KINDS, period, purse

ZONES = (
    "UTC", "Europe/Berlin", "America/New_York", "America/St_Johns", "America/Havana", "Africa/Cairo", "Asia/Kathmandu",
    "Australia/Lord_Howe", "Pacific/Apia", "Pacific/Kiritimati", "America/Sao_Paulo", "Asia/Beirut",
)  # fmt: skip


def at(text: str, tz: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(tz)).timestamp()


def hours(kind: str, tz: str, now: str) -> float:
    found = period(kind, tz, at(now, tz))
    assert found.end_s is not None
    return (found.end_s - found.start_s) / 3600


def test_a_day_is_the_calendars_day_of_the_zone() -> None:
    assert period("day", "UTC", at("2026-11-21T23:30")) == ("2026-11-21", at("2026-11-21"), at("2026-11-22"))
    berlin = period("day", "Europe/Berlin", at("2026-11-21T23:30"))
    assert berlin == ("2026-11-22", at("2026-11-21T23:00"), at("2026-11-22T23:00"))
    tokyo = period("day", "Asia/Tokyo", at("2026-11-21T15:00"))
    assert tokyo.label == "2026-11-22" and tokyo.start_s == at("2026-11-21T15:00")


@pytest.mark.parametrize(
    ("tz", "spring", "autumn"),
    [
        ("Europe/Berlin", "2026-03-29T12:00", "2026-10-25T12:00"),
        ("America/New_York", "2026-03-08T12:00", "2026-11-01T12:00"),
        ("America/Havana", "2026-03-08T12:00", "2026-11-01T12:00"),
        ("Asia/Beirut", "2026-03-29T12:00", "2026-10-24T12:00"),
        ("Africa/Cairo", "2026-04-24T12:00", "2026-10-29T12:00"),
    ],
)
def test_a_day_has_23_hours_in_spring_and_25_in_autumn(tz: str, spring: str, autumn: str) -> None:
    assert (hours("day", tz, spring), hours("day", tz, autumn)) == (23, 25)


def test_clocks_may_change_by_half_an_hour() -> None:
    assert hours("day", "Australia/Lord_Howe", "2026-10-04T12:00") == 23.5
    assert hours("day", "Australia/Lord_Howe", "2026-04-05T12:00") == 24.5


def test_where_clocks_skip_midnight_the_day_begins_when_the_gap_ends() -> None:
    skipped = period("day", "America/Havana", at("2026-03-08T12:00", "America/Havana"))
    assert datetime.fromtimestamp(skipped.start_s, ZoneInfo("America/Havana")).hour == 1
    assert period("day", "America/Havana", skipped.start_s - 1).end_s == skipped.start_s


def test_where_midnight_comes_twice_the_day_begins_with_the_first() -> None:
    tz = "America/Havana"
    again = datetime(2026, 11, 1, 0, 30, tzinfo=ZoneInfo(tz), fold=1).timestamp()
    first = datetime(2026, 11, 1, 0, 30, tzinfo=ZoneInfo(tz)).timestamp()
    assert again - first == 3600
    assert period("day", tz, again) == period("day", tz, first)


def test_a_day_that_an_island_skipped_was_none() -> None:
    before, after = at("2011-12-29T12:00", "Pacific/Apia"), at("2011-12-31T12:00", "Pacific/Apia")
    assert period("day", "Pacific/Apia", before).end_s == period("day", "Pacific/Apia", after).start_s


def test_a_week_begins_on_monday_and_crosses_months_and_years() -> None:
    assert period("week", "UTC", at("2026-11-21")) == ("2026-11-16", at("2026-11-16"), at("2026-11-23"))
    assert period("week", "UTC", at("2027-01-01")).label == "2026-12-28"
    assert hours("week", "Europe/Berlin", "2026-03-27T12:00") == 7 * 24 - 1


def test_a_month_is_the_calendars_month() -> None:
    assert period("month", "UTC", at("2026-12-31T23:59")) == ("2026-12", at("2026-12-01"), at("2027-01-01"))
    assert period("month", "UTC", at("2028-02-29")) == ("2028-02", at("2028-02-01"), at("2028-03-01"))
    assert hours("month", "Europe/Berlin", "2026-10-10") == 31 * 24 + 1


def test_a_total_never_begins_anew() -> None:
    assert period("total", "UTC", 0.0) == period("total", "Asia/Tokyo", at("2026-11-21")) == ("-", 0.0, None)


def test_what_there_is_not_is_refused_in_plain_words() -> None:
    with pytest.raises(ValueError, match="no such period: 'year'; there are day, week, month, total"):
        period("year", "UTC", 0.0)
    with pytest.raises(ZoneInfoNotFoundError):
        period("day", "Europe/Atlantis", 0.0)


def test_a_purse_is_named_by_level_kind_and_first_day() -> None:
    label = period("day", "UTC", at("2026-11-21T10:00")).label
    assert purse("key_ab", "day", label) == "key_ab/day/2026-11-21"
    assert purse("org_x", "total", "-") == "org_x/total/-"


@given(
    kind=st.sampled_from([kind for kind in KINDS if kind != "total"]),
    tz=st.sampled_from(ZONES),
    moment=st.datetimes(datetime(2015, 1, 1), datetime(2037, 12, 31), timezones=st.just(UTC)),
)
def test_every_moment_is_in_one_period_and_periods_leave_no_gap(kind: str, tz: str, moment: datetime) -> None:
    now_s = moment.timestamp()
    found = period(kind, tz, now_s)
    assert found.end_s is not None
    assert found.start_s <= now_s < found.end_s
    assert period(kind, tz, found.start_s) == found
    assert period(kind, tz, found.end_s).start_s == found.end_s
    assert period(kind, tz, found.start_s - 1).end_s == found.start_s
    longest = {"day": timedelta(hours=25), "week": timedelta(days=7, hours=1), "month": timedelta(days=31, hours=1)}
    assert found.end_s - found.start_s <= longest[kind].total_seconds()
