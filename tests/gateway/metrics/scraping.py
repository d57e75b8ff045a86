"""Reads a stage's metrics as Prometheus would, with the reader of its own client library."""

from collections.abc import Iterable, Mapping

from prometheus_client.core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from tests.gateway.pipeline.stage import Ear, Stage
from tollway.kit.http1.wire import Request


async def scrape(
    stage: Stage, *, peer: str = "127.0.0.1", method: str = "GET", headers: Mapping[str, str] | None = None
) -> Ear:
    """One request for the page."""
    lines = {name.encode(): value.encode() for name, value in (headers or {}).items()}
    ear = Ear()
    await stage.front.handle(Request(method, "/metrics", "", lines, b"", peer), ear)
    return ear


async def families(stage: Stage) -> dict[str, Metric]:
    """Everything exposed now, by name; in both formats, which say the same."""
    text = await scrape(stage)
    assert text.status == 200 and text.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = {one.name: one for one in read_text(text.data.decode())}
    other = await scrape(stage, headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert other.headers["content-type"].startswith("application/openmetrics-text")
    assert {one.name for one in read_openmetrics(other.data.decode())} == set(found)
    return found


def value(found: Mapping[str, Metric], name: str, **labels: str) -> float:
    """The sum of the samples of this name that have these labels among theirs."""
    wanted = labels.items()
    return sum(
        sample.value
        for family in found.values()
        for sample in family.samples
        if sample.name == name and wanted <= sample.labels.items()
    )


def label_sets(family: Metric) -> set[tuple[str, ...]]:
    """The sets of label names that its samples have, but for the `le` of buckets."""
    return {tuple(sorted(name for name in sample.labels if name != "le")) for sample in family.samples}


def every_label(found: Iterable[Metric]) -> set[str]:
    """All values of all labels."""
    return {text for family in found for sample in family.samples for text in sample.labels.values()}
