"""Pools and the order each strategy gives them: a table a strategy."""

from typing import Any

import pytest
from tests.gateway.routing.pools import Sight, channel, model, names, pool

from tollway.gateway.routing.chain import chain_of
from tollway.gateway.routing.plan import Candidate
from tollway.gateway.routing.strategy import arranged

ABC = ("a", "b", "c")


def three(**fields: tuple[Any, Any, Any]) -> list[Candidate]:
    """Channels a, b and c; each field's three values in that order."""
    return pool(
        *(channel(name, **{field: value[at] for field, value in fields.items()}) for at, name in enumerate(ABC))
    )


def order(stated: str, candidates: list[Candidate], seen: Sight) -> str:
    return "".join(names(list(arranged(candidates, chain_of(stated), seen))))


@pytest.mark.parametrize(
    ("priorities", "draw", "wanted"),
    [((1, 3, 2), 0.5, "bca"), ((0, 0, 5), 0.0, "cab"), ((0, 0, 5), 0.99, "cba"), ((-1, 0, -2), 0.5, "bac")],
)
def test_priority_goes_by_priority_and_leaves_equals_to_the_weights(
    priorities: tuple[int, int, int], draw: float, wanted: str
) -> None:
    assert order("priority", three(priority=priorities), Sight(draw)) == wanted


@pytest.mark.parametrize(
    ("weights", "draw", "first"),
    [
        ((1, 1, 2), 0.24, "a"),
        ((1, 1, 2), 0.26, "b"),
        ((1, 1, 2), 0.5, "c"),
        ((1, 1, 2), 0.999, "c"),
        ((0, 1, 1), 0.0, "b"),
        ((0, 0, 1), 0.7, "c"),
    ],
)
def test_weighted_cuts_the_draw_by_the_weights(weights: tuple[int, int, int], draw: float, first: str) -> None:
    assert order("weighted", three(weight=weights), Sight(draw))[0] == first


def test_weighted_goes_by_weight_times_health() -> None:
    sick = Sight(0.3, score={"a": 0.1})  # 0.1 of 2.1: the cut after a is at 0.048
    assert order("weighted", three(), sick)[0] == "b" and order("weighted", three(), Sight(0.3))[0] == "a"


def test_weight_zero_comes_last_even_when_all_others_are_sick() -> None:
    for draw in (0.0, 0.5, 0.99):
        assert order("weighted", three(weight=(0, 1, 1)), Sight(draw, score={"b": 0.05, "c": 0.05}))[-1] == "a"


def test_a_pool_of_weight_zero_only_is_still_ordered() -> None:
    assert sorted(order("weighted", three(weight=(0, 0, 0)), Sight())) == list(ABC)


@pytest.mark.parametrize(("turn", "wanted"), [(0, "abc"), (1, "bca"), (2, "cab"), (3, "abc"), (3001, "bca")])
def test_round_robin_takes_turns_whatever_the_weights(turn: int, wanted: str) -> None:
    assert order("round_robin", three(weight=(9, 1, 1)), Sight(turn=turn)) == wanted


def test_round_robin_gives_a_channel_of_two_keys_one_turn_and_its_keys_each_second_one() -> None:
    candidates = pool(channel("a", keys=("x", "y")), channel("b"))
    firsts = [next(arranged(candidates, chain_of("round_robin"), Sight(turn=turn))).lane for turn in range(8)]
    assert [lane.partition("#")[0] for lane in firsts] == ["a", "b"] * 4
    assert firsts[0] == firsts[4] != firsts[2] == firsts[6]


@pytest.mark.parametrize(
    ("ttfb_ms", "draw", "due", "wanted"),
    [
        ({"a": 300, "b": 200, "c": 100}, 0.0, "", "bca"),
        ({"a": 300, "b": 200, "c": 100}, 0.99, "", "cba"),
        ({"a": 300, "b": 200, "c": 100}, 0.2, "", "cba"),
        ({"a": 300, "b": 200}, 0.0, "c", "cba"),
        ({"a": 300, "b": 200}, 0.0, "", "bac"),
    ],
)
def test_least_latency_takes_the_quicker_of_two_and_lets_the_unmeasured_have_the_next_turn(
    ttfb_ms: dict[str, float], draw: float, due: str, wanted: str
) -> None:
    assert order("least_latency", three(), Sight(draw, due=due, ttfb_ms=ttfb_ms)) == wanted


