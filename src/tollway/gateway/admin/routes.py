"""`/me` for everybody; users and grants for administrators."""

from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field

from tollway.core.caller import Caller
from tollway.core.errors import BadRequest
from tollway.gateway.admin.show import show_balance, show_user
from tollway.gateway.admin.users import UserChange, Users
from tollway.gateway.auth.api_keys import ApiKeys
from tollway.gateway.auth.budgets import read_budgets
from tollway.gateway.auth.routes import BudgetJson, Spent, only_admins
from tollway.gateway.auth.show import show_key
from tollway.gateway.auth.store import User
from tollway.gateway.billing.amounts import amount_of
from tollway.gateway.billing.subscriptions import Subscriptions
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
    plan: str | None = Field(default=None, max_length=40)
    """Left out: the default plan, for administrators none."""
    organisation: str | None = Field(default=None, max_length=200)
    strict: bool = False
    """Every call of his holds its worst case."""
    group: str | None = Field(default=None, min_length=1, max_length=64)
    """Left out: `default`."""
    budget: BudgetJson = None


class UserChangeBody(BaseModel):
    """What is to be different about a user; what is left out stays, null takes a thing away."""

    plan: str | None = Field(default=None, max_length=40)
    at_once: bool = False
    """A downgrade does not wait for the end of the cycle."""
    organisation: str | None = Field(default=None, max_length=200)
    strict: bool | None = None
    group: str | None = Field(default=None, min_length=1, max_length=64)
    budget: BudgetJson = None


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


def admin(users: Users, subscriptions: Subscriptions, ledger: Ledger, spent: Spent) -> APIRouter:
    """Users and grants."""
    router = APIRouter(prefix="/admin", tags=["Administration"], dependencies=[Depends(only_admins)])

    async def show(user: User) -> Shown:
        budgets = await spent({user.id: user.budgets})
        shown = show_user(user) | {"budgets": budgets[user.id]}
        return {"user": shown, "balance": show_balance(await ledger.balance(user.id))}

    @router.post("/users")
    async def create(request: Request, body: NewUserBody) -> Shown:
        caller: Caller = request.state.caller
        amount = amount_of(body.credits)
        if amount < 0:
            raise BadRequest("credits must not be negative", field="credits")
        wanted = UserChange(read_budgets(body.budget), body.strict, body.organisation or "", body.group)
        user, key = await users.create(body.email, admin=body.admin, plan=body.plan, wanted=wanted)
        if amount:
            await ledger.grant(user.id, amount, "promo", caller.user, "first credit")
        return await show(user) | {"key_id": key.record.id, "api_key": key.api_key}

    @router.get("/users")
    async def page(limit: Annotated[int, Query(ge=1, le=1000)] = 100, after: str = "") -> Shown:
        found = await users.page(limit, after)
        return {"users": [show_user(user) for user in found], "next": found[-1].id if len(found) == limit else None}

    @router.get("/users/{user}")
    async def one(user: str) -> Shown:
        return await show(await users.find(user))

    @router.patch("/users/{user}")
    async def change(request: Request, user: str, body: UserChangeBody) -> Shown:
        caller: Caller = request.state.caller
        stated = body.model_fields_set
        found = await users.find(user)
        if body.plan is not None:
            subscriptions.plans.find(body.plan)  # all of the change, or nothing of it
        wanted = UserChange(
            read_budgets(body.budget) if "budget" in stated else None,
            body.strict,
            body.organisation or "" if "organisation" in stated else None,
            body.group,
        )
        if wanted != UserChange():
            found = await users.change(found.id, wanted)
        if body.plan is not None:
            found = await subscriptions.change(found.id, body.plan, caller.user, at_once=body.at_once)
        return await show(found)

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
