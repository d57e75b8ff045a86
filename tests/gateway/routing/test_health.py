"""Whose fault counts against whom: lanes and models apart, callers never."""

from decimal import Decimal
from types import SimpleNamespace
from typing import NamedTuple

import pytest

from tollway.core.errors import Fault, Remedy
from tollway.core.health import HealthRules
from tollway.core.ids import LaneId, ModelId
from tollway.core.model import Model, Price
from tollway.gateway.remedy import remedy_of
from tollway.gateway.routing.circuit import Why
from tollway.gateway.routing.health import MOST, Health
from tollway.gateway.routing.retry import fault_of
from tollway.kit.http1.wire import UpstreamError


def model(name: str) -> Model:
    price = Price(version="1", input=Decimal(1), output=Decimal(2))
    return Model(
        id=ModelId(name), name=name, provider="x", category="fast", context_window=10, max_output=10, price=price,
        served_by={}, family="openai",
    )  # fmt: skip


class Way(NamedTuple):
    lane: LaneId
    model: Model


M, OTHER = model("m"), model("other")
ONE, TWO = Way(LaneId("one"), M), Way(LaneId("two"), M)
QUOTA = "You exceeded your current quota, please check your plan"


def fault(status: int = 500, message: str = "x", code: str = "", wait_s: float | None = None) -> Fault:
    return Fault(message, status=status, remedy=remedy_of(status, message, code), code=code, retry_after_s=wait_s)


def failing(health: Health, way: Way, times: int, met: Fault, users: str = "a") -> None:
    for number in range(times):
        health.failed(way, met, 100.0, users[number % len(users)])


@pytest.mark.parametrize("status", [400, 404, 405, 409, 413, 415, 422, 431, 451])
def test_a_callers_own_mistakes_never_count(status: int) -> None:
    health = Health()
    failing(health, ONE, 100, fault(status), "abc")
    assert health.all_well and health.usable(ONE, 100.0) and health.score(ONE) == 1.0


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 524, 529, 307])
def test_a_channels_own_failures_open_its_circuit(status: int) -> None:
    health = Health()
    failing(health, ONE, 5, fault(status))
    assert not health.usable(ONE, 100.0) and health.usable(TWO, 100.0) and health.rests_until(ONE) == 130.0


def test_one_model_failing_leaves_the_lanes_other_models_in_use() -> None:
    health = Health()
    failing(health, ONE, 5, fault())
    assert not health.usable(ONE, 100.0) and health.usable(Way(LaneId("one"), OTHER), 100.0)


@pytest.mark.parametrize("met", [fault(401), fault(402), fault(400, "API key not valid. Please pass a valid API key.")])
def test_a_refused_key_closes_its_lane_to_every_model_at_once_and_no_other_lane(met: Fault) -> None:
    health = Health()
    pool = [Way(LaneId(f"pool#{number}"), M) for number in range(3)]
    health.failed(pool[1], met, 100.0, "ann")
    assert [health.usable(way, 1e6) for way in pool] == [True, False, True]
    assert not health.usable(Way(pool[1].lane, OTHER), 1e6)
    health.answered(pool[1], 200.0)
    assert all(health.usable(way, 200.0) for way in pool) and health.all_well


@pytest.mark.parametrize("status", [400, 403, 429])
def test_words_that_accuse_the_key_are_believed_from_several_callers_only(status: int) -> None:
    health = Health()
    failing(health, ONE, 50, fault(status, QUOTA, wait_s=0.0), "a")
    assert health.usable(Way(LaneId("one"), OTHER), 100.0)
    failing(health, ONE, 1, fault(status, QUOTA, wait_s=0.0), "b")
    assert not health.usable(Way(LaneId("one"), OTHER), 1e6) and health.of(ONE.lane, "").why is Why.KEYWORD


def test_a_good_answer_acquits_the_key() -> None:
    health = Health()
    failing(health, ONE, 2, fault(400, QUOTA), "ab")
    health.answered(ONE, 100.0)
    failing(health, ONE, 2, fault(400, QUOTA), "ab")
    assert health.all_well


def test_which_words_accuse_is_a_setting() -> None:
    health = Health(HealthRules(keywords=("Quite Bankrupt",)))
    failing(health, ONE, 3, fault(400, QUOTA), "ab")
    assert health.all_well
    failing(health, ONE, 3, fault(400, "we are QUITE bankrupt"), "ab")
    assert not health.usable(ONE, 100.0)


