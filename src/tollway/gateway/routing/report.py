"""What a process knows of its channels' health, told as JSON."""

from typing import Any

from tollway.gateway.routing.circuit import Circuit
from tollway.gateway.routing.health import Health

Shown = dict[str, Any]


def report(health: Health, now_s: float) -> Shown:
    """Every circuit that anything is known of, the open ones first; and what hedging came to."""
    circuits = sorted(health, key=lambda one: (one.why is None, one.lane, one.model))
    return {
        "all_well": health.all_well,
        "circuits": [shown(one, now_s) for one in circuits],
        "hedging": _hedging(health),
    }


def shown(circuit: Circuit, now_s: float) -> Shown:
    """One circuit; without a model it stands for the whole lane."""
    good, bad = circuit.window
    return {
        "lane": circuit.lane,
        "model": circuit.model or None,
        "state": circuit.state(now_s),
        "why": circuit.why.value if circuit.why is not None else None,
        "rests_for_s": round(max(0.0, circuit.until_s - now_s), 3),
        "score": round(circuit.score, 4),
        "success": round(circuit.success, 4),
        "ttfb_ms": round(circuit.ttfb_s * 1000, 1) or None,
        "whole_ms": round(circuit.whole_s * 1000, 1) or None,
        "failures_in_a_row": circuit.streak,
        "good": good,
        "bad": bad,
        "accusations": len(circuit.accusers),
    }


def _hedging(health: Health) -> Shown | None:
    hedging = health.hedging
    if hedging is None:
        return None
    return {
        "streams": hedging.calls,
        "hedged": hedging.sent,
        "won": hedging.won,
        "extra_share": round(hedging.sent / hedging.calls, 4) if hedging.calls else 0.0,
        "absorbed_nano_usd": hedging.absorbed_nano_usd,
    }
