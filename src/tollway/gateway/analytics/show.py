"""Shows figures as JSON, in credits for callers and in dollars for the hub's own books."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tollway.core.money import NANO_PER_USD, credits_of
from tollway.gateway.analytics.periods import Span, written
from tollway.gateway.analytics.store import DayUse, Used

Shown = dict[str, Any]


def totals(used: Iterable[Used]) -> Shown:
    """What was used in all."""
    rows = list(used)
    return {
        "total_credits_used": credits_of(sum(row.charge for row in rows)),
        "total_requests": sum(row.requests for row in rows),
    }


def models(used: Iterable[Used]) -> list[Shown]:
    """What was used of each model."""
    return [{"model": row.model, "credits_used": credits_of(row.charge), "requests": row.requests} for row in used]


def economics(row: Used) -> Shown:
    """What one model cost and brought."""
    margin = row.charge - row.cost
    return {
        "model": row.model,
        "requests": row.requests,
        "input_tokens": row.input_tokens,
        "output_tokens": row.output_tokens,
        "provider_cost_usd": row.cost / NANO_PER_USD,
        "revenue_usd": row.charge / NANO_PER_USD,
        "margin_usd": margin / NANO_PER_USD,
        "margin_pct": round(margin / row.charge * 100, 2) if row.charge else None,
    }


def platform(
    span: Span,
    used: Sequence[Used],
    days: Iterable[DayUse],
    plans: Iterable[tuple[str, int, int, int]],
    provider_of: Callable[[str], str],
) -> Shown:
    """The whole hub's use in a time. `provider_of` names the provider a model is listed under."""
    providers: dict[str, list[Used]] = {}
    for row in used:
        providers.setdefault(provider_of(row.model), []).append(row)
    return {
        "period": {"from": written(span.first), "to": written(span.last)},
        "total_requests": sum(row.requests for row in used),
        "total_credits": credits_of(sum(row.charge for row in used)),
        "by_plan": [
            {"plan": plan, "users": users, "requests": requests, "credits": credits_of(charge)}
            for plan, users, requests, charge in plans
        ],
        "by_provider": [
            {
                "provider": name,
                "requests": sum(row.requests for row in rows),
                "credits": credits_of(sum(row.charge for row in rows)),
            }
            for name, rows in providers.items()
        ],
        "daily": [
            {
                "date": written(row.day),
                "requests": row.requests,
                "credits": credits_of(row.charge),
                "active_users": row.active_users,
            }
            for row in days
        ],
    }
