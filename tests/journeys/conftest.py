"""One gateway with all providers for the stories that share it, and a maker for those that break it.

Every story in which money, keys, limits, faults or the process itself matter is told on both databases. Those that are
about the vendors' formats have hundreds of variants and never meet the database but for one call each: of them every
eleventh is told on PostgreSQL too, and those of the bare wire on SQLite only.
"""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.journeys.hub import Hub, NewDatabase, Providers, providers
from tests.journeys.speech import Loop
from tests.journeys.table import Table
from tests.postgres import Postgres

ONE_DATABASE = {
    *("test_accounts", "test_asgi_front", "test_errors_by_dialect", "test_full_disk", "test_fuzz_wire", "test_slow"),
    "test_together",
}
SAMPLED = ("test_pairings", "test_same_dialect", "test_sdk_")
SAMPLE = 11


def pytest_configure() -> None:
    """Heed Ctrl-C also when the shell started us in the background, deaf to it: what we start inherits that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each story for each database."""
    if "new_database" in metafunc.fixturenames:
        wire_only = metafunc.module.__name__.rpartition(".")[2] in ONE_DATABASE
        kinds = ["sqlite"] if wire_only else ["sqlite", "postgresql"]
        metafunc.parametrize("new_database", kinds, indirect=True, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of the formats' variants, a sample on PostgreSQL; it is the same in every run."""
    many = [item for item in items if item.path.stem.startswith(SAMPLED) and "postgresql" in _params(item)]
    left_out = {item.nodeid for number, item in enumerate(many) if number % SAMPLE}
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid in left_out])
    items[:] = [item for item in items if item.nodeid not in left_out]


def _params(item: pytest.Item) -> list[object]:
    return (
        list(item.callspec.params.values()) if isinstance(item, pytest.Function) and hasattr(item, "callspec") else []
    )


@pytest.fixture(scope="session")
def new_database(request: pytest.FixtureRequest) -> Iterator[NewDatabase]:
    """Makes an empty database of the kind whose turn it is."""
    if request.param == "sqlite":
        yield dict
        return
    server: Postgres = request.getfixturevalue("postgres")
    made: list[str] = []

    def make() -> dict[str, str]:
        made.append(server.fresh("template0"))
        return {"TOLLWAY_DATABASE_URL": made[-1]}

    yield make
    for url in made:
        server.drop(url)


@pytest.fixture(scope="session")
def vendors() -> Iterator[Providers]:
    """The three mocks."""
    with providers() as running:
        yield running


@pytest.fixture(scope="session")
def shared_hub(
    vendors: Providers, tmp_path_factory: pytest.TempPathFactory, new_database: NewDatabase
) -> Iterator[Hub]:
    """A gateway with channels to all three."""
    hub = Hub(tmp_path_factory.mktemp("hub"), vendors.environ | new_database()).start()
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
def start(tmp_path: Path, new_database: NewDatabase) -> Iterator[Callable[..., Hub]]:
    """Start gateways of one's own; all are stopped at the end. Each has its own database, unless told of one."""
    made: list[Hub] = []

    def make(environ: dict[str, str] | None = None, toml: str = "") -> Hub:
        environ = environ or {}
        mine = {} if "TOLLWAY_DATABASE_URL" in environ else new_database()
        hub = Hub(tmp_path / f"hub{len(made)}", {**environ, **mine}, toml)
        made.append(hub)
        return hub.start()

    yield make
    for hub in made:
        if hub.process is not None:
            hub.stop()