@pytest.mark.parametrize("met", [fault(403, "flagged"), fault(404, "the model `m` does not exist")])
def test_a_model_refused_there_is_believed_from_several_callers_and_rests_alone(met: Fault) -> None:
    health = Health()
    failing(health, ONE, 50, met, "a")
    assert health.usable(ONE, 100.0)
    failing(health, ONE, 1, met, "b")
    assert not health.usable(ONE, 100.0) and health.usable(Way(LaneId("one"), OTHER), 100.0)


def test_a_limited_channel_rests_as_long_as_it_asked_and_a_good_answer_ends_it() -> None:
    health = Health()
    health.failed(ONE, fault(429, wait_s=30.0), 100.0, "ann")
    assert health.limited(ONE, 129.0) and not health.usable(ONE, 129.0) and health.usable(ONE, 130.0)
    health.answered(TWO, 110.0)
    assert not health.usable(ONE, 129.0)
    health.heard(ONE, 0.1)
    assert health.all_well


def test_when_every_circuit_is_open_all_may_be_tried_but_those_told_to_wait() -> None:
    health, three = Health(), Way(LaneId("three"), M)
    failing(health, ONE, 5, fault())
    assert list(health.ready([ONE, TWO], 100.0)) == [TWO]
    failing(health, TWO, 5, fault())
    health.failed(three, fault(429, wait_s=50.0), 100.0, "ann")
    assert list(health.ready([ONE, TWO, three], 100.0)) == [ONE, TWO]
    assert list(health.ready([three], 100.0)) == []


def test_one_call_may_try_a_half_open_circuit_and_one_that_found_nothing_out_gives_way() -> None:
    health = Health()
    failing(health, ONE, 5, fault())
    assert not health.claim(ONE, "req_1", 129.0) and health.claim(TWO, "req_1", 129.0)
    assert health.claim(ONE, "req_1", 130.0) and not health.claim(ONE, "req_2", 130.0) and not health.usable(ONE, 130.0)
    health.release(ONE, "req_1")
    assert health.usable(ONE, 130.0)


def test_names_from_callers_do_not_fill_the_memory_and_open_circuits_are_not_forgotten() -> None:
    health = Health()
    failing(health, ONE, 5, fault())
    for number in range(MOST + 10):
        health.answered(Way(LaneId("local"), model_named(f"local/{number}")), 100.0)
    assert len(list(health)) <= MOST and not health.usable(ONE, 100.0)


def model_named(name: str) -> Model:
    return SimpleNamespace(id=name)  # type: ignore[return-value]


def test_changes_are_counted_so_that_others_look_again() -> None:
    health, seen = Health(), set()
    seen.add(health.epoch)
    failing(health, ONE, 5, fault())
    seen.add(health.epoch)
    health.claim(ONE, "req_1", 130.0)
    seen.add(health.epoch)
    health.answered(ONE, 130.0)
    seen.add(health.epoch)
    assert len(seen) == 4 and health.news == {("one", "m")}


@pytest.mark.parametrize("phase", ["first_byte", "idle", "total"])
def test_silence_is_worth_one_more_try(phase: str) -> None:
    made = fault_of(UpstreamError(phase, "10.0.0.1 says nothing"), "one")
    assert (made.status, made.remedy) == (504, Remedy.ONCE_MORE) and "10.0.0.1" not in made.message


@pytest.mark.parametrize("phase", ["connect", "tls", "reset", "protocol", "too_large"])
def test_a_broken_wire_sends_the_call_to_the_next_channel(phase: str) -> None:
    made = fault_of(UpstreamError(phase, "10.0.0.1 refused"), "one")
    assert (made.status, made.remedy) == (502, Remedy.NEXT_CHANNEL) and "10.0.0.1" not in made.message


@pytest.mark.parametrize("met", [fault(401), fault(402), fault(403, QUOTA)])
def test_a_channel_that_may_not_be_disabled_only_rests(met: Fault) -> None:
    health = Health()
    for user in "abcd":
        health.failed(ONE, met, 100.0, user, may_disable=False)
    assert health.all_well
    health.failed(ONE, met, 100.0, "e", may_disable=False)
    assert health.why(ONE) is Why.FAILURES
    assert health.claim(ONE, "a caller", health.rests_until(ONE))
