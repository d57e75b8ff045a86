"""All SQL of the price cards: updates, the cards they hold, and what the files listed."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from tollway.ports import Transaction

PROPOSED, ACTIVE, WITHDRAWN = "proposed", "active", "withdrawn"


class CardRow(NamedTuple):
    """One card of an update."""

    update: int
    model: str
    body: str | None
    """None: what the files list."""
    base_version: str
    """The version it was proposed to replace."""
    base_body: str
    effective_at_s: float | None
    turn: int
    """Orders activations: of two cards of one moment, the later activation holds."""


class UpdateRow(NamedTuple):
    """Prices proposed together."""

    id: int
    state: str
    """`proposed`, `active` (from its time on) or `withdrawn`."""
    author: str
    reason: str
    proposed_at_s: float
    wanted_at_s: float | None
    """When it is meant to begin; None: when it is activated."""
    decided_by: str
    decided_at_s: float | None
    effective_at_s: float | None


_CARD = "SELECT c.update_id, c.model, c.body, c.base_version, c.base_body, c.effective_at, c.turn FROM price_cards c"
_UPDATE = (
    "SELECT id, state, author, reason, proposed_at, wanted_at, decided_by, decided_at, effective_at FROM price_updates"
)


def _number(tx: Transaction, counter: str) -> int:
    sql = "UPDATE counters SET value = value + 1 WHERE name = :counter RETURNING value"
    return int(tx.run(sql, counter=counter)[0][0])


def next_turn(tx: Transaction) -> int:
    """The place of an activation in the row of all. Until the transaction ends nobody else gets one."""
    return _number(tx, "price_turn")


def add(tx: Transaction, update: UpdateRow, cards: Iterable[Mapping[str, str | None]]) -> int:
    """Keep a proposal, its id ignored; the number it got."""
    number = _number(tx, "price_update")
    tx.run(
        "INSERT INTO price_updates (id, author, reason, proposed_at, wanted_at)"
        " VALUES (:id, :author, :reason, :at, :wanted)",
        id=number, author=update.author, reason=update.reason, at=update.proposed_at_s, wanted=update.wanted_at_s,
    )  # fmt: skip
    tx.many(
        "INSERT INTO price_cards (update_id, model, body, base_version, base_body)"
        " VALUES (:id, :model, :body, :base_version, :base_body)",
        [{"id": number, **card} for card in cards],
    )
    return number


def update(tx: Transaction, number: int) -> UpdateRow | None:
    """The update of that number."""
    rows = tx.run(f"{_UPDATE} WHERE id = :id", id=number)
    return UpdateRow(*rows[0]) if rows else None


def updates(tx: Transaction, limit: int, before: int) -> list[UpdateRow]:
    """At most `limit` updates with numbers below `before`, newest first."""
    rows = tx.run(f"{_UPDATE} WHERE id < :before ORDER BY id DESC LIMIT :limit", before=before, limit=limit)
    return [UpdateRow(*row) for row in rows]


def proposed(tx: Transaction) -> list[UpdateRow]:
    """Every update nobody has decided about, newest first."""
    rows = tx.run(f"{_UPDATE} WHERE state = :state ORDER BY id DESC LIMIT 100", state=PROPOSED)
    return [UpdateRow(*row) for row in rows]


def cards_of(tx: Transaction, number: int) -> list[CardRow]:
    """The cards of one update."""
    return [CardRow(*row) for row in tx.run(f"{_CARD} WHERE c.update_id = :id ORDER BY c.model", id=number)]


def holding(tx: Transaction, now: float) -> list[CardRow]:
    """The activated card of each model that holds now, and all that will hold later, in the order they begin."""
    rows = tx.run(
        f"{_CARD} WHERE c.effective_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM price_cards n WHERE n.model = c.model"
        " AND n.effective_at <= :now AND (n.effective_at > c.effective_at"
        " OR (n.effective_at = c.effective_at AND n.turn > c.turn))) ORDER BY c.effective_at, c.turn",
        now=now,
    )
    return [CardRow(*row) for row in rows]


def history(tx: Transaction, model: str) -> list[CardRow]:
    """Every card of a model that was ever activated, newest first."""
    rows = tx.run(
        f"{_CARD} WHERE c.model = :model AND c.effective_at IS NOT NULL ORDER BY c.effective_at DESC, c.turn DESC",
        model=model,
    )
    return [CardRow(*row) for row in rows]


def decide(tx: Transaction, decided: UpdateRow, turn: int) -> None:
    """Write down what became of an update: its new state, by whom, and from when on its cards hold, if they do."""
    tx.run(
        "UPDATE price_updates SET state = :state, decided_by = :by, decided_at = :at, effective_at = :effective"
        " WHERE id = :id",
        id=decided.id, state=decided.state, by=decided.decided_by, at=decided.decided_at_s,
        effective=decided.effective_at_s,
    )  # fmt: skip
    tx.run(
        "UPDATE price_cards SET effective_at = :effective, turn = :turn WHERE update_id = :id",
        id=decided.id, effective=decided.effective_at_s, turn=turn,
    )  # fmt: skip


def listed(tx: Transaction, model: str | None = None) -> list[tuple[str, str, str, float]]:
    """(model, version, body, first seen at) of every card the files ever listed, of one model when stated."""
    sql = "SELECT model, version, body, seen_at FROM listed_prices"
    found = tx.run(f"{sql} WHERE model = :model ORDER BY seen_at DESC", model=model) if model else tx.run(sql)
    return [(str(name), str(version), str(body), float(at)) for name, version, body, at in found]


def note_listed(tx: Transaction, rows: Sequence[Mapping[str, str | float]]) -> None:
    """Keep cards of the files that receipts may name."""
    tx.many(
        "INSERT INTO listed_prices (model, version, body, seen_at) VALUES (:model, :version, :body, :at)"
        " ON CONFLICT DO NOTHING",
        rows,
    )
