"""Processes tell each other of channels, in the background; what fails is told again."""

from collections.abc import AsyncIterator

import pytest
from tests.gateway.routing.test_health import ONE, TWO, failing, fault

from tollway.backends.clock import SystemClock
from tollway.backends.memory.shelf import Shelf
from tollway.core.errors import Unavailable
from tollway.gateway.routing.circuit import Why
from tollway.gateway.routing.health import Health
from tollway.gateway.routing.sharing import NAME, Sharing
from tollway.gateway.together import open_store
from tollway.ports import KeyValue


class Clock:
    """Stands still; its two times are far apart, as they are in life."""

    def __init__(self, monotonic_s: float = 100.0) -> None:
        self.seconds, self.off = monotonic_s, 1_700_000_000.0

    def now_s(self) -> float:
        return self.seconds + self.off

    def monotonic_s(self) -> float:
        return self.seconds


class Process:
    """One gateway's share of it; each counts its monotonic seconds from its own start."""

    def __init__(self, name: str, store: KeyValue, later_s: float = 0.0) -> None:
        self.clock = Clock(100.0 + later_s)
        self.clock.off -= later_s
        self.health = Health()
        self.sharing = Sharing(self.health, store, self.clock, name)

    def pass_s(self, seconds: float) -> None:
        self.clock.seconds += seconds


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[KeyValue]:
    """In memory, and a real Valkey of the test's own: all gateways tell under one name."""
    url = "memory://" if request.param == "memory" else request.getfixturevalue("own_valkey").url
    made = open_store(url, SystemClock())
    yield made
    await made.close()


async def test_what_one_process_finds_out_the_others_know_and_when_it_is_over_too(store: KeyValue) -> None:
    one, two = Process("one", store), Process("two", store, later_s=5000.0)
    failing(one.health, ONE, 5, fault())
    await one.sharing.round()
    await two.sharing.round()
    assert not two.health.usable(ONE, 5129.9) and two.health.usable(ONE, 5130.0) and two.health.usable(TWO, 5100.0)
    for process in (one, two):
        process.pass_s(30.0)
    two.health.answered(ONE, 5130.0)
    await two.sharing.round()
    await one.sharing.round()
    assert one.health.all_well and not one.health.news


async def test_nobody_tells_back_what_he_was_told(store: KeyValue) -> None:
    one, two = Process("one", store), Process("two", store)
    failing(one.health, ONE, 5, fault(401))
    await one.sharing.round()
    said = await store.get(NAME)
    for _ in range(3):
        await two.sharing.round()
        await one.sharing.round()
    assert await store.get(NAME) == said and two.health.of(ONE.lane, "").why is Why.KEY_REFUSED


async def test_ones_own_news_is_stronger_than_others_older_word(store: KeyValue) -> None:
    one, two = Process("one", store), Process("two", store)
    failing(one.health, ONE, 5, fault())
    await one.sharing.round()
    failing(two.health, ONE, 5, fault())
    two.health.answered(ONE, 100.0)
    await two.sharing.round()
    assert two.health.all_well


async def test_what_could_not_be_told_is_told_later(store: KeyValue) -> None:
    class Broken(Shelf):
        async def swap(self, name: str, expected: bytes | None, value: bytes | None, ttl_s: float) -> bool:
            raise Unavailable("gone")

    one = Process("one", store)
    failing(one.health, ONE, 5, fault())
    with pytest.raises(Unavailable):
        await Sharing(one.health, Broken(one.clock), one.clock, "one").round()
    await one.sharing.round()
    assert await store.get(NAME) is not None and not one.health.news


async def test_several_who_write_at_once_lose_nothing() -> None:
    class Busy(Shelf):
        """Somebody else is always a little quicker, twice."""

        def __init__(self) -> None:
            super().__init__(Clock())
            self.quicker = 2

        async def swap(self, name: str, expected: bytes | None, value: bytes | None, ttl_s: float) -> bool:
            if self.quicker:
                self.quicker -= 1
                other = Process(f"other{self.quicker}", self)
                failing(other.health, TWO, 5, fault())
                quicker, self.quicker = self.quicker, 0
                await other.sharing.round()
                self.quicker = quicker
            return await super().swap(name, expected, value, ttl_s)

    busy = Busy()
    one, reader = Process("one", busy), Process("reader", busy)
    failing(one.health, ONE, 5, fault())
    await one.sharing.round()
    await reader.sharing.round()
    assert {circuit.lane for circuit in reader.health.open} == {"one", "two"}


async def test_rubbish_is_overwritten(store: KeyValue) -> None:
    await store.put(NAME, b"\xff{", 60.0)
    one, two = Process("one", store), Process("two", store)
    failing(one.health, ONE, 5, fault())
    await one.sharing.round()
    await two.sharing.round()
    assert not two.health.all_well
