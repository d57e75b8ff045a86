"""One request as a page of prose: whatever can refuse a call comes before its first byte; whatever it owes, after."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tollway.core.errors import BadRequest, Fault, ModelNotFound, TollwayError
from tollway.core.model import CHAT, EMBEDDING, Model
from tollway.core.money import NanoUsd
from tollway.gateway.catalog import Catalog
from tollway.gateway.engines.offload import Offload
from tollway.gateway.engines.relief import relieved
from tollway.gateway.ledger.hold import Ledger
from tollway.gateway.limits.rate import RateLimiter, ShareUsedUp
from tollway.gateway.metering.learned import UsualOutput
from tollway.gateway.pipeline.allowed import allowed, stand_in
from tollway.gateway.pipeline.auto import suited
from tollway.gateway.pipeline.call import Call
from tollway.gateway.pipeline.delivery import Delivery
from tollway.gateway.pipeline.dispatch import Dispatcher
from tollway.gateway.pipeline.heart import Heart
from tollway.gateway.pipeline.seals import Seals
from tollway.gateway.pipeline.weigh import weigh
from tollway.gateway.routing.complexity import AUTO
from tollway.gateway.routing.crossing import crossed
from tollway.gateway.routing.groups import GroupRoutes, GroupWay, way_for
from tollway.gateway.routing.plan import Plan
from tollway.gateway.routing.router import Router
from tollway.kit.http1.wire import Sink

UNNAMED = (None, "", AUTO)
"""What a request says that leaves the model to us."""
DOES = {
    CHAT: "makes no embeddings; it is asked in conversations, as at POST /v1/chat/completions",
    EMBEDDING: "makes embeddings only; it is asked at POST /v1/embeddings",
}
"""What each type of model says to whoever takes it for one of the other."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """The rooms a call walks through."""

    catalog: Catalog
    limits: RateLimiter
    router: Router
    """All channels, whatever groups they serve."""
    groups: GroupRoutes
    ledger: Ledger
    dispatcher: Dispatcher
    seals: Seals
    heart: Heart
    usual: UsualOutput
    now_s: Callable[[], float]
    """Monotonic seconds."""
    default_model: str | None
    offload: Offload | None = None
    """Decides between local engines and others; None where there is nothing to decide."""


async def relay(call: Call, gw: Gateway, sink: Sink) -> None:
    """Answer one call. Raises TollwayError when it was refused or failed before its first word."""
    ways = gw.groups.of(call.caller)
    if call.envelope.model in UNNAMED and not gw.ledger.left(call.caller.payer):
        await gw.ledger.learn(call.caller.payer, NanoUsd(1))  # the auto router looks at what can be paid
    model = asked_model(call, gw, ways[0].router)
    try:
        slot = gw.limits.admit(call.caller, model.id, call.started_s)
    except ShareUsedUp:
        slot = await gw.limits.admit_soon(call.caller, model.id)
    try:
        plan = grouped(model, call, gw, ways)
        weighed = await weigh(call, plan, gw.ledger, gw.usual)
        with weighed.hold:
            delivery = Delivery(call, plan, weighed, slot, sink, gw)
            try:
                await gw.dispatcher.first_to_answer(plan, delivery, weighed.output_limit)
            except TollwayError as error:
                delivery.failed(error.message if isinstance(error, Fault) else f"{error.code}: {error.message}")
                raise
            except asyncio.CancelledError:
                delivery.gone()
                raise
            except Exception as error:
                delivery.failed(f"internal error: {type(error).__name__}")
                raise
    finally:
        slot.release()


def grouped(model: Model, call: Call, gw: Gateway, ways: Sequence[GroupWay]) -> Plan:
    """The plan in the caller's group; of several, in the first that serves the model, and in the others if he wants."""
    if len(ways) == 1:
        return plan_in(ways[0], model, call, gw)
    if call.caller.limits.cross_group_retry:
        return crossed(ways, lambda way: plan_in(way, model, call, gw))
    return plan_in(way_for(model, ways), model, call, gw)


def plan_in(way: GroupWay, model: Model, call: Call, gw: Gateway) -> Plan:
    """The plan in one group; where a local engine serves the model, with it before others or after them."""
    sold, router, now_s = way.sold(model), way.router, call.started_s
    if gw.offload is None:
        plan = router.plan(sold, call.id, now_s, call)
    else:
        plan = relieved(sold, call, now_s, router, gw.offload, stand_in(call, gw.limits))
    return allowed(plan, call, gw.limits, router)


def asked_model(call: Call, gw: Gateway, router: Router) -> Model:
    """The model as sold; where none is named, the one that suits the question.

    Raises ModelNotFound; a model without a price is not on sale.
    """
    name = call.envelope.model or gw.default_model or AUTO
    if name == AUTO:
        return suited(call, gw.catalog, router, gw.limits, gw.ledger)
    model = gw.catalog.find(name) if name.isascii() and name.isprintable() else None
    if model is None:
        what = f"the model {name[:100]!r} is not on sale here"
        raise ModelNotFound(f"{what}; GET /v1/models lists those on sale", field="model")
    if model.type != call.dialect.type:
        raise BadRequest(f"the model {model.id!r} {DOES[model.type]}", field="model")
    return model
