"""`/billing/plans`, `/billing/voucher` and `/referrals` for everybody; vouchers and refunds for administrators."""

from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field

from tollway.core.caller import Caller
from tollway.core.errors import BadRequest
from tollway.core.ids import CallId
from tollway.core.money import credits_of
from tollway.gateway.auth.routes import only_admins
from tollway.gateway.billing.amounts import amount_of
from tollway.gateway.billing.plans import Plans
from tollway.gateway.billing.referrals import Referrals
from tollway.gateway.billing.refunds import Refunds, RefundWish
from tollway.gateway.billing.show import show_leader, show_plan, show_standing, show_voucher
from tollway.gateway.billing.vouchers import MOST_REDEMPTIONS, NewVoucher, Vouchers
from tollway.gateway.ledger.ledger import Ledger
from tollway.kit.iso8601 import seconds_of
from tollway.ports import Clock

Shown = dict[str, Any]
Credits = Annotated[Decimal, Field(allow_inf_nan=False)]


class CodeBody(BaseModel):
    """A voucher or referral code, as somebody typed it."""

    code: str = Field(max_length=200)


class NameBody(BaseModel):
    """What the leaderboard is to call somebody."""

    name: str = Field(max_length=200)


class VoucherBody(BaseModel):
    """A voucher to be made."""

    credits: Credits
    code: str = Field(default="", max_length=64)
    """Left out: one that nobody can guess."""
    max_redemptions: int = Field(default=1, ge=1, le=MOST_REDEMPTIONS)
    expires_at: str | None = Field(default=None, max_length=40)
    """ISO 8601; left out: never."""
    note: str = Field(default="", max_length=500)


class RefundBody(BaseModel):
    """A charge to be given back."""

    credits: Credits | None = None
    """Left out: all that was charged and not given back before."""
    reason: str = Field(min_length=1, max_length=500)
    author: str | None = Field(default=None, min_length=1, max_length=200)
    reference: str | None = Field(default=None, min_length=1, max_length=200)
    """A refund with a reference used before changes nothing, so that a script may safely repeat itself."""


def mine(plans: Plans, vouchers: Vouchers, ledger: Ledger) -> APIRouter:
    """Plans and vouchers."""
    router = APIRouter(prefix="/billing", tags=["Billing"])

    @router.get("/plans")
    async def offered() -> Shown:
        return {"plans": [show_plan(plan) for plan in plans]}

    @router.post("/voucher")
    async def redeem(request: Request, body: CodeBody) -> Shown:
        caller: Caller = request.state.caller
        added = await vouchers.redeem(caller.user, body.code)
        balance = await ledger.balance(caller.user)
        return {"credits_added": credits_of(added), "topup_balance": credits_of(balance.promo + balance.topup)}

    return router


def referral(referrals: Referrals, clock: Clock) -> APIRouter:
    """Who brought whom."""
    router = APIRouter(prefix="/referrals", tags=["Referrals"])

    @router.get("/me")
    async def standing(request: Request) -> Shown:
        caller: Caller = request.state.caller
        return show_standing(await referrals.standing(caller.user), clock.now_s())

    @router.patch("/me")
    async def rename(request: Request, body: NameBody) -> Shown:
        caller: Caller = request.state.caller
        return show_standing(await referrals.rename(caller.user, body.name), clock.now_s())

    @router.post("/claim")
    async def claim(request: Request, body: CodeBody) -> Shown:
        caller: Caller = request.state.caller
        referrer = await referrals.claim(caller.user, body.code)
        return {"claimed": True, "referrer": referrer.name}

    @router.get("/leaderboard")
    async def leaderboard(limit: Annotated[int, Query(ge=1, le=100)] = 10) -> Shown:
        found = await referrals.leaders(limit)
        return {"leaderboard": [show_leader(rank, one) for rank, one in enumerate(found, start=1)]}

    return router


def admin(vouchers: Vouchers, refunds: Refunds, clock: Clock) -> APIRouter:
    """Vouchers and refunds."""
    router = APIRouter(prefix="/admin", tags=["Administration"], dependencies=[Depends(only_admins)])

    @router.post("/vouchers")
    async def create(request: Request, body: VoucherBody) -> Shown:
        caller: Caller = request.state.caller
        ends_s = None if body.expires_at is None else seconds_of(body.expires_at)
        if body.expires_at is not None and ends_s is None:
            raise BadRequest("expires_at must be a time in ISO 8601", field="expires_at")
        wanted = NewVoucher(amount_of(body.credits), caller.user, body.code, body.max_redemptions, ends_s, body.note)
        return show_voucher(await vouchers.create(wanted), clock.now_s())

    @router.get("/vouchers")
    async def everything() -> Shown:
        return {"vouchers": [show_voucher(one, clock.now_s()) for one in await vouchers.all()]}

    @router.get("/vouchers/{code}")
    async def one(code: str) -> Shown:
        return show_voucher(await vouchers.find(code), clock.now_s())

    @router.delete("/vouchers/{code}")
    async def disable(code: str) -> Shown:
        return show_voucher(await vouchers.disable(code), clock.now_s())

    @router.post("/receipts/{request_id}/refund")
    async def refund(request: Request, request_id: str, body: RefundBody) -> Shown:
        caller: Caller = request.state.caller
        amount = None if body.credits is None else amount_of(body.credits)
        wish = RefundWish(CallId(request_id), amount, body.author or caller.user, body.reason, body.reference)
        refunded = await refunds.make(wish)
        return {"request_id": request_id, "credits_refunded": credits_of(refunded), "refunded_nano_usd": refunded}

    return router
