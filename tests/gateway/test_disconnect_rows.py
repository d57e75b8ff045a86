"""What each provider does when its connection is closed is written down where operators read it."""

from pathlib import Path

from tollway.gateway.provider import Disconnect
from tollway.gateway.stock import known_providers

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "disconnects.md"


def rows() -> dict[str, list[str]]:
    lines = [line for line in GUIDE.read_text().splitlines() if line.startswith("| ")][1:]
    return {cells[0]: cells[1:] for line in lines if (cells := [cell.strip() for cell in line.strip("|").split("|")])}


def test_the_guide_has_a_row_for_each_provider_that_says_what_its_code_says() -> None:
    told = rows()
    known = {name: provider.disconnect for name, provider in known_providers().items()}
    assert set(told) == set(known)
    for name, disconnect in known.items():
        what, does, source = told[name]
        assert what.startswith("stops") is disconnect.stops_billing, name
        assert does.startswith("cancels") is disconnect.stops_billing, name
        assert source == disconnect.source
        assert all(f"`{prefix}*`" in what and f"`{prefix}*`" in does for prefix in disconnect.except_for), name


def test_a_row_without_a_source_is_no_row() -> None:
    assert all(len(provider.disconnect.source) > 20 for provider in known_providers().values())


def test_models_may_be_excepted_by_how_their_names_begin() -> None:
    row = Disconnect(False, "as the test says", except_for=("openai/", "x-ai/"))
    assert row.stops("openai/gpt-5") and row.stops("x-ai/grok-4")
    assert not row.stops("google/gemini-3") and not row.stops("gpt-5-openai/")
    assert not Disconnect(False, "as the test says").stops("openai/gpt-5")
