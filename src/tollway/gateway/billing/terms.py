"""What users get by themselves, as the settings say."""

import msgspec

from tollway.core.money import NanoUsd, nano_of_credits
from tollway.gateway.billing.plans import NONE


class Terms(msgspec.Struct, frozen=True):
    """The operator's terms for newcomers and for whoever brings them."""

    default_plan: str = NONE
    """Of users made without one."""
    sign_up: NanoUsd = nano_of_credits(500)
    """Given once to a new user of a plan with a sign-up bonus."""
    referral: NanoUsd = nano_of_credits(1000)
    """Given to whoever brought a newcomer."""
    claim_days: float = 7.0
    """How old an account may be when it claims a referral code."""


def terms_of(default_plan: str, sign_up_credits: int, referral_credits: int, claim_days: float = 7.0) -> Terms:
    """The terms, from credits as the settings state them."""
    sign_up, referral = nano_of_credits(sign_up_credits), nano_of_credits(referral_credits)
    return Terms(default_plan, sign_up, referral, claim_days)
