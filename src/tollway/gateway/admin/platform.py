"""The whole hub's figures (hub.md 2.11), as far as the daily sums carry them; kept for a minute."""

from collections.abc import Awaitable, Callable
from typing import Any

from tollway.gateway.admin.usage_me import Money
from tollway.gateway.analytics import store
from tollway.gateway.analytics.periods import latest, written
from tollway.gateway.analytics.show import economics, platform
from tollway.gateway.catalog import Catalog
from tollway.ports import Clock, Database, Transaction

Shown = dict[str, Any]
KEPT_S = 60.0


class Platform:
    """Everybody's use, and what each model brought. `catalog` is what is on sale now."""

    def __init__(self, database: Database, money: Money, clock: Clock, catalog: Callable[[], Catalog]) -> None:
        self._database, self._money, self._clock, self._catalog = database, money, clock, catalog
        self._kept: dict[tuple[str, int], tuple[float, Shown]] = {}

    async def use(self, days: int) -> Shown:
        """Use in the latest so many days, today included; at most a minute old."""
        return await self._recent("use", days, self._use)

    async def economics(self, days: int) -> Shown:
        """Cost and revenue of each model in the latest so many days; at most a minute old."""
        return await self._recent("economics", days, self._economics)

    async def _recent(self, what: str, days: int, look: Callable[[int], Awaitable[Shown]]) -> Shown:
        now_s = self._clock.now_s()
        kept = self._kept.get((what, days))
        if kept is not None and 0 <= now_s - kept[0] < KEPT_S:
            return kept[1]
        await self._money.flush()
        shown = await look(days)
        self._kept[what, days] = now_s, shown
        return shown

    async def _use(self, days: int) -> Shown:
        span = latest(days, self._clock.now_s())

        def work(tx: Transaction) -> Shown:
            used = store.by_model(tx, *span)
            found = platform(span, used, store.by_day(tx, *span), store.by_plan(tx, *span), self._provider)
            return found | {"active_users": store.active_users(tx, *span)}

        return await self._database.read(work)

    async def _economics(self, days: int) -> Shown:
        span = latest(days, self._clock.now_s())
        used = await self._database.read(lambda tx: store.by_model(tx, *span))
        period = {"from": written(span.first), "to": written(span.last)}
        return {"period": period, "models": [economics(row) for row in used]}

    def _provider(self, model: str) -> str:
        found = self._catalog().find(model)
        return "unknown" if found is None else found.provider
