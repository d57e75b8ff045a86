"""Reads the amounts of credit that people state."""

from decimal import Decimal

from tollway.core.errors import BadRequest
from tollway.core.money import NanoUsd, nano_of_credits
from tollway.gateway.auth.budgets import MOST_CREDITS


def amount_of(stated: Decimal) -> NanoUsd:
    """Credits stated by a person, in nano-dollars. Raises BadRequest for an amount no account could hold."""
    if not stated.is_finite() or abs(stated) > MOST_CREDITS:
        raise BadRequest(f"credits must be a number between -{MOST_CREDITS} and {MOST_CREDITS}", field="credits")
    return nano_of_credits(stated)
