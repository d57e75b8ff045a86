"""Which key of a channel comes first: exact turns, bonds that last, and no key lost on the way."""

from collections import Counter

import pytest

from tollway.core.ids import ChannelId, ModelId
from tollway.core.model import Channel, Model, Price
from tollway.gateway.routing.candidate import candidate_of
from tollway.gateway.routing.keys import SWEEP_AT, KeyTurns
from tollway.gateway.routing.plan import Candidate
from tollway.gateway.stock import known_providers

OPENAI = known_providers()["openai"]
MODEL = Model(
    id=ModelId("m"), name="m", provider="openai", category="fast", context_window=1000, max_output=100,
    price=Price(version="1", input=1, output=1), served_by={"openai": "m"}, family="openai",
)  # fmt: skip


def lanes(choice: str, *keys: str, name: str = "a") -> list[Candidate]:
    channel = Channel(id=ChannelId(name), provider="openai", base_url="https://a.example", keys=keys, key_choice=choice)
    return [candidate_of(channel, OPENAI, MODEL, "m", lane) for lane in channel.lanes]


def first(turns: KeyTurns, own: list[Candidate], caller: str = "c", now_s: float = 0.0) -> str:
    return next(turns.arranged(own, own, caller, now_s)).lane


def test_round_robin_is_exact():
    turns, own = KeyTurns(), lanes("round_robin", "k1", "k2", "k3")
    drawn = [first(turns, own) for _ in range(300)]
    assert Counter(drawn) == {one.lane: 100 for one in own}
    assert drawn[:4] == [own[0].lane, own[1].lane, own[2].lane, own[0].lane]


def test_round_robin_goes_on_after_a_key_that_cannot_be_used():
    turns, own = KeyTurns(), lanes("round_robin", "k1", "k2", "k3")
    assert first(turns, own) == own[0].lane
    assert first(turns, [own[0], own[2]]) == own[2].lane  # the second one rests
    assert first(turns, own) == own[0].lane


def test_round_robin_goes_on_when_the_keys_are_edited():
    turns, own = KeyTurns(), lanes("round_robin", "k1", "k2", "k3")
    first(turns, own)
    edited = lanes("round_robin", "k0", "k1", "k2")
    assert first(turns, edited) == edited[2].lane  # the one after k1, wherever that stands now


def test_a_caller_keeps_his_key_and_callers_are_spread_evenly():
    turns, own = KeyTurns(), lanes("affinity", "k1", "k2", "k3")
    keys = {f"caller{number}": first(turns, own, f"caller{number}") for number in range(30)}
    assert Counter(keys.values()) == {one.lane: 10 for one in own}
    for second in range(0, 1000, 250):  # each call prolongs the bond
        assert {caller: first(turns, own, caller, float(second)) for caller in keys} == keys


def test_a_caller_moves_once_when_his_key_fails_and_stays_where_his_cache_is_warm_now():
    turns, own = KeyTurns(), lanes("affinity", "k1", "k2", "k3")
    bound = first(turns, own)
    others = [one for one in own if one.lane != bound]
    moved = first(turns, others)
    assert moved != bound
    assert first(turns, own) == moved


def test_a_bond_ends_when_the_caller_stays_away():
    turns, own = KeyTurns(), lanes("affinity", "k1", "k2")
    his = first(turns, own, "a")
    assert first(turns, own, "b") != his
    assert first(turns, own, "b", 299) != his
    assert first(turns, own, "c", 300) == his  # nobody is bound there any more


def test_the_table_of_bonds_is_bounded():
    turns, own = KeyTurns(most=2 * SWEEP_AT), lanes("affinity", "k1", "k2")
    for number in range(5 * SWEEP_AT):
        first(turns, own, f"c{number}", now_s=number / 1e6)
    assert len(turns) <= 2 * SWEEP_AT
    first(turns, own, "late", now_s=400.0)
    assert len(turns) == 1


@pytest.mark.parametrize("choice", ["random", "round_robin", "affinity"])
def test_every_candidate_comes_exactly_once_and_other_channels_keep_their_places(choice):
    turns = KeyTurns()
    own, other = lanes(choice, "k1", "k2", "k3"), lanes("random", "k", name="b")
    order = [own[2], other[0], own[0], own[1]]
    for _ in range(5):
        drawn = list(turns.arranged(order, order, "c", 0.0))
        assert len(drawn) == 4
        assert {id(one) for one in drawn} == {id(one) for one in order}
        assert drawn[1] is other[0]
        assert choice != "random" or drawn == order