def test_least_latency_counts_a_full_channel_as_slow() -> None:
    seen = Sight(0.0, ttfb_ms={"a": 100, "b": 120}, headroom={"a": 0.1})
    assert order("least_latency", pool(channel("a"), channel("b")), seen) == "ba"


@pytest.mark.parametrize(
    ("factors", "price", "score", "wanted"),
    [
        ((3, 2, 1), {"a": 30, "b": 20, "c": 10}, {}, "cba"),
        ((3, 2, 1), {"a": 30, "b": 20, "c": 10}, {"c": 0.3}, "bac"),
        ((2, 2, 1), {"a": 20, "b": 20, "c": 10}, {}, "cab"),
        ((1, 1, 1), {"a": 10, "b": 10, "c": 10}, {"a": 0.3}, "bca"),
    ],
)
def test_cheapest_goes_by_the_price_of_this_request_among_the_healthy(
    factors: tuple[int, int, int], price: dict[str, float], score: dict[str, float], wanted: str
) -> None:
    candidates = three(price_factor=factors)
    assert order("cheapest", candidates, Sight(0.0, price=price, score=score)) == wanted


def test_a_warm_cache_makes_the_dearer_channel_the_cheaper_one_for_this_request() -> None:
    candidates = three(price_factor=(3, 2, 1))
    seen = Sight(0.0, price={"a": 5, "b": 20, "c": 10}, warm={"a": 0.9})
    assert order("cheapest", candidates, seen) == "acb"


@pytest.mark.parametrize(
    ("headroom", "wanted"),
    [({"a": 0.2, "b": 0.9, "c": 0.5}, "bca"), ({"a": 0.0}, "bca"), ({"a": 0.501, "b": 0.502, "c": 0.2}, "abc")],
)
def test_most_headroom_goes_by_what_is_left_of_the_limits(headroom: dict[str, float], wanted: str) -> None:
    assert order("most_headroom", three(), Sight(0.0, headroom=headroom)) == wanted


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [
        (Sight(0.0), "abc"),
        (Sight(0.0, warm={"c": 0.4}), "cab"),
        (Sight(0.0, warm={"b": 0.3, "c": 0.9}), "cba"),
        (Sight(0.0, warm={"c": 0.9}, score={"c": 0.2}), "abc"),
        (Sight(0.0, warm={"c": 0.9}, headroom={"c": 0.01}), "abc"),
        (Sight(0.0, warm={"c": 0.9}, ttfb_ms={"a": 200, "b": 210, "c": 600}), "abc"),
        (Sight(0.0, warm={"c": 0.9}, ttfb_ms={"a": 200, "b": 210, "c": 490}), "cab"),
    ],
    ids=["nobody warm", "one warm", "the warmest first", "unwell", "full", "slow", "not so slow"],
)
def test_prefix_affinity_stays_where_the_cache_is_warm_and_leaves_the_slow_full_and_unwell(
    seen: Sight, wanted: str
) -> None:
    assert order("prefix_affinity", three(), seen) == wanted


def test_by_complexity_goes_by_how_well_the_model_suits() -> None:
    candidates = [pool(channel(name), of=model(name))[0] for name in ABC]
    assert order("by_complexity", candidates, Sight(0.0, misfit={"a": 14, "b": 0, "c": 3})) == "bca"


def test_strategies_compose_each_deciding_what_those_before_it_left_open() -> None:
    price = {"a": 30.0, "b": 20.0, "c": 10.0}
    candidates = three(price_factor=(3, 2, 1), priority=(1, 0, 0))
    assert order("prefix_affinity,cheapest", candidates, Sight(warm={"b": 0.5}, price=price)) == "bca"
    assert order("cheapest", candidates, Sight(warm={"b": 0.5}, price=price)) == "cba"
    assert order("priority, cheapest", candidates, Sight(price=price)) == "acb"
    assert order("cheapest,round_robin", three(), Sight(turn=2)) == "cab"


@pytest.mark.parametrize("stated", ["", "fastest", "weighted,,priority", "cheapest,weigthed"])
def test_a_strategy_there_is_not_is_named_with_those_there_are(stated: str) -> None:
    with pytest.raises(ValueError, match=r"is no strategy; known are by_complexity, cheapest, .*, weighted"):
        chain_of(stated)
