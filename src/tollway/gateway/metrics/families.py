"""Families of series, each with one name, one meaning and one set of labels, whatever put its numbers there."""

import re
from collections.abc import Iterable, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from tollway.gateway.metrics.times import Times

LONGEST = 80
_UNUSUAL = re.compile(r"[^\w./:@#+={}-]", re.ASCII)
Labels = tuple[str, ...]


def clean(value: str) -> str:
    """As the value of a label: letters, digits and some marks, 80 of them at most."""
    return _UNUSUAL.sub("_", value)[:LONGEST]


class Numbers:
    """A counter or a gauge: one number for each set of labels."""

    _family: type[CounterMetricFamily] | type[GaugeMetricFamily]

    def __init__(self, name: str, meaning: str, labels: Sequence[str] = ()) -> None:
        self.name, self.meaning, self.labels = name, meaning, tuple(labels)
        self.values: dict[Labels, float] = {}

    def add(self, value: float, *labels: str) -> None:
        """So much more for these labels. Values that are cleaned to the same label are one series."""
        key = self._key(labels)
        self.values[key] = self.values.get(key, 0) + value

    def most(self, value: float, *labels: str) -> None:
        """At least so much for these labels."""
        key = self._key(labels)
        self.values[key] = max(self.values.get(key, value), value)

    def _key(self, labels: Iterable[str]) -> Labels:
        key = tuple(map(clean, labels))
        if len(key) != len(self.labels):
            raise ValueError(f"{self.name} has the labels {self.labels}, not {key}")
        return key

    def metric(self) -> Metric:
        """As it is exposed."""
        family = self._family(self.name, self.meaning, labels=self.labels)
        for labels, value in self.values.items():
            family.add_metric(labels, value)
        return family


class Counts(Numbers):
    """A counter; its name ends with `_total`."""

    _family = CounterMetricFamily


class Levels(Numbers):
    """A gauge."""

    _family = GaugeMetricFamily


class Durations:
    """A histogram; its name ends with `_seconds`."""

    def __init__(self, name: str, meaning: str, labels: Sequence[str], edges_ms: tuple[int, ...]) -> None:
        self.name, self.meaning, self.labels, self._edges_ms = name, meaning, tuple(labels), edges_ms
        self.values: dict[Labels, Times] = {}

    def add(self, times: Times, *labels: str) -> None:
        """What was measured for these labels."""
        key = tuple(map(clean, labels))
        if len(key) != len(self.labels):
            raise ValueError(f"{self.name} has the labels {self.labels}, not {key}")
        known = self.values.get(key)
        if known is None:
            known = self.values[key] = Times(self._edges_ms)
        known.add(times)

    def metric(self) -> Metric:
        """As it is exposed."""
        family = HistogramMetricFamily(self.name, self.meaning, labels=self.labels)
        for labels, times in self.values.items():
            family.add_metric(labels, times.buckets, times.total_ms / 1000)
        return family
