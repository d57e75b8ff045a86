"""Proposing prices, looking at what would change, and deciding."""

import math
from collections.abc import Mapping
from typing import NamedTuple

from tollway.core.errors import BadRequest, NotFound, TollwayError
from tollway.core.remark import MOST_NAME, remark
from tollway.gateway.cards import store
from tollway.gateway.cards.board import in_force, prices_of, version_of
from tollway.gateway.cards.card import read, row_of, written
from tollway.gateway.cards.compare import Change, changes
from tollway.gateway.cards.proposal import read_proposal
from tollway.gateway.cards.store import ACTIVE, PROPOSED, WITHDRAWN, CardRow, UpdateRow
from tollway.gateway.catalog import Catalog
from tollway.gateway.price_list import PriceRow
from tollway.kit.toml import Sheet
from tollway.ports import Clock, Database, Transaction

MOST_MODELS = 10_000
LATEST_S = 253_370_764_800.0
"""The year 9999: beyond it no calendar can write a date."""


class PricesChanged(TollwayError):
    """The prices an update was compared with hold no longer."""

    status, kind, code = 409, "invalid_request", "prices_changed"


class Decided(TollwayError):
    """Somebody has already activated or withdrawn the update."""

    status, kind, code = 409, "invalid_request", "already_decided"


class Jump(TollwayError):
    """A price changes out of all proportion, and nobody said that this is meant."""

    status, kind, code = 409, "invalid_request", "price_jump"


class Compared(NamedTuple):
    """What an update does to one model."""

    model: str
    old_version: str
    new_version: str
    changes: list[Change]


class Update(NamedTuple):
    """Prices proposed together, and what they change."""

    row: UpdateRow
    compared: list[Compared]

    @property
    def jumps(self) -> list[str]:
        """Every change that can only be a slip, in words."""
        return [
            f"{one.model} {change.field} {_said(change.old)} -> {_said(change.new)}"
            for one in self.compared
            for change in one.changes
            if change.jump
        ]


