"""Where a local engine serves the model, asks whether it takes the call, and finds whoever may answer instead."""

import msgspec

from tollway.core.errors import NoChannelAnswered, RateLimited
from tollway.core.model import Model
from tollway.gateway.engines.offload import Offload
from tollway.gateway.limits.rate import RateLimiter
from tollway.gateway.pipeline.call import Call
from tollway.gateway.routing.chain import chain_of
from tollway.gateway.routing.plan import Candidate, Plan, plan_of
from tollway.gateway.routing.route import route_of
from tollway.gateway.routing.router import Router

USUAL = chain_of("weighted")
RESTING = "remote: its own channels rest"


def relieved(model: Model, call: Call, router: Router, offload: Offload, limits: RateLimiter) -> Plan:
    """The plan of a call, engines before others or after them.

    Raises what `router.plan` raises when nobody else may answer either.
    """
    concern = offload.concern(model)
    route = route_of(call) if concern is not None else None
    if concern is None or (route is not None and route.channel):  # whoever pins a channel gets that one
        return router.plan(model, call.id, call.started_s, call)
    if concern.replicas and (route is not None or router.ways(model).chain != USUAL):
        concern = concern._replace(replicas=False)  # somebody stated how to choose
    spare = _spare(concern.to, call, router, limits) if concern.to is not None else []
    try:
        plan = router.plan(model, call.id, call.started_s, call)
    except RateLimited:
        if not spare:
            raise
        return msgspec.structs.replace(plan_of(model, spare), why=RESTING)
    return offload.arranged(plan, spare, call.body, concern, lambda one: router.health.usable(one, call.started_s))


def _spare(model: Model, call: Call, router: Router, limits: RateLimiter) -> list[Candidate]:
    """The ways to the model that answers instead; none when this caller may not use it, or nobody can."""
    if not limits.may(call.caller, model.id):
        return []
    try:
        plan = router.plan(model, call.id, call.started_s, call)
    except (RateLimited, NoChannelAnswered):
        return []
    return [one for one in plan.candidates if one.model.id == model.id]
