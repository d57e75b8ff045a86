"""Reads and checks budgets as people state them, and shows them again."""

import functools
import re
import zoneinfo
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from tollway.core.caller import Budget
from tollway.core.errors import BadRequest
from tollway.core.money import NanoUsd, credits_of, nano_of_credits

PERIODS = ("day", "week", "month", "total")
MOST_CREDITS = Decimal(10**10)
"""Ten million US dollars: beyond it a number is a slip."""
_STATED = re.compile(r"(?P<amount>[0-9_]*\.?[0-9]+)(?:/(?P<period>[a-z]+))?(?:@(?P<tz>.+))?")


def make_budget(credits: Decimal, period: str, tz: str = "UTC", field: str = "budget") -> Budget:
    """A budget of so many credits. Raises BadRequest naming the part of `field` that makes no sense."""
    if not credits.is_finite() or not 0 <= credits <= MOST_CREDITS:
        raise BadRequest(f"amount must be from 0 to {MOST_CREDITS} credits", field=f"{field}.amount")
    if period not in PERIODS:
        raise BadRequest(f"period must be one of {', '.join(PERIODS)}", field=f"{field}.period")
    if tz not in _zones():
        raise BadRequest(f"no time zone {tz[:60]!r}: give an IANA name such as Europe/Berlin", field=f"{field}.tz")
    return Budget(NanoUsd(nano_of_credits(credits)), period, tz)


def parse_budget(text: str, field: str = "budget") -> Budget:
    """A budget as in `100/day@Europe/Berlin`: credits, `day`, `week`, `month` or `total` (the default), time zone
    (UTC by default). Raises BadRequest."""
    found = _STATED.fullmatch(text.strip())
    try:
        if found is None:
            raise InvalidOperation
        amount = Decimal(found["amount"])
    except InvalidOperation as error:
        raise BadRequest(f"{text[:80]!r} is no budget: say 100/day@Europe/Berlin", field=field) from error
    return make_budget(amount, found["period"] or "total", found["tz"] or "UTC", field)


def read_budgets(stated: object, field: str = "budget") -> tuple[Budget, ...]:
    """Budgets as JSON states them: one, a list, or null for none; each an object with `amount`, `period` and `tz`, or
    text as in `100/day@Europe/Berlin`. Raises BadRequest naming the place."""
    if stated is None:
        return ()
    if not isinstance(stated, list):
        return (_read(stated, field),)
    if len(stated) > len(PERIODS):
        raise BadRequest(f"at most {len(PERIODS)} budgets, one for each period", field=field)
    return check_budgets([_read(one, f"{field}[{place}]") for place, one in enumerate(stated)], field)


def _read(stated: object, field: str) -> Budget:
    if isinstance(stated, str):
        return parse_budget(stated, field)
    if not isinstance(stated, dict):
        raise BadRequest("must be an object with amount, period and tz", field=field)
    for name in stated:
        if name not in ("amount", "period", "tz"):
            raise BadRequest("is no part of a budget; amount, period and tz are", field=f"{field}.{name}"[:200])
    amount, period, tz = stated.get("amount"), stated.get("period", "total"), stated.get("tz", "UTC")
    if isinstance(amount, bool) or not isinstance(amount, int | float | Decimal):
        raise BadRequest("must be a number of credits", field=f"{field}.amount")
    if not isinstance(period, str) or not isinstance(tz, str):
        raise BadRequest("must be text", field=f"{field}.{'tz' if isinstance(period, str) else 'period'}")
    return make_budget(Decimal(str(amount)), period, tz, field)


def check_budgets(budgets: Sequence[Budget], field: str = "budget") -> tuple[Budget, ...]:
    """The budgets in order of their periods. Raises BadRequest when two have the same period."""
    if len({budget.period for budget in budgets}) < len(budgets):
        raise BadRequest("state one budget for each period", field=field)
    return tuple(sorted(budgets, key=lambda budget: PERIODS.index(budget.period)))


def show_budget(budget: Budget) -> dict[str, Any]:
    """A budget as JSON, in credits."""
    return {"amount": credits_of(budget.amount), "period": budget.period, "tz": budget.tz}


@functools.cache
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())
