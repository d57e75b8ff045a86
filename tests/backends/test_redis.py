"""A server that goes away and comes back, and addresses that lead nowhere."""

import asyncio
import time

import pytest

from tests.valkey import Valkey
from tollway.backends.redis import RedisKeyValue
from tollway.core.errors import Unavailable


async def test_a_server_that_is_killed_is_unavailable_and_known_again_when_it_is_back(own_valkey: Valkey) -> None:
    store = RedisKeyValue(own_valkey.url)
    assert await store.add("n", 1, 60) == 1
    own_valkey.kill()
    for work in (store.get("n"), store.put("n", b"", 60), store.add("n", 1, 60), store.swap("n", None, b"", 60)):
        with pytest.raises(Unavailable, match="cannot be reached"):
            await work
    own_valkey.start()
    assert await store.add("n", 1, 60) == 1, "what a server knew is gone with it; its scripts are loaded again"
    assert await store.swap("m", None, b"x", 60)
    await store.close()


async def test_a_server_that_hangs_is_waited_for_a_second_or_two_at_most(own_valkey: Valkey) -> None:
    store = RedisKeyValue(own_valkey.url)
    await store.put("n", b"x", 60)
    own_valkey.freeze()
    began = time.monotonic()
    answers = await asyncio.gather(*(store.add("n", 1, 60) for _ in range(64)), return_exceptions=True)
    assert all(isinstance(answer, Unavailable) for answer in answers)
    assert time.monotonic() - began < 10
    own_valkey.thaw()
    assert await store.get("n") == b"x"
    await store.close()


async def test_nobody_at_the_address_is_unavailable() -> None:
    store = RedisKeyValue("redis://127.0.0.1:1/0")
    with pytest.raises(Unavailable):
        await store.get("n")
    await store.close()


@pytest.mark.parametrize("url", ["redis://127.0.0.1:port/0", "rediss://127.0.0.1:99999"])
def test_an_address_that_is_none_is_refused_when_it_is_said(url: str) -> None:
    with pytest.raises(ValueError, match=r"[Pp]ort"):
        RedisKeyValue(url)
