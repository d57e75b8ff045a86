"""Alerts fire when they should and keep still when they should: told by Prometheus' own tools."""

import re
from pathlib import Path

import pytest
import yaml

from tests.deploy.queries import DEPLOY, RULES, Query, dashboards, queries, rules
from tests.gateway.metrics.scraping import families, label_sets
from tests.gateway.metrics.test_contract import every_outcome
from tests.gateway.pipeline.stage import open_stage
from tests.gateway.pipeline.test_race import THREE
from tests.prometheus import run, tool

ALERTS_TEST = DEPLOY / "prometheus/tests/alerts.test.yml"
EVERYWHERE = {"job", "instance"}
"""Labels that Prometheus itself adds."""
NOT_OURS = {
    "up": EVERYWHERE, "ALERTS": {"alertname", "alertstate", "severity"}, "probe_duration_seconds": EVERYWHERE,
    "probe_success": EVERYWHERE,
}  # fmt: skip
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}


def test_promtool_takes_the_rules_and_the_configuration() -> None:
    told = run(tool("promtool"), "check", "rules", *map(str, RULES))
    assert told.count("SUCCESS") == len(RULES)
    run(tool("promtool"), "check", "config", str(DEPLOY / "prometheus/prometheus.yml"))


def test_serving_22_every_alert_fires_in_its_story_and_keeps_still_in_the_other() -> None:
    assert "SUCCESS" in run(tool("promtool"), "test", "rules", str(ALERTS_TEST))


def test_every_alert_has_a_story_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    stories: dict[str, set[bool]] = {}
    for story in yaml.safe_load(ALERTS_TEST.read_text())["tests"]:
        for told in story["alert_rule_test"]:
            stories.setdefault(told["alertname"], set()).add(bool(told["exp_alerts"]))
    alerts = {rule["alert"] for rule in rules() if "alert" in rule}
    assert set(stories) == alerts and {name for name, ends in stories.items() if ends != {True, False}} == set()


def test_every_alert_says_how_grave_it_is_and_what_to_look_at() -> None:
    for rule in rules():
        if "alert" in rule:
            assert rule["labels"]["severity"] in ("critical", "error", "warn", "info"), rule["alert"]
            assert set(rule["annotations"]) == {"summary", "description"}, rule["alert"]


def test_alertmanager_takes_its_configuration_which_names_only_alerts_there_are() -> None:
    path = DEPLOY / "alertmanager/alertmanager.yml"
    assert "SUCCESS" in run(tool("amtool"), "check-config", str(path))
    named = set(re.findall(r"\b[A-Z][a-z]+(?:[A-Z][a-z]+)+\b", path.read_text()))
    assert named <= {rule.get("alert") for rule in rules()} and len(named) > 8


@pytest.mark.parametrize("board", [board for _, board in dashboards()], ids=lambda board: board["uid"])
def test_a_dashboard_is_laid_out_and_named_once(board: dict[str, object]) -> None:
    panels = board["panels"]
    assert isinstance(panels, list) and board["title"] and board["schemaVersion"]
    ids = [panel["id"] for panel in panels]
    titles = [panel["title"] for panel in panels]
    assert len(set(ids)) == len(ids) and len(set(titles)) == len(titles)
    cells = [
        (x, y)
        for grid in (panel["gridPos"] for panel in panels)
        for x in range(grid["x"], grid["x"] + grid["w"])
        for y in range(grid["y"], grid["y"] + grid["h"])
    ]
    assert len(set(cells)) == len(cells) and max(x for x, _ in cells) < 24, "panels do not overlap"


async def test_serving_22_rules_and_dashboards_ask_only_for_metrics_and_labels_that_are_there(tmp_path: Path) -> None:
    async with open_stage(tmp_path, THREE, {}) as stage:
        await every_outcome(stage)
        found = await families(stage)
    known: dict[str, set[str]] = dict(NOT_OURS)
    for family in found.values():
        labels = {name for one in label_sets(family) for name in one} | EVERYWHERE
        for suffix in SUFFIXES[family.type]:
            name = family.name if family.name.endswith(suffix) else family.name + suffix
            known[name] = labels | ({"le"} if suffix == "_bucket" else set())
    empty = {family.name for family in found.values() if not family.samples}
    known |= {rule["record"]: EVERYWHERE | {"provider", "role"} for rule in rules() if "record" in rule}
    asked = list(queries())
    assert len(asked) > 80
    strange = [(one.where, name) for one in asked for name in one.metrics - set(known)]
    assert not strange
    unlabelled = [
        (one.where, metric, label)
        for one in asked
        for metric, label in one.selected
        if label not in known[metric] and not metric.startswith(tuple(empty))
    ]
    assert not unlabelled


def test_the_words_of_a_query_are_found() -> None:
    query = Query("here", 'sum by (le, a) (rate(x_total{b!="2xx", c=~"$d"}[5m])) / on (e) y:z > 0.5 and absent(w)')
    assert query.metrics == {"x_total", "y:z", "w"}
    assert list(query.selected) == [("x_total", "b"), ("x_total", "c")]
