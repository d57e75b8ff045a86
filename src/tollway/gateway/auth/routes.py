"""`/api-keys`: a user makes, lists and revokes keys (hub.md 2.9)."""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, StrictInt, WithJsonSchema

from tollway.core.caller import Caller, KeyLimits, Scope
from tollway.core.errors import Forbidden
from tollway.gateway.auth.api_keys import MOST_DAYS, MOST_MODELS, MOST_PARALLEL, MOST_PER_MINUTE, NO_LIMITS, ApiKeys
from tollway.gateway.auth.show import show_key
from tollway.ports import Clock

Shown = dict[str, Any]


def _documented(kind: str, **bounds: Any) -> WithJsonSchema:
    """What the OpenAPI document says of a field whose bounds `ApiKeys` itself checks."""
    return WithJsonSchema({"anyOf": [{"type": kind, **bounds}, {"type": "null"}]})


_PerMinute = Annotated[StrictInt | None, _documented("integer", minimum=1, maximum=MOST_PER_MINUTE)]
_Parallel = Annotated[StrictInt | None, _documented("integer", minimum=1, maximum=MOST_PARALLEL)]
_Entry = {"type": "string", "minLength": 1, "maxLength": 200}
_Models = Annotated[list[str] | None, _documented("array", items=_Entry, minItems=1, maxItems=MOST_MODELS)]
_Days = Annotated[float | None, _documented("number", exclusiveMinimum=0, maximum=MOST_DAYS)]


class NewKeyBody(BaseModel):
    """What the maker of a key may say about it."""

    name: str = "Default"
    requests_per_minute: _PerMinute = None
    parallel_calls: _Parallel = None
    models: _Models = None
    expires_in_days: _Days = None


def routes(keys: ApiKeys, clock: Clock) -> APIRouter:
    """The routes over `keys`. The caller arrives in `request.state.caller`."""
    router = APIRouter(tags=["API keys"])

    @router.post("/api-keys")
    async def create(request: Request, body: NewKeyBody | None = None) -> Shown:
        caller: Caller = request.state.caller
        if caller.limits != NO_LIMITS and caller.scope is not Scope.ADMIN:
            raise Forbidden("a key with limits cannot make keys: the new one might have none")
        asked = body or NewKeyBody()
        models = None if asked.models is None else tuple(asked.models)
        limits = KeyLimits(asked.requests_per_minute, asked.parallel_calls, models)
        new = await keys.create(caller.user, asked.name, limits, lifetime_days=asked.expires_in_days)
        shown = show_key(new.record, clock.now_s())
        wanted = ("key_id", "name", "prefix", "created_at", "expires_at", "limits")
        return {"api_key": new.api_key} | {name: shown[name] for name in wanted}

    @router.get("/api-keys")
    async def mine(request: Request, revoked: bool = False) -> Shown:
        caller: Caller = request.state.caller
        now_s = clock.now_s()
        records = [key for key in await keys.of(caller.user) if revoked or key.revoked_at_s is None]
        return {"api_keys": [show_key(key, now_s) for key in records]}

    @router.delete("/api-keys/{key_id}")
    async def revoke(request: Request, key_id: str) -> Shown:
        caller: Caller = request.state.caller
        await keys.revoke(key_id, None if caller.scope is Scope.ADMIN else caller.user)
        return {"key_id": key_id, "deleted": True}

    return router
