"""What a user has and has used, in the shape of both generations of clients (hub.md 2.8), kept for a minute."""

import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, Protocol

from tollway.core.ids import UserId
from tollway.core.money import credits_of
from tollway.gateway.analytics.periods import day_of, month_of
from tollway.gateway.analytics.show import models, totals
from tollway.gateway.analytics.store import Used, by_model
from tollway.gateway.ledger.ledger import Balance
from tollway.gateway.ledger.store import Allowance, allowance
from tollway.gateway.ledger.store.recount import Difference, recount
from tollway.kit.iso8601 import iso
from tollway.ports import Clock, Database, Transaction

log = logging.getLogger(__name__)
Shown = dict[str, Any]
PlanOf = Callable[[UserId], Awaitable[str]]

KEPT_S = 60.0
MOST_KEPT = 10_000


class Money(Protocol):
    """Where a user's credit is kept."""

    async def flush(self) -> None:
        """Return when every call ended until now is in the books."""

    async def balance(self, user: UserId) -> Balance:
        """The user's exact balance."""


class _Kept(NamedTuple):
    at_s: float
    shown: Shown


class UsageMe:
    """The figures of each user, from daily sums and pots; nothing here looks at single calls."""

    def __init__(self, database: Database, money: Money, clock: Clock, plan_of: PlanOf) -> None:
        """`plan_of` says which plan a user has when no monthly credit comes with it."""
        self._database, self._money, self._clock, self._plan_of = database, money, clock, plan_of
        self._kept: OrderedDict[UserId, _Kept] = OrderedDict()

    async def show(self, user: UserId) -> Shown:
        """The user's figures, at most a minute old."""
        kept = self._kept.get(user)
        now_s = self._clock.now_s()
        if kept is not None and 0 <= now_s - kept.at_s < KEPT_S:
            return kept.shown
        shown = await self._look(user, now_s)
        self._kept[user] = _Kept(now_s, shown)
        self._kept.move_to_end(user)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        return shown

    async def refresh(self, user: UserId) -> Shown:
        """The same, counted anew from the journal; says whether the books had said anything else."""
        self._kept.pop(user, None)
        await self._money.flush()
        wrong = await self._database.write(lambda tx: recount(tx, user))
        for one in wrong:
            log.error("account %d of %s said %d, its postings %d", one.account, user, one.said, one.counted)
        shown = await self.show(user)
        return shown | {"recomputed": {"exact": not wrong, "differences": [_difference(one) for one in wrong]}}

    async def _look(self, user: UserId, now_s: float) -> Shown:
        balance = await self._money.balance(user)  # which begins the cycle that is due
        month, next_month = month_of(now_s)

        def read(tx: Transaction) -> tuple[Allowance | None, list[Used], list[Used]]:
            running = allowance(tx, user)
            begins = month if running is None else running.cycle_start
            days = {day: by_model(tx, day, user=user) for day in {day_of(month), day_of(begins)}}
            return running, days[day_of(month)], days[day_of(begins)]

        running, used, cycle = await self._database.read(read)
        begins, ends = (month, next_month) if running is None else (running.cycle_start, running.cycle_end)
        monthly = 0 if running is None else running.amount
        return {
            "plan": await self._plan_of(user) if running is None else running.plan,
            "plan_allocation": int(credits_of(monthly)),
            "plan_credits_remaining": credits_of(balance.plan),
            "topup_balance": credits_of(balance.promo + balance.topup),
            "promo_balance": credits_of(balance.promo),
            "held": credits_of(balance.held),
            "this_month": totals(used),
            "by_model": models(used),
            "monthly_credits_total": credits_of(monthly),
            "monthly_credits_remaining": credits_of(balance.plan),
            "billing_cycle_start": iso(begins),
            "billing_cycle_end": iso(ends),
            "usage": totals(cycle) | {"breakdown_by_model": models(cycle)},
            "as_of": iso(now_s),
        }


def _difference(one: Difference) -> Shown:
    return {"credit": one.kind, "said_nano_usd": one.said, "counted_nano_usd": one.counted}
