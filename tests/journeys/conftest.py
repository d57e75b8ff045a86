"""One gateway with all providers for the stories that share it, and a maker for those that break it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.journeys.hub import Hub, Providers, providers
from tests.journeys.speech import Loop
from tests.journeys.table import Table


@pytest.fixture(scope="session")
def vendors() -> Iterator[Providers]:
    """The three mocks."""
    with providers() as running:
        yield running


@pytest.fixture(scope="session")
def shared_hub(vendors: Providers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """A gateway with channels to all three."""
    hub = Hub(tmp_path_factory.mktemp("hub"), vendors.environ).start()
    yield hub
    if hub.process is not None:
        hub.stop()


@pytest.fixture
def hub(shared_hub: Hub, vendors: Providers) -> Iterator[Hub]:
    """The shared gateway; whatever fault a story left is mended."""
    yield shared_hub
    vendors.mend()


@pytest.fixture(scope="session")
def loop() -> Iterator[Loop]:
    """Where the SDKs' asynchronous clients live."""
    running = Loop()
    yield running
    running.close()


@pytest.fixture(scope="session")
def shared_table(shared_hub: Hub, vendors: Providers, loop: Loop) -> Iterator[Table]:
    """One user and three SDKs for all stories that only talk; in the end the books are exact."""
    table = Table.laid(shared_hub, vendors, loop)
    yield table
    assert shared_hub.audit() == []


@pytest.fixture
def table(hub: Hub, shared_table: Table) -> Table:
    """The shared table, at a gateway whose faults are mended."""
    return shared_table


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Hub]]:
    """Start gateways of one's own; all are stopped at the end."""
    made: list[Hub] = []

    def make(environ: dict[str, str] | None = None, toml: str = "") -> Hub:
        hub = Hub(tmp_path / f"hub{len(made)}", environ or {}, toml)
        made.append(hub)
        return hub.start()

    yield make
    for hub in made:
        if hub.process is not None:
            hub.stop()
