"""The order in which channels are tried."""

from collections import Counter
from decimal import Decimal
from importlib import import_module

import pytest

from tollway.core.errors import NoChannelAnswered, RateLimited
from tollway.core.ids import ChannelId, LaneId, ModelId
from tollway.core.model import Channel, Model, Price
from tollway.gateway.provider import Disconnect, Provider, at, bearer, same
from tollway.gateway.routing.router import Router

DIALECT = import_module("tollway.gateway.dialects.openai_chat").dialect
PRICE = Price(version="1", input=Decimal(1), output=Decimal(2))


def provider(name: str) -> Provider:
    stays = Disconnect(True, "the test says so")
    return Provider(name, DIALECT, f"https://{name}.example/v1", at("/chat/completions"), bearer, same, stays)


PROVIDERS = {name: provider(name) for name in ("one", "two")}


def model(name: str, served: dict[str, str], fallbacks: tuple[str, ...] = ()) -> Model:
    return Model(
        id=ModelId(name), name=name, provider="one", category="fast", context_window=1000, max_output=100, price=PRICE,
        served_by=served, family="openai", fallbacks=tuple(ModelId(each) for each in fallbacks),
    )  # fmt: skip


def channel(name: str, at_provider: str = "one", priority: int = 0, weight: int = 1) -> Channel:
    return Channel(
        id=ChannelId(name),
        provider=at_provider,
        base_url=f"https://{name}.example/v1",
        priority=priority,
        weight=weight,
    )


def order(router: Router, asked: Model, call: str = "req_1", now_s: float = 0.0) -> list[str]:
    return [one.channel.id for one in router.plan(asked, call, now_s).candidates]


def test_higher_priority_comes_first_and_every_channel_comes_once() -> None:
    asked = model("m", {"one": "m-up"})
    router = Router([asked], [channel("low"), channel("high", priority=5), channel("mid", priority=1)], PROVIDERS)
    assert order(router, asked) == ["high", "mid", "low"]


def test_the_same_call_id_gives_the_same_order_and_others_follow_the_weights() -> None:
    asked = model("m", {"one": "m-up"})
    router = Router([asked], [channel("heavy", weight=3), channel("light", weight=1)], PROVIDERS)
    assert order(router, asked, "req_7") == order(router, asked, "req_7")
    first = Counter(order(router, asked, f"req_{number}")[0] for number in range(4000))
    assert abs(first["heavy"] / 4000 - 0.75) < 0.03


def test_weight_zero_comes_last_but_is_still_tried() -> None:
    asked = model("m", {"one": "m-up"})
    router = Router([asked], [channel("spare", weight=0), channel("usual", weight=1)], PROVIDERS)
    assert {tuple(order(router, asked, f"req_{number}")) for number in range(200)} == {("usual", "spare")}


def test_fallback_models_come_after_the_model_itself_and_only_one_hop() -> None:
    last = model("c", {"one": "c-up"})
    spare = model("b", {"two": "b-up"}, ("c",))
    asked = model("a", {"one": "a-up"}, ("b",))
    router = Router([asked, spare, last], [channel("x"), channel("y", "two")], PROVIDERS)
    assert [one.model.id for one in router.plan(asked, "req_1", 0.0).candidates] == ["a", "b"]


def test_a_model_nobody_serves_is_refused_even_when_a_fallback_could() -> None:
    asked, spare = model("a", {"one": "a-up"}, ("b",)), model("b", {"two": "b-up"})
    router = Router([asked, spare], [channel("y", "two")], PROVIDERS)
    with pytest.raises(NoChannelAnswered) as refused:
        router.plan(asked, "req_1", 0.0)
    assert (refused.value.status, refused.value.code) == (503, "model_not_found")


def test_a_limited_channel_rests_as_long_as_it_asked() -> None:
    asked = model("m", {"one": "m-up"})
    router = Router([asked], [channel("first", priority=1), channel("second")], PROVIDERS)
    router.health.of(LaneId("first"), "m").limit(100.0, 30.0)
    assert order(router, asked, now_s=129.0) == ["second"]
    assert order(router, asked, now_s=131.0) == ["first", "second"]


def test_when_every_channel_rests_the_caller_hears_when_the_first_wakes() -> None:
    asked = model("m", {"one": "m-up"})
    router = Router([asked], [channel("only")], PROVIDERS)
    router.health.of(LaneId("only"), "m").limit(100.0, 30.0)
    with pytest.raises(RateLimited) as refused:
        router.plan(asked, "req_1", 110.0)
    assert refused.value.retry_after_s == 20.0


def test_a_channel_may_state_its_own_models() -> None:
    asked = model("m", {"one": "m-up"})
    own = Channel(id=ChannelId("own"), provider="two", base_url="https://own.example/v1", models={"m": "mine"})
    router = Router([asked], [own], PROVIDERS)
    assert router.plan(asked, "req_1", 0.0).candidates[0].upstream_model == "mine"
