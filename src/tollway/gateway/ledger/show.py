"""Shows a receipt as JSON."""

from typing import Any

import msgspec

from tollway.core.money import MARGIN, credits_of
from tollway.core.receipt import Receipt
from tollway.kit.iso8601 import iso

Shown = dict[str, Any]


def plausible(name: str) -> bool:
    """Whether the name could be an id at all; nothing else should reach the database."""
    return 0 < len(name) <= 80 and name.isascii() and name.isprintable()


def show_receipt(receipt: Receipt, to_admin: bool) -> Shown:
    """The receipt as JSON; what the hub itself paid or lost is for administrators."""
    shown: Shown = {
        "request_id": receipt.id,
        "user_id": receipt.user,
        "key_id": receipt.key,
        "reason": receipt.reason.value,
        "surface": receipt.surface,
        "model": receipt.model,
        "asked_model": receipt.asked,
        "stream": receipt.stream,
        "started_at": iso(receipt.started_at_s),
        "duration_ms": receipt.duration_ms,
        "first_byte_ms": receipt.first_byte_ms,
        "attempts": [_whole(attempt) for attempt in receipt.attempts],
        "fallback": any(attempt.fallback and not attempt.fault for attempt in receipt.attempts),
        "tokens": _tokens(receipt),
        "price": {
            "version": receipt.price_version,
            "margin": str(MARGIN),
            "ratio": receipt.ratio or "1",
            "lines": msgspec.to_builtins(receipt.lines),
        },
        "hold": money(receipt.hold_begun_nano_usd or receipt.hold_nano_usd),
        "hold_at_end": money(receipt.hold_nano_usd),
        "hold_extensions": receipt.extensions,
        "charge": money(receipt.charge_nano_usd),
        "dropped": list(receipt.dropped),
        "overridden": list(receipt.overridden),
        "group": receipt.group,
        "note": receipt.note,
        "x-tollway-stop": receipt.stop,
    }
    if not to_admin:
        for attempt in shown["attempts"]:
            del attempt["account"], attempt["key"]
    if to_admin:
        shown["provider_cost"] = money(receipt.provider_cost_nano_usd)
        shown["overrun"] = money(receipt.overrun_nano_usd)
    return shown


def money(amount_nano_usd: int) -> Shown:
    """An amount in the credits people read and the nano-dollars that add up."""
    return {"credits": credits_of(amount_nano_usd), "nano_usd": amount_nano_usd}


def _whole(record: msgspec.Struct) -> Shown:
    """Every field, also those that are stored by leaving them out."""
    shown: Shown = msgspec.to_builtins(msgspec.structs.asdict(record))
    return shown


def _tokens(receipt: Receipt) -> Shown | None:
    usage = receipt.usage
    if usage is None:
        return None
    return _whole(usage) | {"input_uncached": usage.input_uncached, "tool_calls": dict(usage.tool_calls)}
