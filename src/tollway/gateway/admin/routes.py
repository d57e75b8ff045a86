"""`/me` for everybody; users, grants and channels for administrators."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field

from tollway.core.caller import Caller
from tollway.core.errors import BadRequest
from tollway.core.ids import ChannelId
from tollway.core.model import Channel
from tollway.gateway.admin.channels import show_channels
from tollway.gateway.admin.show import amount_of, show_balance, show_user
from tollway.gateway.admin.users import Users
from tollway.gateway.auth.api_keys import ApiKeys
from tollway.gateway.auth.identify import require_admin
from tollway.gateway.auth.show import show_key
from tollway.gateway.ledger.ledger import Ledger
from tollway.ports import Clock

Shown = dict[str, Any]

Kind = Literal["plan", "promo", "topup"]
Credits = Annotated[Decimal, Field(allow_inf_nan=False)]


class NewUserBody(BaseModel):
    """A user to be made."""

    email: str
    admin: bool = False
    credits: Credits = Decimal(0)


class GrantBody(BaseModel):
    """Credit to be given, or taken back when negative."""

    credits: Credits
    reason: str = Field(min_length=1, max_length=500)
    author: str | None = Field(default=None, min_length=1, max_length=200)
    kind: Kind = "promo"
    reference: str | None = Field(default=None, min_length=1, max_length=200)
    """A grant with a reference used before changes nothing, so that a script may safely repeat itself."""


def mine(users: Users, keys: ApiKeys, ledger: Ledger, clock: Clock) -> APIRouter:
    """What a caller may know of himself."""
    router = APIRouter(tags=["Account"])

    @router.get("/me")
    async def me(request: Request) -> Shown:
        caller: Caller = request.state.caller
        user, key = await users.find(caller.user), await keys.find(caller.key)
        return {
            "user": show_user(user),
            "key": None if key is None else show_key(key, clock.now_s()),
            "balance": show_balance(await ledger.balance(caller.user)),
        }

    return router


def admin(users: Users, ledger: Ledger) -> APIRouter:
    """Users and grants."""
    router = APIRouter(prefix="/admin", tags=["Administration"], dependencies=[Depends(only_admins)])

    @router.post("/users")
    async def create(request: Request, body: NewUserBody) -> Shown:
        caller: Caller = request.state.caller
        amount = amount_of(body.credits)
        if amount < 0:
            raise BadRequest("credits must not be negative", field="credits")
        user, key = await users.create(body.email, admin=body.admin)
        if amount:
            await ledger.grant(user.id, amount, "promo", caller.user, "first credit")
        shown = {"user": show_user(user), "balance": show_balance(await ledger.balance(user.id))}
        return shown | {"key_id": key.record.id, "api_key": key.api_key}

    @router.get("/users")
    async def page(limit: Annotated[int, Query(ge=1, le=1000)] = 100, after: str = "") -> Shown:
        found = await users.page(limit, after)
        return {"users": [show_user(user) for user in found], "next": found[-1].id if len(found) == limit else None}

    @router.get("/users/{user}")
    async def one(user: str) -> Shown:
        found = await users.find(user)
        return {"user": show_user(found), "balance": show_balance(await ledger.balance(found.id))}

    @router.post("/users/{user}/grant")
    async def grant(request: Request, user: str, body: GrantBody) -> Shown:
        caller: Caller = request.state.caller
        amount = amount_of(body.credits)
        if not amount:
            raise BadRequest("credits must not be zero", field="credits")
        found = await users.find(user)
        author = body.author or caller.user
        done = await ledger.grant(found.id, amount, body.kind, author, body.reason, body.reference)
        return {"user_id": found.id, "granted": done, "balance": show_balance(await ledger.balance(found.id))}

    return router


def channels(
    listed: Callable[[], Sequence[Channel]], rests_until: Callable[[ChannelId], float], clock: Clock
) -> APIRouter:
    """How the channels are."""
    router = APIRouter(prefix="/admin", tags=["Administration"], dependencies=[Depends(only_admins)])

    @router.get("/channels")
    async def show() -> Shown:
        return {"channels": show_channels(listed(), rests_until, clock.monotonic_s())}

    return router


async def only_admins(request: Request) -> None:
    """Raise Forbidden for everybody else."""
    require_admin(request.state.caller)
