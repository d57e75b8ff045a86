"""The prices a running process sells at: those of the files, and the cards that hold now."""

import logging
import math
from collections.abc import Iterable, Mapping

from tollway.core.errors import Unavailable
from tollway.core.model import Price
from tollway.gateway.cards import store
from tollway.gateway.cards.card import price_of, read, row_of, written
from tollway.gateway.cards.store import CardRow
from tollway.gateway.catalog import Catalog
from tollway.ports import Clock, Database

log = logging.getLogger(__name__)
LOOK_AGAIN_S = 60.0
"""The longest that an activation whose news was lost on its way stays unheard."""
RETRY_S = 2.0


def version_of(update: int) -> str:
    """What stands on receipts for the cards of an update."""
    return f"card-{update}"


def in_force(rows: Iterable[CardRow], at_s: float) -> dict[str, CardRow]:
    """The card of each model that holds at `at_s`, of `rows` in the order they begin."""
    return {row.model: row for row in rows if row.effective_at_s is not None and row.effective_at_s <= at_s}


def prices_of(rows: Mapping[str, CardRow]) -> dict[str, Price]:
    """The cards by model; models that went back to the files' list are not among them."""
    return {
        name: price_of(read(row.body), version_of(row.update)) for name, row in rows.items() if row.body is not None
    }


class PriceBoard:
    """Knows which cards hold, and learns of others: from the shared epoch at once, from the clock when one begins."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._rows: list[CardRow] = []
        self._epoch = -1
        self._look_again_s = self._rest_until_s = -math.inf
        self._sold_at: dict[str, Price] = {}

    async def news(self) -> Mapping[str, Price] | None:
        """All cards that hold, by model id, when they are others than the last time; None when nothing changed.

        Cheap when nothing happened. A database that is away does not keep a known card from beginning in time.
        """
        epoch, now_s = self._database.epoch(), self._clock.now_s()
        if now_s >= self._look_again_s or (epoch != self._epoch and now_s >= self._rest_until_s):
            await self._look(epoch, now_s)
        prices = prices_of(in_force(self._rows, now_s))
        if prices == self._sold_at:
            return None
        self._sold_at = prices
        return prices

    async def note_listed(self, catalog: Catalog) -> None:
        """Keep the cards of the files, so that any version on any receipt can be shown later."""
        known = {row[:2] for row in await self._database.read(store.listed)}
        now_s = self._clock.now_s()
        rows: list[Mapping[str, str | float]] = [
            {"model": model.id, "version": model.price.version, "body": written(row_of(model.price)), "at": now_s}
            for model in catalog
            if (model.id, model.price.version) not in known
        ]
        if rows:
            await self._database.write(lambda tx: store.note_listed(tx, rows))

    async def _look(self, epoch: int, now_s: float) -> None:
        try:
            self._rows = await self._database.read(lambda tx: store.holding(tx, now_s))
        except Unavailable as error:
            log.warning("new prices cannot be looked up now: %s", error.message)
            self._look_again_s = self._rest_until_s = now_s + RETRY_S
        else:
            self._look_again_s = now_s + LOOK_AGAIN_S
        self._epoch = epoch
