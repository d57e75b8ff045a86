"""`/v1/receipts/{request_id}`: everything one call was, to the one who paid for it."""

from typing import Any, Protocol

from fastapi import APIRouter, Request

from tollway.core.caller import Caller, Scope
from tollway.core.errors import NotFound
from tollway.core.ids import CallId, UserId
from tollway.core.receipt import Receipt
from tollway.gateway.ledger.show import plausible, show_receipt

Shown = dict[str, Any]


class Receipts(Protocol):
    """Where receipts are kept."""

    async def receipt(self, call: CallId, user: UserId | None) -> Receipt | None:
        """The receipt of an ended call of `user`, of anybody when None."""


def routes(receipts: Receipts) -> APIRouter:
    """The route over `receipts`. The caller arrives in `request.state.caller`."""
    router = APIRouter(tags=["Receipts"])

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
