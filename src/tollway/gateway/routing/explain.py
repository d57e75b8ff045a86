"""Tells how a call would be routed, and why: every candidate with what was weighed, and why some are left out."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tollway.core.caller import Caller
from tollway.core.chat import ChatRequest, Message, Role, Text
from tollway.core.ids import CallId
from tollway.core.model import Model
from tollway.gateway.dialect import Body, Envelope
from tollway.gateway.routing.keys import KeyTurns
from tollway.gateway.routing.observations import Seen
from tollway.gateway.routing.plan import Candidate
from tollway.gateway.routing.question import Question
from tollway.gateway.routing.route import HEADER, Route, route_of
from tollway.gateway.routing.router import Router
from tollway.gateway.routing.tier import Tier

Row = dict[str, Any]
May = Callable[[Model], bool]
"""Whether the caller may use a model."""


class Imagined(msgspec.Struct):
    """A question that nobody has asked: one turn of a user."""

    id: CallId
    caller: Caller
    prompt: str
    model: str
    route: str = ""

    @property
    def envelope(self) -> Envelope:
        """As if it had been peeked from a body."""
        return Envelope(self.model)

    @property
    def body(self) -> Body:
        """As a chat would say it."""
        turn = {"role": "user", "content": self.prompt}
        return {"model": msgspec.Raw(msgspec.json.encode(self.model)), "messages": msgspec.Raw(_encode([turn]))}

    @property
    def heard(self) -> Mapping[bytes, bytes]:
        """The header that states its route, if any does."""
        return {HEADER: self.route.encode("latin-1", "replace")} if self.route else {}

    @property
    def path(self) -> str:
        """As a chat is asked for."""
        return "/v1/chat/completions"

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return len(_encode(self.prompt)) + 64

    def request(self) -> ChatRequest:
        """The canonical form."""
        return ChatRequest(model=self.model, messages=(Message(Role.USER, (Text(self.prompt),)),))


_encode = msgspec.json.encode


def explained(router: Router, model: Model, asked: Question, now_s: float, may: May) -> Row:
    """How the call would be routed at `now_s` (monotonic seconds); takes nobody's turn and tells nobody.

    Raises as `Router.plan` does where the route itself is refused.
    """
    route = route_of(asked)
    ways = router.ways(model)
    chain = route.chain if route is not None and route.chain else ways.chain
    signals = dataclasses.replace(router.signals, memory=router.signals.memory.copy(), turns=KeyTurns())
    router = router.beside(signals)
    seen = Seen(signals, asked.id, now_s, asked)
    if route is not None and route.channel:
        order = list(router.plan(model, asked.id, now_s, asked).candidates)
    else:
        order = [one for one in router.ordered(ways.tiers, chain, seen, now_s) if may(one.model)]
    rows = [
        _row(one, seen, tier) | _standing(one, router, model, now_s) | {"order": None, "excluded": ""}
        for tier in ways.tiers
        for one in _entered(tier, seen).every
    ]
    places = {(one.lane, one.model.id): at + 1 for at, one in enumerate(order)}
    for row in rows:
        row["order"] = places.get((row["lane"], row["model"]))
        if row["order"] is None:
            row["excluded"] = _excluded(row, model, route)
    off = Tier("switched off", router.switched_off(model))
    for one in _entered(off, seen).every:
        switched_off = {"state": "off", "usable": False, "order": None, "excluded": "its channel is switched off"}
        rows.append(_row(one, seen, off) | _standing(one, router, model, now_s) | switched_off)
    rows.sort(key=lambda row: (row["order"] is None, row["order"] or 0))
    return {
        "model": model.id,
        "strategy": ["pinned"] if route is not None and route.channel else [strategy.name for strategy in chain],
        "stated_by": _stated_by(model, route, asked),
        "input_tokens": seen.tokens[0],
        "output_tokens": seen.tokens[1],
        "candidates": rows,
    }


def _entered(tier: Tier, seen: Seen) -> Tier:
    seen.enter(tier)
    return tier


def _row(one: Candidate, seen: Seen, tier: Tier) -> Row:
    """What is weighed of a candidate."""
    sums = seen.shares(tier.ready)
    weight = one.weight * seen.score(one)
    return {
        "channel": one.channel.id,
        "lane": one.lane,
        "provider": one.provider.name,
        "model": one.model.id,
        "upstream_model": one.upstream_model,
        "tier": one.channel.priority,
        "weight": one.weight,
        "share": round(weight / sums[-1], 4) if one in tier.ready and sums[-1] else 0.0,
        "score": round(seen.score(one), 4),
        "ttfb_ms": round(seen.ttfb_ms(one), 1) or None,
        "headroom": round(seen.headroom(one), 4),
        "warm": round(seen.warm(one), 4),
        "price_usd": round(seen.price(one) / 1e9, 9),
    }


def _standing(one: Candidate, router: Router, model: Model, now_s: float) -> Row:
    """How a candidate is."""
    health = router.health
    rest_s = health.rests_until(one) - now_s
    why = health.why(one)
    return {
        "state": "closed" if why is None else "open" if rest_s > 0 else "half_open",
        "why": "" if why is None else why.value,
        "rests_s": round(rest_s, 1) if rest_s > 0 else None,
        "usable": health.usable(one, now_s),
        "full": not router.has_room(one, now_s),
        "fallback": one.model.id != model.id,
    }


def _excluded(row: Row, model: Model, route: Route | None) -> str:
    """Why it has no place in the plan."""
    if route is not None and route.channel and row["channel"] != route.channel:
        return f"the channel {route.channel} is pinned"
    if not row["usable"]:
        rest = f", for another {row['rests_s']} s" if row["rests_s"] else ""
        return f"its circuit is open ({row['why'] or row['state']}){rest}"
    if row["full"]:
        return "its own limits are used up"
    if row["model"] != model.id:
        return f"this key or plan may not use {row['model']}"
    return "nothing is left of it"


def _stated_by(model: Model, route: Route | None, asked: Question) -> str:
    if route is not None:
        return "request" if HEADER in asked.heard else "key"
    return "model" if model.strategy else "[routing]"
