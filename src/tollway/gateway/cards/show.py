"""Shows price cards and updates as JSON."""

from decimal import Decimal
from typing import Any

from tollway.core.model import Model
from tollway.gateway.cards.board import version_of
from tollway.gateway.cards.card import read, row_of, stated
from tollway.gateway.cards.compare import Change
from tollway.gateway.cards.store import CardRow, UpdateRow
from tollway.gateway.cards.updates import Compared, Update
from tollway.gateway.price_list import PriceRow
from tollway.kit.iso8601 import iso

Shown = dict[str, Any]


def show_row(row: UpdateRow) -> Shown:
    """An update without its cards."""
    return {
        "number": row.id,
        "version": version_of(row.id),
        "state": row.state,
        "author": row.author,
        "reason": row.reason,
        "proposed_at": iso(row.proposed_at_s),
        "wanted_at": iso(row.wanted_at_s),
        "decided_by": row.decided_by,
        "decided_at": iso(row.decided_at_s),
        "effective_at": iso(row.effective_at_s),
    }


def show_update(update: Update) -> Shown:
    """An update and everything it changes."""
    return show_row(update.row) | {"models": [_compared(one) for one in update.compared], "jumps": update.jumps}


def _compared(one: Compared) -> Shown:
    shown = [show_change(change) for change in one.changes]
    return {"model": one.model, "old_version": one.old_version, "new_version": one.new_version, "changes": shown}


def show_change(change: Change) -> Shown:
    """One field before and after, in US dollars, and by how much per cent."""
    return {
        "field": change.field,
        "old": _plain(change.old),
        "new": _plain(change.new),
        "percent": _plain(change.percent),
        "jump": change.jump,
    }


def show_sold(model: Model, holding: list[CardRow]) -> Shown:
    """What a model is sold at; `holding` are its card that holds, if it has one, and those that will."""
    price = model.price
    now = [row for row in holding if row.body is not None and version_of(row.update) == price.version]
    since = now[0].effective_at_s if now else None
    later = [_dated(row) for row in holding if row not in now and (row.effective_at_s or 0) > (since or 0)]
    return {
        "model": model.id,
        "version": price.version,
        "since": iso(since),
        "price": show_price(row_of(price)),
        "next": later,
    }


def show_past(row: CardRow) -> Shown:
    """One card of a model's history."""
    return _dated(row) | {"replaced": row.base_version}


def show_listed(row: tuple[str, str, str, float]) -> Shown:
    """A card the files listed."""
    _, version, body, seen_at_s = row
    return {"version": version, "first_seen_at": iso(seen_at_s), "price": show_price(read(body))}


def show_price(row: PriceRow) -> Shown:
    """The fields a card states, US dollars as text."""
    return {name: _fields(value) for name, value in stated(row).items()}


def _fields(value: object) -> object:
    if isinstance(value, dict):
        return {name: _fields(part) for name, part in value.items()}
    return _plain(value) if isinstance(value, Decimal) else value


def _dated(row: CardRow) -> Shown:
    price = None if row.body is None else show_price(read(row.body))
    version = "listed" if row.body is None else version_of(row.update)
    return {"version": version, "update": row.update, "effective_at": iso(row.effective_at_s), "price": price}


def _plain(number: Decimal | None) -> str | None:
    """Plain digits without trailing zeros, whatever form the number came in."""
    if number is None:
        return None
    text = f"{number:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"
