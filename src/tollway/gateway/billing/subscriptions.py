"""Gives users plans: the first one, and every change."""

import msgspec

from tollway.core.errors import NotFound
from tollway.core.ids import UserId
from tollway.gateway.auth import store as people
from tollway.gateway.auth.store import User
from tollway.gateway.billing import store
from tollway.gateway.billing.plans import Plan, Plans
from tollway.gateway.billing.terms import Terms
from tollway.gateway.ledger.store import Grant, Subscription, allowance, grant, postpone, refresh, subscribe
from tollway.ports import Clock, Database, Transaction

HUB = "hub"
"""The author of what nobody in particular gave."""


class Subscriptions:
    """Who has which plan.

    A change to a plan of the same rank or a higher one holds at once: the old plan's credit ends, and a new cycle
    begins with the whole credit of the new plan. A downgrade holds from the end of the running cycle on, unless it is
    wanted at once. Choosing the present plan again takes back a downgrade that is still to come.
    """

    def __init__(self, database: Database, clock: Clock, plans: Plans, terms: Terms) -> None:
        self._database, self._clock, self.plans, self.terms = database, clock, plans, terms

    def begin(self, tx: Transaction, user: User) -> None:
        """Open a new user's first cycle, and give the sign-up bonus, within a transaction of the caller's.

        Raises BadRequest when there is no such plan.
        """
        plan, now_s = self.plans.find(user.plan), self._clock.now_s()
        if plan.monthly:
            subscribe(tx, Subscription(user.id, plan.name, plan.monthly, HUB, now_s))
        if plan.sign_up_bonus and self.terms.sign_up:
            bonus = Grant(user.id, self.terms.sign_up, "promo", HUB, "sign-up bonus", f"sign-up:{user.id}", now_s)
            grant(tx, bonus)

    async def change(self, who: UserId, plan: str, author: str, *, at_once: bool = False) -> User:
        """The user once he has, or is to have, another plan. Raises NotFound, BadRequest for an unknown plan.

        `at_once`: a downgrade does not wait for the end of the cycle.
        """
        wanted = self.plans.find(plan)
        return await self._database.write(lambda tx: self._change(tx, who, wanted, (author, at_once)))

    def _change(self, tx: Transaction, who: UserId, wanted: Plan, how: tuple[str, bool]) -> User:
        author, at_once = how
        now_s = self._clock.now_s()
        found = people.find_user(tx, who) if people.lock_user(tx, who) else None
        if found is None:
            raise NotFound(f"no user {who[:100]!r}")
        user = found.as_of(now_s)
        refresh(tx, user.id, now_s)
        running = allowance(tx, user.id)
        if wanted.name == user.plan and (running is not None or not wanted.monthly):
            user = msgspec.structs.replace(user, next_plan=None, next_plan_at_s=None)
            if running is not None:
                postpone(tx, user.id, None)
        elif running is not None and self._is_downgrade(user.plan, wanted) and not at_once:
            later = {"next_plan": wanted.name, "next_plan_at_s": running.cycle_end}
            user = msgspec.structs.replace(user, **later)
            postpone(tx, user.id, Subscription(user.id, wanted.name, wanted.monthly, author, now_s))
        else:
            user = msgspec.structs.replace(user, plan=wanted.name, next_plan=None, next_plan_at_s=None)
            subscribe(tx, Subscription(user.id, wanted.name, wanted.monthly, author, now_s))
        people.change_user(tx, user)
        tx.announce()
        return user

    def _is_downgrade(self, present: str, wanted: Plan) -> bool:
        return present in self.plans and wanted.rank < self.plans.find(present).rank

    async def keep_up(self) -> int:
        """Let cycles that begin from now on bring what the plans say today; how many users that concerns."""
        amounts = {plan.name: plan.monthly for plan in self.plans if plan.monthly}
        return await self._database.write(lambda tx: store.renew_amounts(tx, amounts))
