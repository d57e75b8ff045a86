"""Connections that nobody uses: kept for the next call, but not more of them than stated."""

import asyncio

import pytest

from tests.kit.http1.conftest import Run
from tests.kit.http1.test_client import ask
from tests.kit.http1.wiretools import echo, serving, until
from tollway.kit.http1.client import Client


@pytest.mark.parametrize("most", [0, 2])
def test_no_more_idle_connections_are_kept_than_stated(run: Run, most: int) -> None:
    async def go() -> None:
        client = Client(max_idle_per_origin=most)
        async with serving(echo) as server:
            origin = f"http://127.0.0.1:{server.port}"
            for answer in await asyncio.gather(*(client.send(ask(origin)) for _ in range(4))):
                await answer.read()
            await until(lambda: client.open_connections == most)
            await client.close()

    run(go())
