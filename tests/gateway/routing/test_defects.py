"""What existing relays get wrong in choosing a channel (relay.md 4.1-4.3, serving.md 13.2): each a test."""

from collections import Counter
from decimal import Decimal

import pytest
from tests.gateway.routing.pools import channel, model, names, question, router

from tollway.core.caller import Scope
from tollway.core.errors import BadRequest, Fault, Forbidden, NoChannelAnswered, Remedy
from tollway.core.model import Price
from tollway.gateway.pipeline.turns import attempts
from tollway.gateway.routing.observations import Seen
from tollway.gateway.routing.plan import Plan

ASKED = model()
DEAR = Price(version="1", input=Decimal(5), output=Decimal(50))


def test_relay_4_2_weight_zero_beside_a_positive_weight_is_still_reached() -> None:
    subject = router([ASKED], [channel("spare", weight=0), channel("usual", weight=1)])
    plans = {tuple(names(list(subject.plan(ASKED, f"req_{number}", 0.0).candidates))) for number in range(100)}
    assert plans == {("usual", "spare")}


def test_relay_4_2_a_lower_tier_begins_only_when_the_higher_one_is_exhausted() -> None:
    pool = [channel("a", priority=9), channel("b", priority=9), channel("c", priority=9), channel("low")]
    subject = router([ASKED], pool)
    for number in range(50):
        assert names(list(subject.plan(ASKED, f"req_{number}", 0.0).candidates))[-1] == "low"


def test_relay_4_2_no_channel_is_drawn_twice_and_the_plan_ends() -> None:
    subject = router([ASKED], [channel(name) for name in "abcd"])
    plan = subject.plan(ASKED, "req_1", 0.0)
    assert sorted(names(list(plan.candidates))) == list("abcd") == sorted(names(list(plan.candidates))), (
        "looked at twice"
    )


def test_relay_4_2_odds_follow_small_and_large_weights_alike() -> None:
    """Existing relays smooth small weights away: 1 to 3 must be a quarter, as 100 to 300 is."""
    for small, large in ((1, 3), (100, 300)):
        subject = router([ASKED], [channel("a", weight=small), channel("b", weight=large)])
        first = Counter(subject.plan(ASKED, f"req_{number}", 0.0).candidates[0].channel.id for number in range(4000))
        assert abs(first["a"] / 4000 - 0.25) < 0.02


def test_relay_4_2_the_order_is_keyed_by_the_call_and_not_by_the_process() -> None:
    pool = [channel(name, weight=at + 1) for at, name in enumerate("abcdef")]
    one, other = router([ASKED], pool), router([ASKED], pool)
    for number in range(50):
        call = f"req_{number}"
        assert names(list(one.plan(ASKED, call, 0.0).candidates)) == names(
            list(other.plan(ASKED, call, 5.0).candidates)
        )


def test_relay_4_1_a_channel_that_is_switched_off_is_no_candidate_not_even_for_who_names_it() -> None:
    subject = router([ASKED], [channel("off", enabled=False), channel("on")])
    assert names(list(subject.plan(ASKED, "req_1", 0.0).candidates)) == ["on"]
    pin = question(heard={b"x-tollway-route": b"channel:off"}, scope=Scope.ADMIN)
    for ways in (subject, router([ASKED], [channel("off", enabled=False)])):
        with pytest.raises(Forbidden, match="the channel 'off' is switched off"):
            ways.plan(ASKED, "req_1", 0.0, pin)


@pytest.mark.parametrize("header", [(b"x-tollway-route", b"channel:b"), (b"x-channel-id", b"b")])
def test_relay_4_1_only_who_administers_may_name_a_channel(header: tuple[bytes, bytes]) -> None:
    subject = router([ASKED], [channel("a"), channel("b")])
    with pytest.raises(Forbidden):
        subject.plan(ASKED, "req_1", 0.0, question(heard=dict([header])))
    plan = subject.plan(ASKED, "req_1", 0.0, question(heard=dict([header]), scope=Scope.ADMIN))
    assert names(list(plan.candidates)) == ["b"]


def test_relay_4_1_one_channel_is_not_taken_for_all_when_somebody_names_another() -> None:
    """The plan made in advance for a model of one channel answers no call that names a channel."""
    subject = router([ASKED], [channel("only")])
    with pytest.raises(BadRequest):
        subject.plan(ASKED, "req_1", 0.0, question(heard={b"x-tollway-route": b"channel:other"}, scope=Scope.ADMIN))
    with pytest.raises(BadRequest, match="x-tollway-route: 'fastest' is no strategy; known are by_complexity"):
        subject.plan(ASKED, "req_1", 0.0, question(heard={b"x-tollway-route": b"fastest"}))


def test_relay_4_3_the_dearest_of_all_models_of_the_plan_is_what_the_hold_rests_on() -> None:
    dear = model("dear", {"two": "dear-up"}, price=DEAR)
    asked = model("m", fallbacks=("dear",))
    plan = router([asked, dear], [channel("a"), channel("b", "two")]).plan(asked, "req_1", 0.0)
    assert plan.facts.dearest == router([dear], [channel("b", "two")]).plan(dear, "req_1", 0.0).facts.dearest
    assert names(list(plan.candidates)) == ["a", "b"]


def test_serving_13_2_21_whatever_serves_a_model_uses_the_same_router_not_its_first_row() -> None:
    """Each of several rows gets its share: nothing takes the first route only."""
    subject = router([ASKED], [channel("first"), channel("second")])
    first = {subject.plan(ASKED, f"req_{number}", 0.0).candidates[0].channel.id for number in range(40)}
    assert first == {"first", "second"}


def test_how_much_output_is_usual_decides_which_of_two_price_lists_is_the_cheaper() -> None:
    """A model that is dear to ask and one that is dear to answer: `usual_output` tells which comes to less."""
    talker = model("talker", price=Price(version="1", input=Decimal(9), output=Decimal(1)))
    for usual, dearer in ((1, True), (100_000, False)):
        subject = router([ASKED, talker], [channel("a")], strategy="cheapest", usual_output=usual)
        seen = Seen(subject.signals, "req_1", 0.0, question(text="long " * 200))
        one, other = (next(iter(subject.plan(each, "req_1", 0.0).candidates)) for each in (ASKED, talker))
        assert (seen.price(other) > seen.price(one)) is dearer


def test_no_attempt_goes_to_a_lane_that_failed_in_this_call() -> None:
    subject = router([ASKED], [channel("a", keys=("x", "y")), channel("b")])
    plan: Plan = subject.plan(ASKED, "req_1", 0.0)
    faults: list[Fault] = []
    tried: list[str] = []
    for one in attempts(plan, faults):
        tried.append(one.lane)
        faults.append(Fault("down", status=500, remedy=Remedy.NEXT_CHANNEL))
    assert len(tried) == len(set(tried)) == 3


def test_a_model_that_nobody_serves_is_a_503_of_its_own() -> None:
    with pytest.raises(NoChannelAnswered) as refused:
        router([ASKED], []).plan(ASKED, "req_1", 0.0)
    assert refused.value.status == 503
