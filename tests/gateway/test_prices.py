"""Our prices against a second source: every disagreement must be explained in price_differences.toml."""

import tomllib
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from genai_prices.data import providers
from genai_prices.types import TieredPrices

from tollway.core.model import EMBEDDING, Model
from tollway.gateway.catalog import Catalog

ASKED_AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
"""Their prices may depend on date and hour; ours were compared on this day."""
CLASSES = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cache_read": "cache_read_mtok",
    "cache_write_5m": "cache_write_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
    "audio_in": "input_audio_mtok",
    "image_out": "output_image_mtok",
}
SOURCES = {
    "claude_subscription": "anthropic", "codex_subscription": "openai", "gemini": "google", "xai": "x-ai",
}  # fmt: skip
SOURCE = {provider.id: provider for provider in providers}
EXPLAINED = {
    (row["model"], row["source"], row["class"]): row
    for row in tomllib.loads((Path(__file__).parent / "price_differences.toml").read_text(), parse_float=Decimal).get(
        "differences", []
    )
}


def base(value: object) -> Decimal | None:
    return value.base if isinstance(value, TieredPrices) else value


def differences(model: Model) -> dict[tuple[str, str, str], tuple[Decimal | None, Decimal | None]]:
    """(model, source, class) → (ours, theirs), from every provider of the model that the second source knows."""
    found = {}
    for provider, upstream in model.served_by.items():
        source = SOURCES.get(provider, provider)
        known = SOURCE[source].find_model(upstream) if source in SOURCE else None
        if known is None:
            if source != "echo":
                found[model.id, source, "unknown"] = (model.price.input, None)
            continue
        prices = known.get_prices(ASKED_AT)
        for ours_name, theirs_name in CLASSES.items():
            if ours_name == "output" and model.type == EMBEDDING:
                continue  # it says nothing, whatever that would cost
            ours, theirs = getattr(model.price, ours_name), base(getattr(prices, theirs_name, None))
            if (ours is not None or theirs is not None) and ours != theirs:
                found[model.id, source, ours_name] = (ours, theirs)
    return found


@pytest.mark.parametrize("model", list(Catalog.load()), ids=lambda model: model.id)
def test_every_disagreement_with_the_second_source_is_explained(model):
    unexplained = []
    for place, (ours, theirs) in differences(model).items():
        row = EXPLAINED.get(place)
        if row is None or not row.get("why") or (Decimal(str(row["theirs"])) if "theirs" in row else None) != theirs:
            unexplained.append(f"{place}: ours {ours}, theirs {theirs}")
    assert not unexplained, "\n".join(unexplained)


def test_no_explanation_has_outlived_its_disagreement():
    real = {place for model in Catalog.load() for place in differences(model)}
    assert set(EXPLAINED) <= real
