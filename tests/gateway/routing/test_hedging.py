"""A second channel is asked after what is usual, and within its budget."""

import pytest

from tollway.core.health import HealthRules
from tollway.gateway.routing.hedging import BURST, ENOUGH, Hedging


def heard(hedging: Hedging, *seconds: float, times: int = 1) -> None:
    for _ in range(times):
        for one in seconds:
            hedging.heard("m", one)


def test_nothing_is_hedged_before_it_is_known_what_is_usual() -> None:
    hedging = Hedging(HealthRules())
    for _ in range(100):
        assert hedging.begun("m") == 0.0
    heard(hedging, 0.1, times=ENOUGH - 1)
    assert hedging.begun("m") == 0.0
    heard(hedging, 0.1, times=50)
    assert 0.1 <= hedging.begun("m") <= 0.111 and hedging.begun("other") == 0.0


@pytest.mark.parametrize("quantile", [0.5, 0.9, 0.95])
def test_usual_is_the_stated_share_of_first_words(quantile: float) -> None:
    hedging = Hedging(HealthRules(hedge_quantile=quantile, hedge_share=1.0))
    for number in range(1600):
        hedging.heard("m", (number * 7919 % 1000 + 1) / 1000)
    assert quantile <= hedging.begun("m") <= quantile * 1.11


def test_what_is_usual_changes_with_the_times() -> None:
    hedging = Hedging(HealthRules(hedge_share=1.0))
    heard(hedging, 1.0, times=2000)
    heard(hedging, 0.1, times=20_000)
    assert hedging.begun("m") < 0.12


@pytest.mark.parametrize("share", [0.01, 0.05, 0.5])
def test_extra_calls_keep_within_their_share_whatever_happens(share: float) -> None:
    hedging = Hedging(HealthRules(hedge_share=share))
    heard(hedging, 0.1, times=100)
    sent = 0
    for _ in range(10_000):
        if hedging.begun("m") and hedging.take():
            sent += 1
    assert share * 10_000 - 1 <= sent <= share * 10_000 and sent == hedging.sent


def test_what_was_not_spent_is_saved_up_to_a_burst() -> None:
    hedging = Hedging(HealthRules())
    heard(hedging, 0.1, times=100)
    for _ in range(10_000):
        hedging.begun("m")
    assert sum(hedging.take() for _ in range(100)) in (BURST, BURST - 1)


def test_a_time_beyond_all_measure_is_counted_too() -> None:
    hedging = Hedging(HealthRules(hedge_share=1.0))
    heard(hedging, 1e9, 0.0, times=100)
    assert hedging.begun("m") > 100
