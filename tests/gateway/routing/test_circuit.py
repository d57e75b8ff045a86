"""A circuit opens on failures, rests, lets one try, and forgets what went before once it is well."""

import msgspec
import pytest

from tollway.core.health import HealthRules
from tollway.core.ids import LaneId
from tollway.gateway.routing.circuit import FLOOR, Circuit, Why

RULES = HealthRules()


def circuit(**rules: object) -> Circuit:
    return Circuit(LaneId("one"), "m", msgspec.structs.replace(RULES, **rules), lambda one: None)


def failing(one: Circuit, times: int, now_s: float = 100.0) -> Circuit:
    for _ in range(times):
        one.failed(now_s)
    return one


def test_five_failures_in_a_row_open_it() -> None:
    one = failing(circuit(), 4)
    assert one.state(100.0) == "closed" and one.admits(100.0)
    one.failed(100.0)
    assert (one.state(100.0), one.why, one.until_s) == ("open", Why.FAILURES, 130.0) and not one.admits(129.9)


def test_a_good_answer_between_begins_the_row_anew() -> None:
    one = failing(circuit(min_calls=100), 4)
    one.answered(100.0)
    assert failing(one, 4).why is None


def test_half_open_lets_one_try_and_no_other() -> None:
    one = failing(circuit(), 5)
    assert one.state(130.0) == "half_open" and one.admits(130.0)
    assert one.claim("first", 130.0) and one.claim("first", 130.0)
    assert not one.claim("second", 130.0) and not one.admits(130.0)
    one.release("second")
    assert not one.admits(130.0)
    one.release("first")
    assert one.claim("second", 130.0)


def test_each_trial_that_fails_doubles_the_rest_up_to_its_most() -> None:
    one, rests, now_s = failing(circuit(), 5), [], 100.0
    for _ in range(6):
        rests.append(one.until_s - now_s)
        now_s = one.until_s
        assert one.claim("trial", now_s)
        one.failed(now_s)
    assert rests == [30.0, 60.0, 120.0, 240.0, 480.0, 600.0]


def test_failures_that_began_before_the_rest_do_not_prolong_it() -> None:
    one = failing(circuit(), 25)
    assert one.until_s == 130.0


def test_recovered_is_recovered_one_more_failure_does_not_open_it_again() -> None:
    one = failing(circuit(), 30)
    assert one.claim("trial", 130.0)
    one.answered(130.0)
    assert one.state(130.0) == "closed" and one.window == (0, 0)
    assert failing(one, 4, 131.0).why is None
    one.failed(131.0)
    assert one.until_s == 131.0 + 30.0


def test_the_first_word_of_a_trial_closes_it_and_its_end_ends_the_doubling() -> None:
    one = failing(circuit(), 5)
    one.claim("trial", 130.0)
    one.heard(0.2)
    assert one.admits(130.0)
    assert failing(one, 5, 140.0).until_s == 200.0
    one.answered(200.0)
    assert failing(one, 5, 210.0).until_s == 240.0


def test_half_of_the_calls_failing_opens_it_though_never_five_in_a_row() -> None:
    one = circuit()
    for number in range(40):
        if number % 5 < 3:
            one.failed(100.0)
        else:
            one.answered(100.0)
        if one.why is not None:
            break
    assert (one.why, number) == (Why.AVAILABILITY, 20)


def test_what_is_older_than_the_window_is_forgotten() -> None:
    one = circuit(failure_threshold=1000)
    failing(one, 19, 100.0)
    failing(one, 10, 161.0)
    assert one.why is None and one.window == (0, 10)


def test_a_limited_channel_waits_as_told_within_bounds_and_loses_no_score() -> None:
    one = circuit()
    one.limit(100.0, 40.0)
    assert (one.why, one.until_s, one.success) == (Why.RATE_LIMITED, 140.0, 1.0)
    one.limit(100.0, 1e9)
    assert one.until_s == 3700.0
    one.limit(100.0, 1.0)
    assert one.until_s == 3700.0
    one = circuit()
    one.limit(100.0, 0.0)
    assert one.why is None


def test_a_limited_channel_that_names_no_time_rests_longer_each_time_it_says_so_again() -> None:
    one, rests, now_s = circuit(), [], 100.0
    for _ in range(3):
        one.limit(now_s, None)
        rests.append(one.until_s - now_s)
        now_s = one.until_s
    assert rests == [5.0, 10.0, 20.0]
    one.answered(now_s)
    one.limit(now_s, None)
    assert one.until_s - now_s == 5.0


