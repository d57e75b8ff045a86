"""What every test runs under, and the databases that any of them may ask for.

Properties are judged by their truth, not by the speed of a shared machine.
"""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.postgres import NOT_HERE, Postgres, installed, one_of_its_own, shared
from tests.valkey import Valkey, running

settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", settings.get_profile("house"), max_examples=20)
settings.register_profile("long", settings.get_profile("house"), max_examples=1000)
settings.load_profile("house")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The PostgreSQL that all tests of this process share; nobody breaks it."""
    if installed() is None:
        pytest.skip(NOT_HERE)
    yield shared()
    shared().close()
    shared.cache_clear()


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A PostgreSQL that the test may stop, kill and freeze."""
    if installed() is None:
        pytest.skip(NOT_HERE)
    with one_of_its_own() as own:
        yield own


@pytest.fixture
def postgresql_url(postgres: Postgres) -> Iterator[str]:
    """A new database with the whole schema."""
    url = postgres.fresh()
    yield url
    postgres.drop(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Both databases in turn: what `sql.open` and TOLLWAY_DATABASE_URL take."""
    return "sqlite://" if request.param == "sqlite" else str(request.getfixturevalue("postgresql_url"))


@pytest.fixture(scope="session")
def valkey() -> Iterator[Valkey]:
    """The Valkey that all tests of this process share; nobody breaks it."""
    with running() as server:
        yield server


@pytest.fixture
def own_valkey() -> Iterator[Valkey]:
    """A Valkey that the test may stop and start."""
    with running() as server:
        yield server
