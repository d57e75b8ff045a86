"""The paths under which the models on sale are listed."""

from collections.abc import Callable

from fastapi import APIRouter, Request

from tollway.core.caller import Caller
from tollway.core.errors import ModelNotFound
from tollway.core.model import CHAT, Model
from tollway.gateway.admin.models import GEMINI, OPENAI, SHOW, Shown, family_of, hub_model, listing
from tollway.gateway.catalog import Catalog
from tollway.gateway.limits.rate import RateLimiter
from tollway.gateway.routing.groups import GroupRoutes


def routes(catalog: Callable[[], Catalog], limiter: RateLimiter, ways: Callable[[], GroupRoutes]) -> APIRouter:
    """The routes over `catalog`; a key sees the models it may use, in the groups it calls in. The caller arrives in
    `request.state.caller`.

    Only the hub's own list also shows what the plan does not include, with `allowed` false (hub.md 2.6).
    """
    router = APIRouter(tags=["Models"])

    def visible(request: Request) -> list[Model]:
        caller: Caller = request.state.caller
        offered = ways().offers(caller)
        return [model for model in catalog() if limiter.may(caller, model.id) and offered(model.id)]

    def one(request: Request, name: str) -> Model:
        caller: Caller = request.state.caller
        model = catalog().find(name)
        if model is None or not limiter.may(caller, model.id) or not ways().offers(caller)(model.id):
            raise ModelNotFound(f"the model {name[:200]!r} is not on sale here", field="model")
        return model

    @router.get("/models")
    async def hub_list(request: Request) -> Shown:
        caller: Caller = request.state.caller
        offered = ways().offers(caller)
        talk = (model for model in catalog() if model.type == CHAT)  # the hub's clients offer them for conversation
        found = [model for model in talk if limiter.allows(caller.limits, model.id) and offered(model.id)]
        return {"models": [hub_model(model, limiter.includes(caller.plan, model.id)) for model in found]}

    @router.get("/v1/models")
    async def vendor_list(request: Request) -> Shown:
        return listing(_family(request), visible(request))

    @router.get("/v1/models/{name:path}")
    async def vendor_one(request: Request, name: str) -> Shown:
        return SHOW[_family(request)](one(request, name.removeprefix("models/")))

    @router.get("/v1beta/models")
    async def gemini_list(request: Request) -> Shown:
        return listing(GEMINI, visible(request))

    @router.get("/v1beta/openai/models")
    async def openai_list(request: Request) -> Shown:
        return listing(OPENAI, visible(request))

    @router.get("/v1beta/models/{name:path}")
    async def gemini_one(request: Request, name: str) -> Shown:
        return SHOW[GEMINI](one(request, name.removeprefix("models/")))

    return router


def _family(request: Request) -> str:
    query = request.scope.get("query_string", b"").decode("latin-1")
    return family_of(request.scope["path"], query, dict(request.scope["headers"]))
