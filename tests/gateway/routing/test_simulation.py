"""Whole pools under many calls: who gets how many, and how far from the best choice each strategy stays."""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import pytest
from tests.gateway.routing.pools import channel, model, question, router

from tollway.core.errors import Fault, Remedy
from tollway.core.model import Channel
from tollway.gateway.routing.plan import Candidate
from tollway.gateway.routing.router import Router

CALLS = 4000
DOWN = Fault("down", status=500, remedy=Remedy.NEXT_CHANNEL, retry_after_s=3600)


class Room:
    """Requests of the running minute, beside a limit a channel."""

    def __init__(self, limits: Mapping[str, int]) -> None:
        self.limits, self.used = limits, Counter[str]()

    def headroom(self, one: Candidate, _now_s: float) -> float:
        limit = self.limits[one.channel.id]
        return max(0.0, 1 - self.used[one.channel.id] / limit)


def firsts(subject: Router, calls: int = CALLS, then: Callable[[Candidate, float], None] | None = None) -> Counter[str]:
    """Who came first how often, of so many calls, a hundred a second; `then` is told of each."""
    asked, found = model(), Counter[str]()
    for number in range(calls):
        now_s = number / 100
        one = subject.plan(asked, f"req_{number}", now_s, question(f"req_{number}", f"question {number}")).candidates[0]
        found[one.channel.id] += 1
        if then is not None:
            then(one, now_s)
    return found


def opened(subject: Router, *names: str) -> Router:
    """With the circuits of these channels open for longer than the story lasts."""
    for one in subject.candidates:
        if one.channel.id in names:
            for _ in range(subject.health.rules.failure_threshold):
                subject.health.failed(one, DOWN, 0.0, "usr_1")
    return subject


def built(strategy: str, channels: Sequence[Channel]) -> Router:
    return router([model()], channels, strategy=strategy)


def shares(found: Counter[str]) -> dict[str, float]:
    total = sum(found.values())
    return {name: count / total for name, count in sorted(found.items())}


# ------------------------------------------------------------------ distributions


@pytest.mark.parametrize("weights", [(1, 1), (1, 3), (2, 3, 5), (1, 1, 1, 1, 1, 5)])
def test_weighted_gives_each_channel_its_share_within_two_percent(weights: tuple[int, ...]) -> None:
    found = shares(firsts(built("weighted", [channel(f"c{at}", weight=each) for at, each in enumerate(weights)])))
    assert all(abs(found[f"c{at}"] - each / sum(weights)) < 0.02 for at, each in enumerate(weights)), found


def test_serving_14_weights_are_renormalised_over_what_is_usable_after_a_circuit_opens() -> None:
    """Weights .2, .3 and .5, the third open: 40 and 60 percent, not 20 and 80."""
    pool = [channel("a", weight=2), channel("b", weight=3), channel("c", weight=5)]
    found = shares(firsts(opened(built("weighted", pool), "c")))
    assert found.keys() == {"a", "b"} and abs(found["a"] - 0.4) < 0.02 and abs(found["b"] - 0.6) < 0.02


def test_the_second_choice_is_weighted_over_what_is_left_too() -> None:
    """When the first fails the others come in proportion: not always the same neighbour inherits."""
    subject, asked = (
        built("weighted", [channel("a", weight=2), channel("b", weight=1), channel("c", weight=1)]),
        model(),
    )
    plans = [subject.plan(asked, f"req_{number}", 0.0).candidates for number in range(CALLS)]
    after_b = Counter(plan[1].channel.id for plan in plans if plan[0].channel.id == "b")
    assert abs(after_b["a"] / sum(after_b.values()) - 2 / 3) < 0.05


def test_a_sick_channel_gets_less_and_a_channel_of_several_keys_not_more() -> None:
    subject = built("weighted", [channel("a"), channel("b"), channel("keys", keys=("x", "y", "z"))])
    found = shares(firsts(subject))
    assert all(abs(share - 1 / 3) < 0.02 for share in found.values()), found
    sick = next(one for one in subject.candidates if one.channel.id == "a")
    for _ in range(40):
        subject.health.heard(sick, 20.0)  # ten times slower than it should be
    assert shares(firsts(subject))["a"] < 0.29


@pytest.mark.parametrize("channels", [2, 3, 7, 50])
def test_round_robin_is_exact(channels: int) -> None:
    found = firsts(built("round_robin", [channel(f"c{at}", weight=1 + at) for at in range(channels)]), channels * 40)
    assert set(found.values()) == {40} and len(found) == channels


def test_round_robin_stays_exact_over_what_is_left_when_circuits_open() -> None:
    found = firsts(opened(built("round_robin", [channel(name) for name in "abcde"]), "b", "c"), 300)
    assert found == {"a": 100, "d": 100, "e": 100}


def test_priority_is_strict_until_the_higher_tier_is_exhausted() -> None:
    pool = [channel("high", priority=5), channel("mid", priority=1), channel("low")]
    assert firsts(built("priority", pool), 200) == {"high": 200}
    assert firsts(opened(built("priority", pool), "high"), 200) == {"mid": 200}


