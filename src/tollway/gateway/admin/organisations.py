"""`/admin/organisations`: administrators make organisations, fill them and bound what they spend."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from tollway.core.errors import NotFound
from tollway.gateway.admin.show import show_organisation, show_user
from tollway.gateway.admin.users import UserChange, Users
from tollway.gateway.auth.budgets import read_budgets
from tollway.gateway.auth.organisations import Organisations
from tollway.gateway.auth.routes import BudgetJson, Spent, only_admins
from tollway.gateway.auth.store import Organisation

Shown = dict[str, Any]


class NewOrganisationBody(BaseModel):
    """An organisation to be made."""

    name: str = Field(max_length=200)
    budget: BudgetJson = None


class OrganisationChangeBody(BaseModel):
    """The budgets an organisation is to have; null: none."""

    budget: BudgetJson


class MemberBody(BaseModel):
    """A user, by id or e-mail address."""

    user: str = Field(min_length=1, max_length=254)


def routes(organisations: Organisations, users: Users, spent: Spent) -> APIRouter:
    """Organisations and their users."""
    router = APIRouter(prefix="/admin/organisations", tags=["Administration"], dependencies=[Depends(only_admins)])

    async def show(one: Organisation, members: int) -> Shown:
        return show_organisation(one, members) | {"budgets": (await spent({one.id: one.budgets}))[one.id]}

    async def counted(which: str) -> Shown:
        found = await organisations.find(which)
        members = {one.id: count for one, count in await organisations.all()}
        return await show(found, members.get(found.id, 0))

    @router.post("")
    async def create(body: NewOrganisationBody) -> Shown:
        return await show(await organisations.create(body.name, read_budgets(body.budget)), 0)

    @router.get("")
    async def everything() -> Shown:
        found = await organisations.all()
        budgets = await spent({one.id: one.budgets for one, _ in found})
        return {"organisations": [show_organisation(one, n) | {"budgets": budgets[one.id]} for one, n in found]}

    @router.get("/{organisation}")
    async def one(organisation: str) -> Shown:
        return await counted(organisation)

    @router.patch("/{organisation}")
    async def change(organisation: str, body: OrganisationChangeBody) -> Shown:
        await organisations.change(organisation, read_budgets(body.budget))
        return await counted(organisation)

    @router.get("/{organisation}/users")
    async def members(organisation: str, limit: Annotated[int, Query(ge=1, le=1000)] = 100, after: str = "") -> Shown:
        found = await organisations.members((await organisations.find(organisation)).id, limit, after)
        return {"users": [show_user(user) for user in found], "next": found[-1].id if len(found) == limit else None}

    @router.post("/{organisation}/users")
    async def join(organisation: str, body: MemberBody) -> Shown:
        found = await organisations.find(organisation)
        return {"user": show_user(await users.change(body.user, UserChange(organisation=found.id)))}

    @router.delete("/{organisation}/users/{user}")
    async def leave(organisation: str, user: str) -> Shown:
        found, member = await organisations.find(organisation), await users.find(user)
        if member.organisation != found.id:
            raise NotFound(f"{user[:100]!r} does not belong to {found.name!r}")
        return {"user": show_user(await users.change(member.id, UserChange(organisation="")))}

    return router
