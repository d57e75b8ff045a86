"""Shows budgets together with what is spent of them in the running period."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from tollway.core.caller import Budget
from tollway.core.money import credits_of
from tollway.gateway.auth.budgets import show_budget
from tollway.gateway.ledger.budget import period, purse
from tollway.gateway.ledger.store import budgets_used
from tollway.kit.iso8601 import iso
from tollway.ports import Clock, Database, Transaction

Shown = dict[str, Any]
AT_ONCE = 1000
"""Budgets that one statement asks for."""


class Spending:
    """What is spent of budgets now."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    async def of(self, levels: Mapping[str, Sequence[Budget]]) -> dict[str, list[Shown]]:
        """The budgets of every level (an organisation, a user or a key, by id) as JSON, in credits.

        What running calls hold counts as spent only once they have ended.
        """
        now_s = self._clock.now_s()
        running = {
            (level, budget.period): period(budget.period, budget.tz, now_s)
            for level, budgets in levels.items()
            for budget in budgets
        }
        owners = {place: purse(place[0], place[1], span.label) for place, span in running.items()}
        used = await self._database.read(functools.partial(_used, names=list(owners.values()))) if owners else {}

        def show(level: str, budget: Budget) -> Shown:
            spent = used.get(owners[level, budget.period], 0)
            span = running[level, budget.period]
            left = {"spent": credits_of(spent), "left": credits_of(max(0, budget.amount - spent))}
            return show_budget(budget) | left | {"resets_at": iso(span.end_s)}

        return {level: [show(level, budget) for budget in budgets] for level, budgets in levels.items()}


def _used(tx: Transaction, names: list[str]) -> dict[str, int]:
    used: dict[str, int] = {}
    for first in range(0, len(names), AT_ONCE):
        used |= budgets_used(tx, names[first : first + AT_ONCE])
    return used
