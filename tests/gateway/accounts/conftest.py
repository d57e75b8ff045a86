"""A vendor of subscriptions over real HTTP, and pools before it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.gateway.accounts.bench import Bench
from tests.mocks.accounts import Vendor
from tests.mocks.server import MockServer
from tollway.kit.http1.client import Client


@pytest.fixture
def vendor() -> Vendor:
    return Vendor("ann", "bob", "eve")


@pytest.fixture
def server(vendor: Vendor) -> Iterator[MockServer]:
    with MockServer(vendor.app) as running:
        yield running


@pytest.fixture
async def bench(tmp_path: Path, vendor: Vendor, server: MockServer) -> AsyncIterator[Bench]:
    client = Client()
    made = Bench(tmp_path / "pool_accounts.json", vendor, server, client)
    yield made
    await made.close()
    await client.close()
