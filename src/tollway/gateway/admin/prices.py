"""`/admin/prices`: what is sold at which price, and how prices change."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import AwareDatetime, BaseModel, Field

from tollway.core.caller import Caller
from tollway.core.errors import BadRequest, TollwayError
from tollway.gateway.auth.routes import only_admins
from tollway.gateway.cards.shelf import Shelf
from tollway.gateway.cards.show import show_listed, show_past, show_row, show_sold, show_update
from tollway.gateway.cards.updates import PriceUpdates
from tollway.kit.toml import Sheet, TomlError

Shown = dict[str, Any]
Number = Annotated[int, Field(ge=1, le=2**62)]


class ProposalBody(BaseModel):
    """Prices to be proposed: whole cards in `models`, only what changes in `prices`."""

    models: list[dict[str, Any]] = []
    prices: dict[str, Any] = {}
    reason: str = Field(min_length=1, max_length=500)
    author: str | None = Field(default=None, min_length=1, max_length=200)
    at: AwareDatetime | None = None
    """When they are meant to begin; left out: when they are activated."""


class ActivationBody(BaseModel):
    """From when on prices are to hold."""

    at: AwareDatetime | None = None
    force: bool = False
    """A price out of all proportion is meant."""


def routes(shelf: Shelf, updates: PriceUpdates) -> APIRouter:
    """The routes; for administrators only."""
    router = APIRouter(prefix="/admin", tags=["Prices"], dependencies=[Depends(only_admins)])

    @router.get("/prices")
    async def everything() -> Shown:
        catalog, rows = await shelf.everything()
        return {"prices": [show_sold(model, rows.get(model.id, [])) for model in catalog]}

    @router.get("/prices/{model:path}")
    async def one(model: str) -> Shown:
        sold, rows = await shelf.one(model)
        past = await shelf.past(sold)
        cards, listed = [show_past(row) for row in past.cards], [show_listed(row) for row in past.listed]
        return show_sold(sold, rows) | {"history": cards, "listed": listed}

    @router.get("/price-updates")
    async def page(limit: Annotated[int, Query(ge=1, le=1000)] = 100, before: Number | None = None) -> Shown:
        rows = await updates.page(limit, before)
        return {"updates": [show_row(row) for row in rows], "next": rows[-1].id if len(rows) == limit else None}

    @router.post("/price-updates")
    async def propose(request: Request, body: ProposalBody) -> Shown:
        caller: Caller = request.state.caller
        stated = {name: value for name, value in (("models", body.models), ("prices", body.prices)) if value}
        at_s = None if body.at is None else body.at.timestamp()
        try:
            made = await updates.propose(Sheet("the body", stated), body.author or caller.user, body.reason, at_s)
        except TomlError as error:
            raise in_body(error) from error
        return show_update(made)

    @router.get("/price-updates/{number}")
    async def update(number: Number) -> Shown:
        return show_update(await updates.one(number))

    @router.post("/price-updates/{number}/activate")
    async def activate(request: Request, number: Number, body: ActivationBody | None = None) -> Shown:
        caller: Caller = request.state.caller
        wish = body or ActivationBody()
        at_s = None if wish.at is None else wish.at.timestamp()
        return show_update(await updates.activate(number, caller.user, at_s, force=wish.force))

    @router.post("/price-updates/{number}/withdraw")
    async def withdraw(request: Request, number: Number) -> Shown:
        caller: Caller = request.state.caller
        return show_update(await updates.withdraw(number, caller.user))

    return router


def in_body(error: TomlError) -> TollwayError:
    """What is wrong with stated prices, naming the field of the body."""
    return BadRequest(f"{error.field}: {error.problem}" if error.field else error.problem, field=error.field or None)