def test_every_strategy_keeps_to_the_tiers_unless_the_operator_says_otherwise() -> None:
    dear, cheap = channel("dear", priority=1, price_factor=9), channel("cheap", price_factor=1)
    assert firsts(built("cheapest", [dear, cheap]), 100) == {"dear": 100}
    assert firsts(router([model()], [dear, cheap], strategy="cheapest", tiers=False), 100) == {"cheap": 100}


def test_most_headroom_fills_limits_of_all_sizes_evenly_and_no_full_channel_is_asked() -> None:
    limits = {"large": 1000, "middle": 300, "small": 100}
    subject = built("most_headroom", [channel(name, rpm=limit) for name, limit in limits.items()])
    room = subject.signals.limits = Room(limits)
    firsts(subject, 1200, lambda one, _: room.used.update([one.channel.id]))
    assert all(abs(room.headroom(one, 0.0) - 1 / 7) < 0.03 for one in subject.candidates), room.used
    found = firsts(subject, 199, lambda one, _: room.used.update([one.channel.id]))
    assert all(room.used[name] <= limit for name, limit in limits.items()) and sum(found.values()) == 199


def test_a_full_channel_is_passed_over_by_every_strategy_rather_than_failing_the_caller() -> None:
    subject = built("weighted", [channel("full", rpm=1, weight=100), channel("free", rpm=1000)])
    room = subject.signals.limits = Room({"full": 1, "free": 1000})
    found = firsts(subject, 300, lambda one, _: room.used.update([one.channel.id]))
    assert found == {"full": 1, "free": 299}


# ------------------------------------------------------------------ regret


def latency_story(strategy: str, seed: int = 7) -> tuple[float, Counter[str]]:
    """Mean milliseconds above those of the quickest channel, and who was asked, over channels of 100 to 1,600 ms."""
    dice = random.Random(seed)
    truth = {f"c{at}": 100.0 * 2**at for at in range(5)}
    subject = built(strategy, [channel(name) for name in truth])
    lost: list[float] = []

    def answer(one: Candidate, now_s: float) -> None:
        took_ms = dice.gauss(truth[one.channel.id], truth[one.channel.id] / 10)
        lost.append(took_ms - min(truth.values()))
        subject.health.answered(one, now_s, max(1.0, took_ms) / 1000)

    found = firsts(subject, CALLS, answer)
    return sum(lost) / len(lost), found


def test_least_latency_stays_near_the_quickest_where_chance_does_not() -> None:
    blind, _ = latency_story("round_robin")
    regret, found = latency_story("least_latency")
    assert regret < blind / 3, (regret, blind)
    assert found["c0"] > 0.35 * CALLS and found["c4"] < 0.02 * CALLS, found
    assert all(found[f"c{at}"] >= 1 for at in range(5)), "whoever was not measured yet got a turn"


def test_least_latency_comes_back_to_a_channel_that_has_become_quick() -> None:
    truth = {"steady": 300.0, "moody": 900.0, "slow": 800.0}
    subject = built("least_latency", [channel(name) for name in truth])

    def answer(one: Candidate, now_s: float) -> None:
        took_ms = 60.0 if one.channel.id == "moody" and now_s > 100 else truth[one.channel.id]
        subject.health.answered(one, now_s, took_ms / 1000)

    late = Counter[str]()
    firsts(subject, 36_000, lambda one, now_s: (answer(one, now_s), late.update([one.channel.id] * (now_s > 300)))[0])
    assert late["moody"] > late["steady"] > late["slow"], late


def test_cheapest_has_no_regret_and_shares_equal_prices() -> None:
    pool = [channel("dear", price_factor=3), channel("one", price_factor=1), channel("two", price_factor=1)]
    found = shares(firsts(built("cheapest", pool)))
    assert found.keys() == {"one", "two"} and abs(found["one"] - 0.5) < 0.03


# ------------------------------------------------------------------ affinity


def conversation_story(strategy: str, slow: str = "") -> tuple[float, Counter[str]]:
    """The share of turns that met a warm cache, over forty conversations of ten turns in an order chance decides."""
    dice = random.Random(3)
    subject = built(strategy, [channel(name) for name in "abcd"])
    asked, where, hits, used = model(), dict[int, str](), 0, Counter[str]()
    turns = [talk for talk in range(40) for _ in range(10)]
    dice.shuffle(turns)
    said = Counter[int]()
    for number, talk in enumerate(turns):
        said[talk] += 1
        words = [{"role": "user", "content": f"talk {talk}, turn {at} " + "word " * 30} for at in range(said[talk])]
        call = question(f"req_{number}", messages=words)
        plan = subject.plan(asked, call.id, number / 10, call)
        one = plan.candidates[0]
        hits += where.get(talk) == one.channel.id
        where[talk] = one.channel.id
        used[one.channel.id] += 1
        subject.health.answered(one, number / 10, 9.0 if one.channel.id == slow else 0.2)
        if plan.answered is not None:
            plan.answered(one)
    return hits / (len(turns) - 40), used


def test_prefix_affinity_keeps_conversations_where_their_cache_is_warm() -> None:
    blind, _ = conversation_story("weighted")
    warm, used = conversation_story("prefix_affinity")
    assert warm == 1.0 and blind < 0.4
    assert min(used.values()) > 40, "new conversations are spread over all channels"


def test_prefix_affinity_leaves_a_channel_that_has_become_slow() -> None:
    _, used = conversation_story("prefix_affinity", slow="a")
    assert used["a"] < 30, used
