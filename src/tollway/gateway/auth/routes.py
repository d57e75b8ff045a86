"""`/api-keys`: a user makes, lists and revokes keys (hub.md 2.9)."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, StrictInt, WithJsonSchema

from tollway.core.caller import Budget, Caller, KeyLimits, Scope
from tollway.core.errors import Forbidden
from tollway.gateway.auth.api_keys import (
    MOST_DAYS,
    MOST_MODELS,
    MOST_PARALLEL,
    MOST_PER_MINUTE,
    MOST_ROUTE,
    NO_LIMITS,
    ApiKeys,
    KeyChange,
)  # fmt: skip
from tollway.gateway.auth.budgets import PERIODS, read_budgets
from tollway.gateway.auth.identify import require_admin
from tollway.gateway.auth.show import show_key
from tollway.gateway.auth.store import KeyRecord
from tollway.ports import Clock

Shown = dict[str, Any]
Spent = Callable[[Mapping[str, Sequence[Budget]]], Awaitable[Mapping[str, list[Shown]]]]
"""Shows the budgets of keys, users or organisations (by id) with what is spent of them."""


def _documented(kind: str, **bounds: Any) -> WithJsonSchema:
    """What the OpenAPI document says of a field whose bounds `ApiKeys` itself checks."""
    return WithJsonSchema({"anyOf": [{"type": kind, **bounds}, {"type": "null"}]})


_PerMinute = Annotated[StrictInt | None, _documented("integer", minimum=1, maximum=MOST_PER_MINUTE)]
_Parallel = Annotated[StrictInt | None, _documented("integer", minimum=1, maximum=MOST_PARALLEL)]
_Entry = {"type": "string", "minLength": 1, "maxLength": 200}
_Models = Annotated[list[str] | None, _documented("array", items=_Entry, minItems=1, maxItems=MOST_MODELS)]
_Days = Annotated[float | None, _documented("number", exclusiveMinimum=0, maximum=MOST_DAYS)]
_ONE_BUDGET = {
    "type": "object",
    "properties": {
        "amount": {"type": "number", "minimum": 0},
        "period": {"type": "string", "enum": list(PERIODS), "default": "total"},
        "tz": {"type": "string", "default": "UTC"},
    },
    "required": ["amount"],
    "additionalProperties": False,
}
BudgetJson = Annotated[
    Any,
    WithJsonSchema(
        {"anyOf": [_ONE_BUDGET, {"type": "array", "items": _ONE_BUDGET, "maxItems": len(PERIODS)}, {"type": "null"}]}
    ),
]
"""One budget, or one for each period; `read_budgets` checks it."""


_Group = Annotated[str | None, Field(max_length=64)]
"""Empty: the owner's own; `auto`: the automatic groups in turn."""


_Route = Annotated[str | None, Field(max_length=MOST_ROUTE)]
"""Strategies with commas between, by which the key's calls are routed."""


class NewKeyBody(BaseModel):
    """What the maker of a key may say about it."""

    name: str = "Default"
    requests_per_minute: _PerMinute = None
    parallel_calls: _Parallel = None
    models: _Models = None
    expires_in_days: _Days = None
    budget: BudgetJson = None
    group: _Group = None
    route: _Route = None
    cross_group_retry: bool | None = None
    """Of a key of the group `auto`: its calls go on to the next group when the first has failed."""


class KeyChangeBody(BaseModel):
    """What is to be different about a key; what is left out stays, null takes a limit away."""

    name: str | None = None
    requests_per_minute: _PerMinute = None
    parallel_calls: _Parallel = None
    models: _Models = None
    budget: BudgetJson = None
    group: _Group = None
    route: _Route = None
    cross_group_retry: bool | None = None


def routes(keys: ApiKeys, clock: Clock, spent: Spent) -> APIRouter:
    """The routes over `keys`. The caller arrives in `request.state.caller`."""
    router = APIRouter(tags=["API keys"])

    async def shown(records: Sequence[KeyRecord]) -> list[Shown]:
        now_s, budgets = clock.now_s(), await spent({key.id: key.budgets for key in records})
        return [show_key(key, now_s) | {"budgets": budgets[key.id]} for key in records]

    @router.post("/api-keys")
    async def create(request: Request, body: NewKeyBody | None = None) -> Shown:
        caller: Caller = request.state.caller
        _unbound(caller, "make keys: the new one might have none")
        asked = body or NewKeyBody()
        models = None if asked.models is None else tuple(asked.models)
        limits = KeyLimits(
            asked.requests_per_minute, asked.parallel_calls, models, asked.route, asked.cross_group_retry
        )
        wish = KeyChange(budgets=read_budgets(asked.budget), group=asked.group)
        new = await keys.create(caller.user, asked.name, limits, wanted=wish, lifetime_days=asked.expires_in_days)
        told = show_key(new.record, clock.now_s())
        wanted = ("key_id", "name", "prefix", "created_at", "expires_at", "limits", "budgets", "group")
        return {"api_key": new.api_key} | {name: told[name] for name in wanted}

    @router.get("/api-keys")
    async def mine(request: Request, revoked: bool = False) -> Shown:
        caller: Caller = request.state.caller
        records = [key for key in await keys.of(caller.user) if revoked or key.revoked_at_s is None]
        return {"api_keys": await shown(records)}

    @router.patch("/api-keys/{key_id}")
    async def change(request: Request, key_id: str, body: KeyChangeBody) -> Shown:
        caller: Caller = request.state.caller
        _unbound(caller, "change keys: it might free itself")
        stated = body.model_fields_set
        limits = {name: getattr(body, name) for name in KeyLimits.__struct_fields__ if name in stated}
        if limits.get("models") is not None:
            limits["models"] = tuple(limits["models"])
        budgets = read_budgets(body.budget) if "budget" in stated else None
        group = body.group or "" if "group" in stated else None
        wanted = KeyChange(body.name, limits or None, budgets, group)
        owner = None if caller.scope is Scope.ADMIN else caller.user
        return (await shown([await keys.change(key_id, owner, wanted)]))[0]

    @router.delete("/api-keys/{key_id}")
    async def revoke(request: Request, key_id: str) -> Shown:
        caller: Caller = request.state.caller
        await keys.revoke(key_id, None if caller.scope is Scope.ADMIN else caller.user)
        return {"key_id": key_id, "deleted": True}

    return router


def _unbound(caller: Caller, deed: str) -> None:
    """Raise Forbidden when the caller's key has limits or budgets, unless it administers."""
    limited = msgspec.structs.replace(caller.limits, route=None) != NO_LIMITS
    bound = limited or any(level.id == caller.key for level in caller.payer.levels)
    if bound and caller.scope is not Scope.ADMIN:
        raise Forbidden(f"a key with limits cannot {deed}")


async def only_admins(request: Request) -> None:
    """Raise Forbidden for everybody else."""
    require_admin(request.state.caller)
