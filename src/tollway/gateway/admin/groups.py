"""`/admin/groups`: what groups there are, what each costs and who may use it."""

from typing import Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict

from tollway.core.caller import Caller
from tollway.core.groups import Groups
from tollway.gateway.auth.routes import only_admins
from tollway.gateway.channels.groups import GroupBook
from tollway.gateway.channels.show_groups import show_each, show_groups

Shown = dict[str, Any]


class GroupsBody(BaseModel):
    """The fields that are to be replaced, each as a whole; `GroupBook` checks what stands in them."""

    model_config = ConfigDict(extra="forbid")
    group_ratio: dict[str, Any] = {}
    group_group_ratio: dict[str, Any] = {}
    user_usable_groups: dict[str, Any] = {}
    group_special_usable_group: dict[str, Any] = {}
    auto_groups: list[Any] = []
    default_use_auto_group: bool = False
    topup_group_ratio: dict[str, Any] = {}


def routes(book: GroupBook) -> APIRouter:
    """The routes; for administrators only."""
    router = APIRouter(prefix="/admin", tags=["Groups"], dependencies=[Depends(only_admins)])

    async def shown(groups: Groups) -> Shown:
        return {"groups": show_groups(groups), "each": show_each(groups, await book.members())}

    @router.get("/groups")
    async def show() -> Shown:
        return await shown(await book.read())

    @router.patch("/groups")
    async def change(request: Request, body: GroupsBody) -> Shown:
        caller: Caller = request.state.caller
        return await shown(await book.change(body.model_dump(exclude_unset=True), caller.user))

    @router.delete("/groups/{name}")
    async def remove(request: Request, name: str) -> Shown:
        caller: Caller = request.state.caller
        return await shown(await book.remove(name, caller.user))

    return router
