"""What happened, told to whoever listens."""

import msgspec

from tollway.core.ids import CallId, UserId
from tollway.core.money import NanoUsd


class CallSettled(msgspec.Struct, frozen=True):
    """A call came to its terminal entry."""

    call: CallId
    user: UserId
    charge_nano_usd: NanoUsd
    reason: str


class Overrun(msgspec.Struct, frozen=True):
    """A call cost more than its ceiling: the ceiling was charged, the rest absorbed."""

    call: CallId
    ceiling_nano_usd: NanoUsd
    cost_nano_usd: NanoUsd
