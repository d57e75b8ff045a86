"""Files and functions stay small enough to be read in one go (the numbers of the house plan)."""

import statistics
import tomllib
from collections.abc import Sequence

import pytest

from tests.house.survey import ROOT, Source, length, nesting, parameters, sources

HARD_STOPS = {"lines": 400, "length": 60, "parameters": 6, "nesting": 4}
AIMS = {"lines": (90, 250), "length": (8, 35)}
"""Median and 95th percentile over the product's own source."""
MOST_EXEMPTIONS = 0
"""Lower it when an exemption goes; never raise it."""
PAGES = {"src/tollway/gateway/pipeline/relay.py": 150}
"""The places where every gateway rots, held to a page."""

EXEMPTIONS = tomllib.loads((ROOT / "tests/house/exempt.toml").read_text()).get("exempt", [])
ALLOWED = {(entry["what"], entry["limit"]): entry["now"] for entry in EXEMPTIONS}


def measured(limit: str, among: Sequence[Source]) -> dict[str, int]:
    if limit == "lines":
        return {source.name: source.lines for source in among}
    measure = {"length": length, "parameters": parameters, "nesting": nesting}[limit]
    return {name: measure(function) for source in among for name, function in source.functions()}


@pytest.mark.parametrize("limit", HARD_STOPS)
def test_nothing_is_over_its_hard_stop(limit: str) -> None:
    stop = HARD_STOPS[limit]
    among = sources("src", "tests", "bench") if limit == "lines" else sources("src", "bench")
    over = {what: value for what, value in measured(limit, among).items() if value > ALLOWED.get((what, limit), stop)}
    assert not over


@pytest.mark.parametrize("limit", AIMS)
def test_the_usual_size_is_what_we_aim_for(limit: str) -> None:
    values = sorted(measured(limit, sources("src")).values())
    median, p95 = statistics.median(values), values[int(len(values) * 0.95)]
    assert (median, p95) <= AIMS[limit]
    assert p95 <= AIMS[limit][1]


def test_the_pipeline_stays_a_page() -> None:
    lines = measured("lines", sources("src"))
    assert not {name: lines[name] for name, most in PAGES.items() if lines.get(name, 0) > most}


def test_exemptions_have_reasons_and_are_still_needed() -> None:
    assert len(EXEMPTIONS) <= MOST_EXEMPTIONS
    for entry in EXEMPTIONS:
        value = measured(entry["limit"], sources("src", "tests", "bench")).get(entry["what"], 0)
        assert value > HARD_STOPS[entry["limit"]], f"{entry['what']} needs no exemption any more"
        assert len(entry["reason"].split()) > 3
