"""Writes everything as text, in the format the reader asks for; loaded at the first scrape."""

from collections.abc import Iterable, Iterator

from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from tollway.gateway.metrics.families import Durations, Numbers
from tollway.gateway.metrics.of_calls import Naming, families_of_calls
from tollway.gateway.metrics.of_rooms import families_of_rooms
from tollway.gateway.metrics.standing import Standing
from tollway.gateway.metrics.tally import Tally

_PROCESS = ProcessCollector(registry=None)


class Exposition(Collector):
    """Families that are made already, and what the system says of this process."""

    def __init__(self, families: Iterable[Numbers | Durations]) -> None:
        self._families = tuple(families)

    def collect(self) -> Iterator[Metric]:
        """Every family, those without a series, too: what can be asked for is there from the beginning."""
        for family in self._families:
            yield family.metric()
        yield from _PROCESS.collect()


def write(tally: Tally, naming: Naming, now: Standing, reasons: Iterable[str], accept: str) -> tuple[bytes, str]:
    """The text and its content type: Prometheus' own format, or OpenMetrics for who accepts it."""
    families = [*families_of_calls(tally, naming), *families_of_rooms(now, reasons)]
    encode, kind = choose_encoder(accept)
    return encode(Exposition(families)), kind
