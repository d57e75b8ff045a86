"""Where a local engine serves the model, asks whether it takes the call, and finds whoever may answer instead."""

from collections.abc import Callable
from typing import Any

import msgspec

from tollway.core.errors import NoChannelAnswered, RateLimited
from tollway.core.model import Model
from tollway.gateway.engines.offload import Offload
from tollway.gateway.routing.chain import chain_of
from tollway.gateway.routing.plan import Candidate, Plan, plan_of
from tollway.gateway.routing.question import Question
from tollway.gateway.routing.route import route_of
from tollway.gateway.routing.router import Router

USUAL = chain_of("weighted")
RESTING = "remote: its own channels rest"
May = Callable[[Model], bool]
"""Whether the caller may use a model."""


def relieved(model: Model, asked: Question, now_s: float, router: Router, offload: Offload, may: May) -> Plan:
    """The plan of a call that begins at `now_s` (monotonic seconds), engines before others or after them.

    Raises what `router.plan` raises when nobody else may answer either.
    """
    concern = offload.concern(model)
    route = route_of(asked) if concern is not None else None
    if concern is None or (route is not None and route.channel):  # whoever pins a channel gets that one
        return router.plan(model, asked.id, now_s, asked)
    spare = _spare(concern.to, asked, now_s, router) if concern.to is not None and may(concern.to) else []
    try:
        plan = router.plan(model, asked.id, now_s, asked)
    except RateLimited:
        if not spare:
            raise
        return msgspec.structs.replace(plan_of(model, spare), why=RESTING)
    is_stated = route is not None or router.ways(model).chain != USUAL or plan.answered is not None
    if concern.replicas and is_stated:  # somebody stated how to choose, or where conversations stay
        concern = concern._replace(replicas=False)
    return offload.arranged(plan, spare, asked.body, concern, lambda one: router.health.usable(one, now_s))


def _spare(model: Model, asked: Question, now_s: float, router: Router) -> list[Candidate]:
    """The ways to the model that answers instead; none when nobody can."""
    try:
        plan = router.plan(model, asked.id, now_s, asked)
    except (RateLimited, NoChannelAnswered):
        return []
    return [one for one in plan.candidates if one.model.id == model.id]


def told(plan: Plan, offload: Offload) -> dict[str, Any]:
    """What an administrator may know of a plan's engines: who comes in which order, why, and each engine's load."""
    loads = {one.channel.id: offload.engines.load(one) for one in plan.candidates}
    return {
        "offload": plan.why or None,
        "order": [one.lane for one in plan.candidates],
        "engines": {
            channel: {**msgspec.structs.asdict(load), "trouble": offload.engines.trouble(channel)}
            for channel, load in loads.items()
            if load is not None
        },
    }
