"""`/admin/channels`: make, show, change, test and remove channels; for administrators."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Query, Request
from pydantic import BaseModel, Field

from tollway.core.caller import Caller
from tollway.gateway.admin.channel_desk import ChannelDesk
from tollway.gateway.auth.routes import only_admins

Shown = dict[str, Any]
Edition = Annotated[int | None, Query(ge=1, le=2**62, description="Only if it is still at this edition.")]
Stated = Annotated[
    dict[str, Any],
    Body(
        description="The fields of a `[[channels]]` row; `key` or `keys` are sealed and never shown again.",
        examples=[{"id": "openai-eu", "provider": "openai", "key": "sk-...", "priority": 10, "groups": ["vip"]}],
    ),
]


class TestBody(BaseModel):
    """What to ask with."""

    model: str | None = Field(default=None, min_length=1, max_length=200)
    """Left out: the channel's `test_model`, else the cheapest it serves."""


def routes(desk: ChannelDesk) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/admin", tags=["Channels"], dependencies=[Depends(only_admins)])

    @router.get("/channels")
    async def show() -> Shown:
        return {"channels": await desk.all()}

    @router.post("/channels")
    async def create(request: Request, body: Stated) -> Shown:
        caller: Caller = request.state.caller
        return await desk.create(body, caller.user)

    @router.get("/channels/{channel}")
    async def one(channel: str) -> Shown:
        return await desk.one(channel)

    @router.patch("/channels/{channel}")
    async def change(request: Request, channel: str, body: Stated, edition: Edition = None) -> Shown:
        caller: Caller = request.state.caller
        return await desk.change(channel, body, caller.user, edition)

    @router.delete("/channels/{channel}")
    async def remove(channel: str) -> Shown:
        await desk.remove(channel)
        return {"id": channel, "deleted": True}

    @router.post("/channels/{channel}/test")
    async def test(channel: str, body: TestBody | None = None) -> Shown:
        return await desk.test(channel, None if body is None else body.model)

    @router.post("/channels/{channel}/enable")
    async def enable(request: Request, channel: str) -> Shown:
        caller: Caller = request.state.caller
        return await desk.change(channel, {"enabled": True}, caller.user)

    @router.post("/channels/{channel}/disable")
    async def disable(request: Request, channel: str) -> Shown:
        caller: Caller = request.state.caller
        return await desk.change(channel, {"enabled": False}, caller.user)

    return router
