"""`/v1/receipts/{request_id}`: everything one call was, to the one who paid for it."""

from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec
from fastapi import APIRouter, Request

from tollway.core.caller import Caller, Scope
from tollway.core.errors import NotFound
from tollway.core.ids import CallId, UserId
from tollway.core.money import MARGIN, credits_of
from tollway.core.receipt import Receipt

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
        return show(found, administers)

    return router


def plausible(name: str) -> bool:
    """Whether the name could be an id at all; nothing else should reach the database."""
    return 0 < len(name) <= 80 and name.isascii() and name.isprintable()


def show(receipt: Receipt, to_admin: bool) -> Shown:
    """The receipt as JSON; what the hub itself paid or lost is for administrators."""
    started = datetime.fromtimestamp(receipt.started_at_s, UTC).isoformat(timespec="milliseconds")
    shown = {
        "request_id": receipt.id,
        "user_id": receipt.user,
        "key_id": receipt.key,
        "reason": receipt.reason.value,
        "surface": receipt.surface,
        "model": receipt.model,
        "asked_model": receipt.asked,
        "stream": receipt.stream,
        "started_at": started.replace("+00:00", "Z"),
        "duration_ms": receipt.duration_ms,
        "first_byte_ms": receipt.first_byte_ms,
        "attempts": msgspec.to_builtins(receipt.attempts),
        "tokens": _tokens(receipt),
        "price": {
            "version": receipt.price_version,
            "margin": str(MARGIN),
            "lines": msgspec.to_builtins(receipt.lines),
        },
        "hold": money(receipt.hold_nano_usd),
        "charge": money(receipt.charge_nano_usd),
        "dropped": list(receipt.dropped),
        "note": receipt.note,
    }
    if to_admin:
        shown["provider_cost"] = money(receipt.provider_cost_nano_usd)
        shown["overrun"] = money(receipt.overrun_nano_usd)
    return shown


def money(amount_nano_usd: int) -> Shown:
    """An amount in the credits people read and the nano-dollars that add up."""
    return {"credits": credits_of(amount_nano_usd), "nano_usd": amount_nano_usd}


def _tokens(receipt: Receipt) -> Shown | None:
    usage = receipt.usage
    if usage is None:
        return None
    shown: Shown = msgspec.to_builtins(usage)
    return shown | {"input_uncached": usage.input_uncached, "tool_calls": dict(usage.tool_calls)}
