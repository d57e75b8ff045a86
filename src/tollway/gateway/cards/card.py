"""A price card as it is kept: the TOML row's fields as JSON, decimals as text so that none is rounded."""

import msgspec

from tollway.core.model import Price
from tollway.gateway.price_list import PriceRow

_READ = msgspec.json.Decoder(PriceRow)
_FIELDS = PriceRow.__struct_fields__


def row_of(price: Price) -> PriceRow:
    """The card without its version."""
    return PriceRow(**{name: getattr(price, name) for name in _FIELDS})


def price_of(row: PriceRow, version: str) -> Price:
    """The card under its version."""
    return Price(version=version, **msgspec.structs.asdict(row))


def written(row: PriceRow) -> str:
    """The card as text, what it leaves out left out."""
    return msgspec.json.encode(stated(row)).decode()


def read(body: str) -> PriceRow:
    """The card a text holds."""
    return _READ.decode(body)


def stated(row: PriceRow) -> dict[str, object]:
    """The fields the card states."""
    fields = msgspec.structs.asdict(row)
    return {name: value for name, value in fields.items() if value is not None and value != {} and value is not False}
