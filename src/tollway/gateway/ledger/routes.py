"""`/v1/receipts`: everything each call was, to the one who paid for it."""

from collections.abc import Sequence
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Query, Request

from tollway.core.caller import Caller, Scope
from tollway.core.errors import BadRequest, Forbidden, NotFound
from tollway.core.ids import CallId, UserId
from tollway.core.receipt import Receipt
from tollway.gateway.ledger.show import plausible, show_receipt

Shown = dict[str, Any]


class Receipts(Protocol):
    """Where receipts are kept."""

    async def receipt(self, call: CallId, user: UserId | None) -> Receipt | None:
        """The receipt of an ended call of `user`, of anybody when None."""

    async def receipts(self, user: UserId, limit: int, before: CallId | None) -> Sequence[Receipt] | None:
        """At most `limit` of the user's receipts, newest first, those older than `before`; None: no call of his."""


def routes(receipts: Receipts) -> APIRouter:
    """The routes over `receipts`. The caller arrives in `request.state.caller`."""
    router = APIRouter(tags=["Receipts"])

    @router.get("/v1/receipts")
    async def page(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        before: Annotated[str | None, Query(max_length=80)] = None,
        user: Annotated[str | None, Query(max_length=80)] = None,
    ) -> Shown:
        caller: Caller = request.state.caller
        administers = caller.scope is Scope.ADMIN
        if user not in (None, caller.user) and not administers:
            raise Forbidden("only administrators may see the receipts of others", field="user")
        owner = caller.user if user is None else UserId(user)
        known = plausible(owner) and (before is None or plausible(before))
        found = await receipts.receipts(owner, limit, None if before is None else CallId(before)) if known else None
        if found is None:
            raise BadRequest("before must be the request id of a call in this list", field="before")
        more = found[-1].id if len(found) == limit else None
        return {"receipts": [show_receipt(one, administers) for one in found], "next": more}

    @router.get("/v1/receipts/{request_id}")
    async def receipt(request: Request, request_id: str) -> Shown:
        caller: Caller = request.state.caller
        administers = caller.scope is Scope.ADMIN
        owner = None if administers else caller.user
        found = await receipts.receipt(CallId(request_id), owner) if plausible(request_id) else None
        if found is None:
            raise NotFound(f"no receipt {request_id[:80]!r}")
        return show_receipt(found, administers)

    return router
