"""The rows of models.toml and of the operator's price list, as written in TOML."""

from decimal import Decimal
from typing import Annotated, Literal

import msgspec

Ability = Literal["tools", "vision", "pdf", "audio_in", "audio_out", "image_out", "reasoning", "structured"]
Category = Literal["fast", "flagship", "reasoning", "coding", "image", "embedding", "custom"]
Family = Literal["openai", "anthropic", "gemini", "other"]

Positive = Annotated[float, msgspec.Meta(gt=0)]

DEAREST = Decimal(100_000)
"""US dollars per million tokens, or per picture or tool call, above which a price can only be a slip."""
FINEST = 12
"""Digits after the point a price may have."""


class PriceRow(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A price card as written in TOML: `core.model.Price` without its version."""

    input: Decimal
    output: Decimal
    cache_read: Decimal | None = None
    cache_write_5m: Decimal | None = None
    cache_write_1h: Decimal | None = None
    image_in: Decimal | None = None
    audio_in: Decimal | None = None
    image_out: Decimal | None = None
    audio_out: Decimal | None = None
    per_image: Decimal | None = None
    per_tool_call: dict[str, Decimal] = {}
    long_context_over: int | None = None
    long_input: Decimal | None = None
    long_output: Decimal | None = None
    image_model: bool = False


class ModelRow(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A `[[models]]` row as written in TOML."""

    id: str
    provider: str
    context_window: int
    max_output: int
    price: PriceRow
    served_by: dict[str, str]
    name: str = ""
    category: Category = "custom"
    family: Family = "other"
    abilities: frozenset[Ability] = frozenset()
    aliases: tuple[str, ...] = ()
    fallbacks: tuple[str, ...] = ()
    free_plan: bool = False
    custom: bool = False
    enabled: bool = True
    type: Literal["chat", "embedding"] = "chat"
    strategy: str = ""
    first_byte_timeout_s: Positive | None = None


class LocalRow(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """The `[local]` table: what a local engine's model is sold as when it has no row of its own."""

    price: PriceRow
    context_window: int = 131_072
    max_output: int = 16_384
    abilities: frozenset[Ability] = frozenset({"tools", "vision", "structured"})
    first_byte_timeout_s: Positive | None = None


def absurd(dollars: Decimal) -> str:
    """Why no price can be this; empty when it can."""
    if not dollars.is_finite():
        return "is not a number"
    if dollars < 0:
        return "is negative"
    if dollars > DEAREST:
        return f"is above {DEAREST} US dollars; prices are per million tokens, or per picture or tool call"
    exponent = dollars.normalize().as_tuple().exponent
    return f"has more than {FINEST} digits after the point" if isinstance(exponent, int) and -exponent > FINEST else ""


def wrong(row: PriceRow) -> tuple[tuple[str, ...], str] | None:
    """(field, why) of the first thing no price card can say; None when the card can be sold at."""
    for name in row.__struct_fields__:
        value = getattr(row, name)
        stated = value if isinstance(value, dict) else {"": value}
        for key, dollars in stated.items():
            problem = absurd(dollars) if isinstance(dollars, Decimal) else ""
            if problem:
                return (name, *([key] if key else [])), problem
    if row.long_context_over is not None and row.long_context_over <= 0:
        return ("long_context_over",), "must be above zero"
    if row.long_context_over is None and not (row.long_input is None and row.long_output is None):
        return ("long_context_over",), "is missing beside a long price"
    if not (row.input or row.output or row.per_image):
        return (), "has no price: nothing is sold for nothing"
    return None