class PriceUpdates:
    """All updates. `listed` is what the files sell, without any card."""

    def __init__(self, database: Database, clock: Clock, listed: Catalog) -> None:
        self._database, self._clock, self._listed = database, clock, listed

    async def propose(self, sheet: Sheet, author: str, reason: str, wanted_at_s: float | None = None) -> Update:
        """Keep the prices `sheet` states, changing nothing yet.

        They are compared with what holds at `wanted_at_s` (None: now). Raises TomlError for prices that cannot be
        proposed, BadRequest for a time that is over.
        """
        author, reason = remark(author, "author", MOST_NAME), remark(reason, "reason")

        def work(tx: Transaction) -> int:
            now_s = self._clock.now_s()
            at_s = _later(wanted_at_s, now_s)
            catalog = self._listed.at_prices(prices_of(in_force(store.holding(tx, now_s), at_s)))
            cards = read_proposal(sheet, catalog)
            if len(cards) > MOST_MODELS:
                raise BadRequest(f"more than {MOST_MODELS} models in one update")
            rows: list[Mapping[str, str | None]] = []
            for model, row in cards.items():
                sold = catalog.find(model)
                if sold is None:
                    raise BadRequest(f"{model} is not on sale here")
                base = {"base_version": sold.price.version, "base_body": written(row_of(sold.price))}
                rows.append({"model": model, "body": None if row is None else written(row), **base})
            draft = UpdateRow(0, PROPOSED, author, reason, now_s, wanted_at_s, "", None, None)
            return store.add(tx, draft, rows)

        return await self.one(await self._database.write(work))

    async def one(self, number: int) -> Update:
        """An update and what it changes, or changed. Raises NotFound."""
        row, cards = await self._database.read(lambda tx: (store.update(tx, number), store.cards_of(tx, number)))
        if row is None:
            raise NotFound(f"no price update {number}")
        return Update(row, [self._compared(card) for card in cards])

    async def page(self, limit: int, before: int | None = None) -> list[UpdateRow]:
        """At most `limit` updates with numbers below `before`, newest first."""
        return await self._database.read(lambda tx: store.updates(tx, limit, before or 2**62))

    async def waiting(self) -> int:
        """The one update that waits for a decision. Raises NotFound when none does, BadRequest when several do."""
        rows = await self._database.read(store.proposed)
        if not rows:
            raise NotFound("no price update waits for a decision")
        if len(rows) > 1:
            numbers = ", ".join(str(row.id) for row in rows)
            raise BadRequest(f"several price updates wait for a decision, name one: {numbers}")
        return rows[0].id

    async def activate(self, number: int, by: str, at_s: float | None = None, *, force: bool = False) -> Update:
        """Let the update's cards hold from `at_s` on; None: from when it was wanted, or at once.

        Raises Decided, PricesChanged when what it was compared with does not hold then, Jump for a change out of
        all proportion without `force`. Of activations at one moment, each sees what those before it did.
        """

        def work(tx: Transaction) -> None:
            turn = store.next_turn(tx)
            row = _open(store.update(tx, number), number)
            cards = store.cards_of(tx, number)
            now_s = self._clock.now_s()
            begins_s = max(now_s, row.wanted_at_s or 0.0) if at_s is None else _later(at_s, now_s)
            self._still_as_compared(cards, in_force(store.holding(tx, now_s), begins_s))
            jumps = Update(row, [self._compared(card) for card in cards]).jumps
            if jumps and not force:
                raise Jump(f"out of all proportion, and only a slip unless forced: {'; '.join(jumps)}")
            decided = row._replace(state=ACTIVE, decided_by=by, decided_at_s=now_s, effective_at_s=begins_s)
            store.decide(tx, decided, turn)
            tx.announce()

        await self._database.write(work)
        return await self.one(number)

    async def withdraw(self, number: int, by: str) -> Update:
        """Take an update back that does not hold yet. Raises Decided when it does, or was taken back before."""

        def work(tx: Transaction) -> None:
            store.next_turn(tx)
            row = store.update(tx, number)
            if row is None:
                raise NotFound(f"no price update {number}")
            now_s = self._clock.now_s()
            scheduled = row.state == ACTIVE and row.effective_at_s is not None and row.effective_at_s > now_s
            if not scheduled:
                _open(row, number)
            decided = row._replace(state=WITHDRAWN, decided_by=by, decided_at_s=now_s, effective_at_s=None)
            store.decide(tx, decided, 0)
            tx.announce()

        await self._database.write(work)
        return await self.one(number)

    def _still_as_compared(self, cards: list[CardRow], holding: Mapping[str, CardRow]) -> None:
        for card in cards:
            held = holding.get(card.model)
            version = version_of(held.update) if held is not None and held.body is not None else ""
            sold = self._listed.find(card.model)
            version = version or (sold.price.version if sold is not None else "")
            if version != card.base_version:
                problem = f"{card.model} was compared with {card.base_version}, and will be sold at {version} then"
                raise PricesChanged(f"{problem}: propose it again, for that time")

    def _compared(self, card: CardRow) -> Compared:
        old = read(card.base_body)
        new, version = self._listed_row(card) if card.body is None else (read(card.body), version_of(card.update))
        return Compared(card.model, card.base_version, version, changes(old, new))

    def _listed_row(self, card: CardRow) -> tuple[PriceRow, str]:
        sold = self._listed.find(card.model)
        return (read(card.base_body), card.base_version) if sold is None else (row_of(sold.price), sold.price.version)


def _open(row: UpdateRow | None, number: int) -> UpdateRow:
    if row is None:
        raise NotFound(f"no price update {number}")
    if row.state != PROPOSED:
        raise Decided(f"price update {number} is already {row.state}, by {row.decided_by}")
    return row


def _later(at_s: float | None, now_s: float) -> float:
    """A time that is not over; now when none is stated. Raises BadRequest."""
    if at_s is None:
        return now_s
    if not math.isfinite(at_s) or at_s > LATEST_S:
        raise BadRequest("that time is no time", field="at")
    if at_s < now_s:
        raise BadRequest("that time is over: no price changes for calls already made", field="at")
    return at_s


def _said(dollars: object) -> str:
    return "nothing" if dollars is None else f"{dollars}"