def test_a_provider_that_says_when_to_come_back_is_left_alone_until_then() -> None:
    one = circuit()
    one.failed(100.0, 7.0)
    assert (one.why, one.until_s) == (Why.ASKED_TO_WAIT, 107.0)


def test_a_refused_key_is_tried_by_no_call_but_by_a_probe() -> None:
    one = circuit()
    one.refuse(100.0)
    assert not one.admits(1e9) and not one.claim("call", 1e9) and one.state(130.0) == "half_open"
    one.answered(131.0)
    assert one.admits(131.0)


def test_where_nobody_probes_a_call_finds_out_after_the_rest() -> None:
    one = circuit(probe=False)
    one.refuse(100.0)
    assert not one.admits(129.0) and one.admits(130.0)


def test_accusations_are_believed_from_two_callers_only() -> None:
    one = circuit()
    for _ in range(50):
        one.accuse("ann", 100.0, Why.KEYWORD)
    assert one.why is None
    one.accuse("bob", 101.0, Why.KEYWORD)
    assert one.why is Why.KEYWORD


def test_accusations_grow_old() -> None:
    one = circuit()
    one.accuse("ann", 100.0, Why.KEYWORD)
    one.accuse("bob", 100.0, Why.KEYWORD)
    one.accuse("bob", 701.0, Why.KEYWORD)
    assert one.why is None and len(one.accusers) == 1


def test_the_score_is_mostly_success_partly_speed_and_never_nothing() -> None:
    one = circuit()
    assert one.score == 1.0
    one.heard(1.0)
    assert one.score == 1.0
    one.ttfb_s = 4.0
    assert one.score == pytest.approx(0.7 + 0.3 * 0.5)
    one.success = 0.5
    assert one.score == pytest.approx(0.35 + 0.15)
    one.success, one.ttfb_s = 0.0, 1e6
    assert one.score == FLOOR


def test_averages_follow_the_newest_by_alpha() -> None:
    one = circuit()
    one.heard(1.0)
    one.heard(2.0)
    assert one.ttfb_s == pytest.approx(1.2)
    one.failed(100.0)
    assert one.success == pytest.approx(0.8)
    one.answered(100.0)
    assert one.success == pytest.approx(0.84)


SEEN = {
    "alpha": (0.5, lambda one: (one.failed(100.0), one.success)[1]),
    "failure_threshold": (3, lambda one: failing(one, 3).why),
    "min_availability": (0.9, lambda one: ([one.answered(100.0) for _ in range(16)], failing(one, 4), one.why)[2]),
    "min_calls": (2, lambda one: (failing(one, 2), one.why)[1]),
    "window_s": (1.0, lambda one: (failing(one, 1), one.answered(103.0), one.window)[2]),
    "cooldown_s": (7.0, lambda one: failing(one, 5).until_s),
    "cooldown_max_s": (10.0, lambda one: (failing(one, 5), failing(one, 1, 150.0), one.until_s)[2]),
    "rate_limit_s": (9.0, lambda one: (one.limit(100.0, None), one.until_s)[1]),
    "retry_after_max_s": (9.0, lambda one: (one.limit(100.0, 60.0), one.until_s)[1]),
    "target_ttfb_s": (0.5, lambda one: (one.heard(1.0), one.score)[1]),
    "keyword_failures": (2, lambda one: ([one.accuse(who, 100.0, Why.KEYWORD) for who in "ab"], one.why)[1]),
    "keyword_callers": (1, lambda one: ([one.accuse("a", 100.0, Why.KEYWORD) for _ in range(3)], one.why)[1]),
    "keyword_window_s": (1.0, lambda one: ([one.accuse(who, ord(who), Why.KEYWORD) for who in "aceg"], one.why)[1]),
    "probe": (False, lambda one: (one.refuse(100.0), one.admits(1e6))[1]),
}  # fmt: skip


@pytest.mark.parametrize("setting", SEEN)
def test_every_setting_changes_what_happens(setting: str) -> None:
    value, seen = SEEN[setting]
    assert seen(circuit(**{setting: value})) != seen(circuit())


def test_no_setting_is_without_such_a_test() -> None:
    elsewhere = {"keywords": "test_health", "drip_s": "pipeline/test_pace", "drip_characters": "pipeline/test_pace"}
    elsewhere |= {"probe_idle_s": "pipeline/test_prober", "hedge": "pipeline/test_race"}
    elsewhere |= dict.fromkeys(("hedge_quantile", "hedge_share"), "test_hedging")
    elsewhere |= dict.fromkeys(("max_attempts", "retry_statuses"), "pipeline/test_health_defects")
    assert {field.name for field in msgspec.structs.fields(HealthRules)} == set(SEEN) | set(elsewhere)
