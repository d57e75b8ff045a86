"""A plan without the fallback models that a caller may not use, or that could not do the work."""

from collections.abc import Callable

import msgspec

from tollway.core.errors import Unsupported
from tollway.core.model import Model
from tollway.gateway.limits.rate import RateLimiter
from tollway.gateway.pipeline.call import Call
from tollway.gateway.routing.plan import Plan
from tollway.gateway.routing.router import Router

NONE = msgspec.Raw(b"null")
NONES = (NONE, msgspec.Raw(b"[]"))
"""What a list that holds nothing looks like on the wire."""


def allowed(plan: Plan, call: Call, limits: RateLimiter, router: Router) -> Plan:
    """The plan without fallback models that this key or plan may not use or that could not do the work.

    Raises Unsupported when the asked model itself cannot use tools and tools are asked for, RateLimited when only
    its own channels are left and all of them were told to wait.
    """
    caller = call.caller
    tools = _asks_for_tools(call)
    if tools and "tools" not in plan.model.abilities:
        raise Unsupported(f"the model {plan.model.id!r} cannot use tools", field="tools")
    media = call.envelope.media
    able = (not tools or "tools" in plan.facts.able) and (not media or "vision" in plan.facts.able)
    if able and caller.limits.models is None and caller.plan.models == "all":
        return plan
    barred = frozenset(
        one.id
        for one in plan.facts.models
        if one.id != plan.model.id and not (limits.may(caller, one.id) and _able(one, tools, media))
    )
    if not barred:
        return plan
    return plan.without(barred) or router.last_resort(plan.model, call.started_s)


def stand_in(call: Call, limits: RateLimiter) -> Callable[[Model], bool]:
    """Whether a model may answer this call in another's place: its caller may use it, and it could do the work."""
    tools, media = _asks_for_tools(call), call.envelope.media
    return lambda other: limits.may(call.caller, other.id) and _able(other, tools, media)


def _asks_for_tools(call: Call) -> bool:
    body = call.body
    return body.get("tools", NONE) not in NONES or body.get("functions", NONE) not in NONES


def _able(model: Model, tools: bool, media: bool) -> bool:
    return not (tools and "tools" not in model.abilities) and not (media and "vision" not in model.abilities)
