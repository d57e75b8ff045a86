"""Reads proposed prices, as a TOML file or a request states them."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from tollway.core.ids import ModelId
from tollway.gateway.cards.card import row_of
from tollway.gateway.catalog import Catalog
from tollway.gateway.price_list import PriceRow, wrong
from tollway.kit.toml import Place, Sheet

LISTED = "listed"
"""Stated in place of a card: back to what the price list in the files says."""

Cards = dict[ModelId, PriceRow | None]
"""Model id → its proposed card, None for what is listed."""


def read_proposal(sheet: Sheet, catalog: Catalog) -> Cards:
    """The cards a proposal states; `catalog` is what is sold where they would begin to hold.

    `[[models]]` rows state whole cards, `[prices.<model>]` tables only the fields that change. Raises TomlError for
    a model that is not on sale (all of them named), for one named twice, and for a price that cannot be.
    """
    for name in sheet.values:
        if name not in ("models", "prices"):
            raise sheet.error((name,), "is not known here: a proposal holds [[models]] or [prices.<model>]")
    found: Cards = {}
    rows = [*_whole(sheet), *_partial(sheet)]
    if not rows:
        raise sheet.error(("prices",), "nothing is proposed")
    unknown = [name for name, _, _ in rows if catalog.find(name) is None]
    if unknown:
        place = next(place for name, place, _ in rows if name == unknown[0])
        dotted = any(model.id.startswith(f"{name}.") for name in unknown for model in catalog)
        hint = '; a name with a dot needs quotes: [prices."gpt-5.2"]' if dotted else ""
        raise sheet.error(place, f"not on sale here: {', '.join(name[:100] for name in unknown)}{hint}")
    for name, place, make in rows:
        model = catalog.find(name)
        if model is None or model.id in found:
            raise sheet.error(place, f"{name!r} is stated twice")
        found[model.id] = make(row_of(model.price))
    return found


_Made = Callable[[PriceRow], PriceRow | None]


def _whole(sheet: Sheet) -> list[tuple[str, Place, _Made]]:
    rows = sheet.convert(sheet.values.get("models", []), list[dict[str, Any]], ("models",))
    found: list[tuple[str, Place, _Made]] = []
    for at, row in enumerate(rows):
        place: Place = ("models", at)
        if not isinstance(row.get("id"), str):
            raise sheet.error((*place, "id"), "every row needs the id of a model")
        for name in row:
            if name not in ("id", "price"):
                raise sheet.error((*place, name), "is no price: a proposal states only id and price")
        if "price" not in row:
            raise sheet.error((*place, "price"), "is missing")
        found.append((row["id"], place, _maker(sheet, (*place, "price"), row["price"], whole=True)))
    return found


def _partial(sheet: Sheet) -> list[tuple[str, Place, _Made]]:
    tables = sheet.convert(sheet.values.get("prices", {}), dict[str, Any], ("prices",))
    return [
        (name, ("prices", name), _maker(sheet, ("prices", name), stated, whole=False))
        for name, stated in tables.items()
    ]


def _maker(sheet: Sheet, place: Place, stated: Any, *, whole: bool) -> _Made:
    """Makes the card from the one it would replace."""
    if stated == LISTED:
        return lambda base: None
    fields = sheet.convert(stated, dict[str, Any], place)

    def make(base: PriceRow) -> PriceRow:
        merged = fields if whole else _merged(msgspec.structs.asdict(base), fields)
        row = sheet.convert(_exact(merged), PriceRow, place)
        problem = wrong(row)
        if problem is not None:
            raise sheet.error((*place, *problem[0]), problem[1])
        return row

    return make


def _merged(base: dict[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    tools = fields.get("per_tool_call")
    if isinstance(tools, dict):
        fields = {**fields, "per_tool_call": {**base["per_tool_call"], **tools}}
    return {**base, **fields}


def _exact(fields: Any) -> Any:
    """JSON's numbers as the digits they were written in."""
    if isinstance(fields, dict):
        return {name: _exact(value) for name, value in fields.items()}
    return Decimal(repr(fields)) if isinstance(fields, float) else fields
