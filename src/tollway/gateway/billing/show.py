"""Shows plans, vouchers and referrals as JSON."""

from typing import Any

from tollway.core.money import credits_of
from tollway.gateway.billing.plans import Plan
from tollway.gateway.billing.referrals import Standing
from tollway.gateway.billing.store import Referrer, Voucher
from tollway.kit.iso8601 import iso

Shown = dict[str, Any]


def show_plan(plan: Plan) -> Shown:
    """A plan as JSON."""
    return {
        "name": plan.name,
        "monthly_credits": credits_of(plan.monthly),
        "price_usd": float(plan.price_usd),
        "models": plan.rules.models,
        "requests_per_minute": plan.rules.requests_per_minute,
        "priority": plan.rules.priority,
        "session_ttl_s": plan.session_ttl_s,
        "agents": plan.agents,
        "schedule_min_s": plan.schedule_min_s or None,
        "sign_up_bonus": plan.sign_up_bonus,
    }


def show_voucher(voucher: Voucher, now_s: float) -> Shown:
    """A voucher as an administrator sees it."""
    expired = voucher.expires_at_s is not None and voucher.expires_at_s <= now_s
    spent = voucher.redeemed >= voucher.most
    status = "disabled" if voucher.disabled_at_s is not None else "expired" if expired else "exhausted" if spent else ""
    return {
        "code": voucher.code,
        "credits": credits_of(voucher.amount),
        "max_redemptions": voucher.most,
        "redeemed": voucher.redeemed,
        "status": status or "active",
        "note": voucher.note,
        "author": voucher.author,
        "created_at": iso(voucher.created_at_s),
        "expires_at": iso(voucher.expires_at_s),
    }


def show_standing(standing: Standing, now_s: float) -> Shown:
    """What a user may know of his referrals."""
    return {
        "code": standing.referrer.code,
        "link": f"/login?ref={standing.referrer.code}",
        "name": standing.referrer.name,
        "referrals": standing.referrer.referrals,
        "credits_earned": credits_of(standing.referrer.earned),
        "claimed": standing.claimed,
        "may_claim": not standing.claimed and now_s <= standing.claim_until_s,
        "claim_until": iso(standing.claim_until_s),
    }


def show_leader(rank: int, leader: Referrer) -> Shown:
    """A line of the leaderboard: nothing that tells who it is."""
    earned = credits_of(leader.earned)
    return {"rank": rank, "name": leader.name, "referrals": leader.referrals, "credits_earned": earned}
