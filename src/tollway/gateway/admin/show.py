"""Shows users and balances as JSON, and reads the amounts people state."""

from decimal import Decimal
from typing import Any

from tollway.core.errors import BadRequest
from tollway.core.money import NanoUsd, credits_of, nano_of_credits
from tollway.gateway.auth.store import User
from tollway.gateway.ledger.ledger import Balance
from tollway.kit.iso8601 import iso

Shown = dict[str, Any]

MOST_CREDITS = Decimal(10**10)
"""Ten million US dollars: beyond it a number is a slip, and far below what an account can hold."""


def show_user(user: User) -> Shown:
    """A user as JSON."""
    stated = {"id": user.id, "email": user.email, "plan": user.plan, "admin": user.admin}
    return stated | {"created_at": iso(user.created_at_s)}


def show_balance(balance: Balance) -> Shown:
    """A balance by source, in the credits people read and the nano-dollars that add up."""
    sources = {name: credits_of(getattr(balance, name)) for name in ("plan", "promo", "topup")}
    return {
        "credits": credits_of(balance.left),
        "nano_usd": balance.left,
        "by_source": sources,
        "held": credits_of(balance.held),
    }


def amount_of(stated: Decimal) -> NanoUsd:
    """Credits stated by a person, in nano-dollars. Raises BadRequest for an amount no account could hold."""
    if not stated.is_finite() or abs(stated) > MOST_CREDITS:
        raise BadRequest(f"credits must be a number between -{MOST_CREDITS} and {MOST_CREDITS}", field="credits")
    return nano_of_credits(stated)
