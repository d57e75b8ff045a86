"""What every model is sold at now and later, and was before."""

from typing import NamedTuple

from tollway.core.errors import NotFound
from tollway.core.model import Model
from tollway.gateway.cards import store
from tollway.gateway.cards.board import in_force, prices_of
from tollway.gateway.cards.store import CardRow
from tollway.gateway.catalog import Catalog
from tollway.ports import Clock, Database, Transaction


class Past(NamedTuple):
    """Everything a model was ever sold at."""

    cards: list[CardRow]
    """Activated cards, newest first; some may be still to come."""
    listed: list[tuple[str, str, str, float]]
    """What the files said: (model, version, card, first seen at)."""


class Shelf:
    """The prices as they are, for people to look at. `listed` is what the files sell, without any card."""

    def __init__(self, database: Database, clock: Clock, listed: Catalog) -> None:
        self._database, self._clock, self._listed = database, clock, listed

    async def everything(self) -> tuple[Catalog, dict[str, list[CardRow]]]:
        """What is sold now, and by model its card that holds and those to come."""
        now_s = self._clock.now_s()
        rows = await self._database.read(lambda tx: store.holding(tx, now_s))
        by_model: dict[str, list[CardRow]] = {}
        for row in rows:
            by_model.setdefault(row.model, []).append(row)
        return self._listed.at_prices(prices_of(in_force(rows, now_s))), by_model

    async def one(self, name: str) -> tuple[Model, list[CardRow]]:
        """A model as it is sold now, by any of its names. Raises NotFound."""
        catalog, rows = await self.everything()
        model = catalog.find(name)
        if model is None:
            raise NotFound(f"the model {name[:200]!r} is not on sale here")
        return model, rows.get(model.id, [])

    async def past(self, model: Model) -> Past:
        """The model's cards, whatever became of them."""

        def work(tx: Transaction) -> Past:
            return Past(store.history(tx, model.id), store.listed(tx, model.id))

        return await self._database.read(work)
