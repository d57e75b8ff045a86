"""What a call must cost: prices from the product's data, arithmetic of our own."""

import tomllib
from decimal import ROUND_CEILING, Decimal
from pathlib import Path
from typing import Any

import tollway
from bench.books.story import Tokens

MARGIN = Decimal("1.4")
CATALOG = Path(tollway.__file__).parent / "data" / "models.toml"


class PriceList:
    """The catalog's rows, read with nothing of the gateway's own code."""

    def __init__(self) -> None:
        catalog = tomllib.loads(CATALOG.read_text(encoding="utf-8"), parse_float=Decimal)
        self._rows: dict[str, Any] = {row["id"]: row["price"] for row in catalog["models"]}

    def cost(self, model: str, tokens: Tokens) -> tuple[int, int]:
        """Nano-dollars that the provider takes and that the caller pays: each rounded up once."""
        price = self._rows[model]
        asked, said, read, wrote = (max(0, count) for count in tokens)
        fresh = max(0, asked - read - wrote)
        millionths = (
            fresh * price["input"]
            + read * price.get("cache_read", price["input"])
            + wrote * price.get("cache_write_5m", price["input"])
            + said * price["output"]
        )
        return _up(Decimal(millionths) * 1000), _up(Decimal(millionths) * 1000 * MARGIN)


def _up(amount: Decimal) -> int:
    return int(amount.to_integral_value(ROUND_CEILING))
