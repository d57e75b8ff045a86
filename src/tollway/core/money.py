"""Money: integer nano-dollars inside, credits outside, rounded upward in one place.

1 credit = $0.001 = 1,000,000 nano-dollars. Prices are Decimal US dollars per million tokens.
"""

from decimal import ROUND_CEILING, Decimal
from typing import NewType

NanoUsd = NewType("NanoUsd", int)

NANO_PER_CREDIT = 1_000_000
NANO_PER_USD = 1_000_000_000
MARGIN = Decimal("1.4")
"""Every provider cost is multiplied by this once, after the price formula (hub.md 4.1)."""
IMAGE_FACTOR = Decimal("1.15")
"""Image models carry this on top of the margin (hub.md 4.1)."""


def round_up(amount: Decimal) -> NanoUsd:
    """The only place money is rounded: a fraction of a nano-dollar counts as a whole one."""
    return NanoUsd(int(amount.to_integral_value(rounding=ROUND_CEILING)))


def round_up_ratio(numerator: int, denominator: int) -> NanoUsd:
    """`round_up` for whole numbers: the exact quotient, upward. `denominator` is above zero."""
    return NanoUsd(-(-numerator // denominator))


def told(amount: int) -> bytes:
    """Nano-dollars, 0 or more, as the credits of a header line: exact, six digits behind the point."""
    return b"%d.%06d" % divmod(amount, NANO_PER_CREDIT)


def credits_of(amount: int) -> float:
    """Nano-dollars as the fractional credits that clients see."""
    return amount / NANO_PER_CREDIT


def nano_of_credits(amount: Decimal | int | str) -> NanoUsd:
    """Credits stated by a person as nano-dollars."""
    return round_up(Decimal(amount) * NANO_PER_CREDIT)
