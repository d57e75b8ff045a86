"""Price updates on a real database of each kind, by a clock that is moved by hand."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from tests.gateway.auth.conftest import HandClock
from tollway.backends import sql
from tollway.core.errors import Unavailable
from tollway.gateway.cards.board import PriceBoard
from tollway.gateway.cards.shelf import Shelf
from tollway.gateway.cards.updates import PriceUpdates
from tollway.gateway.catalog import Catalog
from tollway.kit.toml import Sheet, parse
from tollway.ports import Database, Transaction

T = TypeVar("T")


@dataclass
class Shop:
    """Everything about prices, and who may look at them."""

    clock: HandClock
    database: Database
    listed: Catalog
    updates: PriceUpdates
    shelf: Shelf
    board: PriceBoard
    line: "Line"

    async def proposed(self, text: str, at_s: float | None = None) -> int:
        """The number of a proposal."""
        return (await self.updates.propose(sheet(text), "ann", "because", at_s)).row.id

    async def activated(self, text: str, at_s: float | None = None) -> int:
        """Proposed and let hold."""
        number = await self.proposed(text, at_s)
        await self.updates.activate(number, "bob", force=True)
        return number

    async def sold(self, model: str = "echo") -> tuple[str, str]:
        """(version, output price) that people see."""
        found, _ = await self.shelf.one(model)
        return found.price.version, f"{found.price.output.normalize():f}"

    async def charged(self, model: str = "echo") -> str:
        """The version that this process sells at."""
        cards = await self.board.news()
        assert cards is not None, "nothing changed"
        found = self.listed.at_prices(cards).find(model)
        assert found is not None
        return found.price.version


class Line:
    """The database, as a process sees it over a line that may be cut or lose what is announced."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.write, self.migrate, self.close = database.write, database.migrate, database.close
        self.cut, self.deaf = False, False
        self._heard = database.epoch()

    async def read(self, work: Callable[[Transaction], T]) -> T:
        if self.cut:
            raise Unavailable("the line is cut")
        return await self._database.read(work)

    def epoch(self) -> int:
        if not self.deaf:
            self._heard = self._database.epoch()
        return self._heard


def sheet(text: str) -> Sheet:
    return parse(text, "new.toml")


@pytest.fixture
async def shop(database_url: str, tmp_path: Path) -> AsyncIterator[Shop]:
    clock, database = HandClock(), sql.open(database_url, tmp_path)
    await database.migrate()
    listed = Catalog.load(local_providers=["vllm"])
    updates, shelf = PriceUpdates(database, clock, listed), Shelf(database, clock, listed)
    line = Line(database)
    yield Shop(clock, database, listed, updates, shelf, PriceBoard(line, clock), line)
    await database.close()
