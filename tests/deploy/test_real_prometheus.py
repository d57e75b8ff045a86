"""A real Prometheus reads a real gateway: every query of every dashboard and rule is one it can answer."""

import time
from pathlib import Path

import pytest
import yaml

from tests.deploy.queries import DEPLOY, dashboards, filled, queries
from tests.journeys.hub import Hub
from tests.prometheus import Prometheus, running, tool

PATIENCE_S = 90.0


def configuration(folder: Path, target: str) -> Path:
    """Ours, reading this gateway once a second."""
    made = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
    made["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    made["rule_files"] = [str(DEPLOY / "prometheus/rules/*.rules.yml")]
    made["alerting"] = {}
    made["scrape_configs"][0]["static_configs"] = [{"targets": [target]}]
    path = folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(made))
    return path


def until(prometheus: Prometheus, query: str, least: float) -> None:
    """Wait until a query comes to that much."""
    deadline = time.monotonic() + PATIENCE_S
    while (prometheus.value(query) or 0.0) < least:
        assert time.monotonic() < deadline, f"{query} does not come to {least}"
        time.sleep(0.1)


def test_serving_22_a_real_prometheus_reads_a_real_gateway_and_answers_every_panel(tmp_path: Path) -> None:
    tool("prometheus")  # before anything is started in vain
    hub = Hub(tmp_path / "data").start()
    try:
        with running(configuration(tmp_path, hub.url.removeprefix("http://"))) as prometheus:
            until(prometheus, "up", 1)
            for stream in (False, True):
                asked = {"model": "echo", "stream": stream, "messages": [{"role": "user", "content": "hello"}]}
                assert hub.ask("/v1/chat/completions", asked, hub.keys["api_key"])[0] == 200
            assert hub.ask("/v1/messages", {})[0] == 401
            until(prometheus, 'sum(api_model_requests_total{model="echo", status_code="200"})', 2)
            until(prometheus, 'sum(api_refusals_total{reason="unauthenticated"})', 1)
            until(prometheus, "sum(increase(api_requests_total[1m]))", 1)
            for query in queries():
                prometheus.get("query", query=filled(query.text))
            unwell = [
                (rule["name"], rule.get("lastError"))
                for group in prometheus.get("rules")["groups"]
                for rule in group["rules"]
                if rule["health"] != "ok"
            ]
            assert not unwell
            firing = {alert["labels"]["alertname"] for alert in prometheus.get("alerts")["alerts"]}
            assert not firing, "a gateway that is well is left in peace"
            shown = [
                panel["title"]
                for _, board in dashboards()
                if board["uid"] == "tollway-gateway"
                for panel in board["panels"]
                if any(prometheus.value(filled(target["expr"])) is not None for target in panel["targets"])
            ]
            assert {"Requests a second", "Time to the end of whole answers", "In flight", "Memory"} <= set(shown)
    finally:
        hub.stop()


@pytest.mark.parametrize("name", ["dashboards.yml", "datasource.yml"])
def test_grafana_is_told_where_the_dashboards_are(name: str) -> None:
    assert yaml.safe_load((DEPLOY / "grafana/provisioning" / name).read_text())["apiVersion"] == 1
