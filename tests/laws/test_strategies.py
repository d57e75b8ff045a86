"""Every strategy is a pure permutation of its candidates: nobody is lost, nobody named twice, nothing else decides."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.gateway.routing.pools import PROVIDERS, Sight, channel, model, pool, question
from tollway.core.model import Channel
from tollway.gateway.routing.chain import STRATEGIES, chain_of
from tollway.gateway.routing.health import Health
from tollway.gateway.routing.memory import Memory
from tollway.gateway.routing.observations import Seen, Signals
from tollway.gateway.routing.plan import Candidate
from tollway.gateway.routing.router import Router
from tollway.gateway.routing.strategy import Strategy, arranged

every = pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)
LETTERS = "abcdefgh"
few = settings(max_examples=60, derandomize=True, deadline=None)


@st.composite
def pools(draw: st.DrawFn) -> list[Candidate]:
    """One to eight channels, some with several keys, of any weight and priority."""
    channels: list[Channel] = []
    for name in LETTERS[: draw(st.integers(1, len(LETTERS)))]:
        keys = tuple(f"{name}{number}" for number in range(draw(st.integers(1, 3))))
        weight, priority = draw(st.integers(0, 3)), draw(st.integers(0, 2))
        channels.append(channel(name, keys=keys, weight=weight, priority=priority))
    return pool(*channels)


@st.composite
def sights(draw: st.DrawFn) -> Sight:
    """Any world."""

    def table(numbers: st.SearchStrategy[float]) -> dict[str, float]:
        return draw(st.dictionaries(st.sampled_from(LETTERS), numbers))

    share = st.floats(0, 1)
    return Sight(
        draw=draw(st.floats(0, 1, exclude_max=True)), turn=draw(st.integers(0, 1000)),
        due=draw(st.sampled_from([*LETTERS, ""])), score=table(st.floats(0.05, 1)), headroom=table(share),
        warm=table(share), ttfb_ms=table(st.floats(0, 9000)), price=table(st.floats(0, 1e9)),
        lot=table(st.floats(0.01, 0.99)), pressure=table(st.floats(0, 3)), misfit=table(st.floats(0, 9)),
    )  # fmt: skip


def ordered(strategy: Strategy, candidates: list[Candidate], seen: Sight) -> list[Candidate]:
    return [one for group in strategy.order(candidates, seen) for one in group]


@every
@few
@given(pools(), sights())
def test_an_order_is_a_permutation(strategy: Strategy, candidates: list[Candidate], seen: Sight) -> None:
    before = list(candidates)
    after = ordered(strategy, candidates, seen)
    assert len(after) == len(before) and {id(one) for one in after} == {id(one) for one in before}
    assert candidates == before, "the input is left as it was"


@every
@few
@given(pools(), sights())
def test_the_same_world_gives_the_same_order(strategy: Strategy, candidates: list[Candidate], seen: Sight) -> None:
    assert ordered(strategy, candidates, seen) == ordered(strategy, candidates, seen)


@few
@given(pools(), sights(), st.lists(st.sampled_from(sorted(STRATEGIES)), min_size=1, max_size=4))
def test_a_chain_of_strategies_is_a_permutation_too(
    candidates: list[Candidate], seen: Sight, stated: list[str]
) -> None:
    after = list(arranged(candidates, chain_of(",".join(stated)), seen))
    assert len(after) == len(candidates) and {id(one) for one in after} == {id(one) for one in candidates}


@every
def test_a_call_id_decides_the_whole_order_in_the_real_world(strategy: Strategy) -> None:
    asked = model(strategy=strategy.name)
    channels = [channel(name, weight=at % 4) for at, name in enumerate(LETTERS)]

    def once(call: str) -> list[str]:
        router = Router([asked], channels, PROVIDERS, Signals(Health(), Memory()))
        plan = router.plan(asked, call, 0.0, question(call))
        return [one.channel.id for one in plan.candidates]

    assert once("req_7") == once("req_7") and sorted(once("req_7")) == list(LETTERS)


@every
def test_a_strategy_is_named_as_its_file_and_sees_through_the_real_eyes(strategy: Strategy) -> None:
    assert STRATEGIES[strategy.name] is strategy and strategy.order.__module__.endswith(f".{strategy.name}")
    candidates = pool(channel("a"), channel("b"), channel("c"))
    seen = Seen(Signals(), "req_1", 0.0, question())
    assert sorted(one.channel.id for group in strategy.order(candidates, seen) for one in group) == ["a", "b", "c"]
