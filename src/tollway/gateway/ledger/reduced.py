"""A call that no database takes as it is: the least that must be said of it, so that it ends like every other."""

from tollway.core.ids import CallId, KeyId, UserId
from tollway.core.money import NanoUsd
from tollway.core.receipt import Receipt

MOST = 1 << 53
"""Nano-dollars (9 million dollars) above which a sum of one call is nobody's honest figure."""
LATEST_S = 4e9
"""Unix seconds, in the year 2096."""
LEFT_OUT = "what was consumed could not be written ({})"
NOT_CHARGED = "neither could its charge, which is absorbed"
FREE = NanoUsd(0)


def reduced(receipt: Receipt, why: str, *, charged: bool = True) -> Receipt:
    """Who asked, when, how it ended and what was charged; a note says that the rest is left out, and why.

    Not `charged`: the charge is absorbed, as an overrun.
    """
    charge, over = receipt.charge_nano_usd, receipt.overrun_nano_usd
    keeps = charged and 0 <= charge <= MOST
    absorbed = over if keeps else over + max(0, charge)
    words = LEFT_OUT.format(why) if keeps else f"{LEFT_OUT.format(why)}; {NOT_CHARGED}"
    return Receipt(
        id=CallId(_plain(receipt.id)),
        user=UserId(_plain(receipt.user)),
        key=KeyId(_plain(receipt.key)),
        reason=receipt.reason,
        surface=_plain(receipt.surface),
        model=_plain(receipt.model),
        asked="",
        stream=receipt.stream,
        started_at_s=receipt.started_at_s if 0 <= receipt.started_at_s <= LATEST_S else 0.0,
        duration_ms=receipt.duration_ms if 0 <= receipt.duration_ms <= MOST else 0,
        hold_nano_usd=_sane(receipt.hold_nano_usd),
        provider_cost_nano_usd=_sane(receipt.provider_cost_nano_usd),
        charge_nano_usd=charge if keeps else FREE,
        overrun_nano_usd=_sane(absorbed),
        note=words,
    )


def _sane(amount: int) -> NanoUsd:
    return NanoUsd(min(max(0, amount), MOST))


def _plain(text: str) -> str:
    """Without what one of the databases refuses: NUL, and half characters."""
    return text.encode("utf-8", "replace").decode().replace("\0", "?")
