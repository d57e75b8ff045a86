"""The auto router: a request that names no model gets the one that suits its question (hub.md 5.3)."""

from tollway.core.errors import ModelNotFound
from tollway.core.model import Model
from tollway.gateway.catalog import Catalog
from tollway.gateway.ledger.hold import Ledger
from tollway.gateway.limits.rate import RateLimiter
from tollway.gateway.pipeline.call import Call
from tollway.gateway.routing.complexity import wish_on
from tollway.gateway.routing.router import Router

LEAST_OUTPUT = 256
"""Output tokens that must be affordable beside the input."""


def suited(call: Call, catalog: Catalog, router: Router, limits: RateLimiter, ledger: Ledger) -> Model:
    """The model for this question, of those that are on sale, well, able, open to the caller and within his credits.

    Raises Forbidden when a picture is wanted on a plan that has none, ModelNotFound when there is no such model.
    """
    wish, caller = wish_on(call, call.caller.plan), call.caller
    open_to = [model for model in router.for_auto(catalog.models) if limits.may(caller, model.id)]
    able = [model for model in open_to if wish.suits(model)]
    left = ledger.left(caller.payer)
    paid = [model for model in able if not left or router.dearest(model, wish.tokens, LEAST_OUTPUT) <= left]
    found = router.best_for(wish, paid or able, call, call.started_s)
    if found is None:
        raise ModelNotFound("the request names no model, and none that suits it is on sale here", field="model")
    return found
