"""Synthetic pools of channels, and a world in which each of them behaves as a story says."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from importlib import import_module
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import msgspec

from tollway.core.caller import Caller, KeyLimits, Scope
from tollway.core.ids import CallId, ChannelId, KeyId, ModelId, UserId
from tollway.core.model import Channel, Model, Price
from tollway.core.routing import RoutingRules
from tollway.gateway.dialect import Envelope, open_body
from tollway.gateway.provider import Disconnect, Provider, at, bearer, same
from tollway.gateway.routing.health import Health
from tollway.gateway.routing.memory import Memory
from tollway.gateway.routing.observations import Signals
from tollway.gateway.routing.plan import Candidate
from tollway.gateway.routing.question import Question
from tollway.gateway.routing.router import Router

T = TypeVar("T")
DIALECT = import_module("tollway.gateway.dialects.openai_chat").dialect
PRICE = Price(version="1", input=Decimal(1), output=Decimal(2), cache_read=Decimal("0.1"))


def provider(name: str) -> Provider:
    stays = Disconnect(True, "the test says so")
    return Provider(name, DIALECT, f"https://{name}.example/v1", at("/chat/completions"), bearer, same, stays)


PROVIDERS = {name: provider(name) for name in ("one", "two")}


def model(name: str = "m", served: Mapping[str, str] | None = None, **fields: Any) -> Model:
    stated = {"price": PRICE, "category": "fast", "context_window": 100_000, "max_output": 1000, **fields}
    ways = {"one": f"{name}-up"} if served is None else dict(served)
    return Model(id=ModelId(name), name=name, provider="one", served_by=ways, family="openai", **stated)


def channel(name: str, at_provider: str = "one", **fields: Any) -> Channel:
    return Channel(id=ChannelId(name), provider=at_provider, base_url=f"https://{name}.example/v1", **fields)


def router(models: Sequence[Model], channels: Sequence[Channel], **stated: Any) -> Router:
    """A router with fresh signals; `stated` are its rules."""
    rules = RoutingRules(**stated)
    return Router(models, channels, PROVIDERS, Signals(Health(), Memory(rules), rules))


def pool(*channels: Channel, of: Model | None = None) -> list[Candidate]:
    """The candidates of one model on these channels, of one tier."""
    asked = of or model()
    return [one for tier in router([asked], channels, tiers=False).ways(asked).tiers for one in tier.every]


def names(candidates: Sequence[Candidate]) -> list[str]:
    return [one.channel.id for one in candidates]


def question(
    call: str = "req_1", text: str = "hi", heard: Mapping[bytes, bytes] | None = None, **stated: Any
) -> Question:
    """A call; `stated` are fields of its body, or `scope` and `route` of its key."""
    key = KeyLimits(route=stated.pop("route", None))
    caller = Caller(UserId("usr_1"), KeyId("key_1"), stated.pop("scope", Scope.CALL), key)
    body = {"model": "m", "messages": [{"role": "user", "content": text}], **stated}
    data = msgspec.json.encode(body)
    fields = open_body(data)
    envelope = Envelope(body["model"], max_output=body.get("max_tokens"))
    asked = SimpleNamespace(
        id=CallId(call), caller=caller, envelope=envelope, body=fields, heard=heard or {}, size=len(data),
        path="/v1/chat/completions",
        request=lambda: DIALECT.read_request(fields, envelope, None),
    )  # fmt: skip
    return cast(Question, asked)


class Sight:
    """Observations as a table says: what is not stated is usual."""

    def __init__(self, draw: float = 0.5, turn: int = 0, due: str = "", **by_channel: Mapping[str, float]) -> None:
        self.draw, self.turn, self._due, self._said = draw, turn, due, by_channel

    def _of(self, what: str, one: Candidate, usual: float) -> float:
        return self._said.get(what, {}).get(one.channel.id, usual)

    def lot(self, one: Candidate) -> float:
        return self._of("lot", one, 0.9 - sum(one.lane.encode()) % 80 / 100)

    def once(self, what: str, candidates: Sequence[Candidate], make: Callable[[Sequence[Candidate]], T]) -> T:
        return make(candidates)

    lately = once

    def shares(self, candidates: Sequence[Candidate]) -> Sequence[float]:
        sums: list[float] = []
        for one in candidates:
            sums.append((sums[-1] if sums else 0.0) + one.weight * self.score(one))
        return sums

    def score(self, one: Candidate) -> float:
        return self._of("score", one, 1.0)

    def ttfb_ms(self, one: Candidate) -> float:
        return self._of("ttfb_ms", one, 0.0)

    def usual_ttfb_ms(self, candidates: Sequence[Candidate]) -> float:
        known = sorted(found for one in candidates if (found := self.ttfb_ms(one)))
        return known[len(known) // 2] if known else 0.0

    def due(self, candidates: Sequence[Candidate]) -> Candidate | None:
        return next((one for one in candidates if one.channel.id == self._due), None)

    @property
    def is_limited(self) -> bool:
        return "headroom" in self._said

    def headroom(self, one: Candidate) -> float:
        return self._of("headroom", one, 1.0)

    def pressure(self, one: Candidate) -> float:
        return self._of("pressure", one, 0.0)

    def price(self, one: Candidate) -> float:
        return self._of("price", one, 100.0)

    def warm(self, one: Candidate) -> float:
        return self._of("warm", one, 0.0)

    def warmest(self, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        return sorted((one for one in candidates if self.warm(one)), key=self.warm, reverse=True)

    def misfit(self, one: Candidate) -> int:
        return int(self._of("misfit", one, 0.0))
