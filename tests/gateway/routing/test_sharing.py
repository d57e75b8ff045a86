"""Processes tell each other of channels, in the background; what fails is told again."""

from collections.abc import AsyncIterator

import msgspec
import pytest
from tests.gateway.routing.test_health import ONE, TWO, failing, fault

from tollway.backends.clock import SystemClock
from tollway.backends.memory.shelf import Shelf
from tollway.core.errors import Unavailable
from tollway.gateway.routing.circuit import Why
from tollway.gateway.routing.health import Health
from tollway.gateway.routing.sharing import MOST, MOST_BYTES, NAME, Sharing
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


@pytest.mark.parametrize("off_s", [-86_400.0, -3600.0, 3600.0, 86_400.0])
async def test_hosts_whose_clocks_differ_by_hours_rest_no_longer_and_no_shorter_for_it(off_s: float) -> None:
    """What is new to whoever listens was said a moment ago, whatever the clock of whoever said it."""
    store = Shelf(Clock())
    wrong, right = Process("wrong", store), Process("right", store)
    wrong.clock.off += off_s
    for process in (wrong, right):
        await process.sharing.round()
    failing(wrong.health, ONE, 5, fault())
    await wrong.sharing.round()
    await right.sharing.round()
    assert not right.health.usable(ONE, 129.9) and right.health.usable(ONE, 130.0)
    right.health.answered(ONE, 130.0)
    await right.sharing.round()
    await wrong.sharing.round()
    assert wrong.health.all_well, "the last word counts, not the latest clock"
    failing(wrong.health, ONE, 5, fault())
    await wrong.sharing.round()
    await right.sharing.round()
    assert not right.health.all_well


async def test_whoever_has_just_come_goes_by_the_age_of_what_is_said_but_rests_no_longer_than_was_said() -> None:
    store = Shelf(Clock())
    one, ahead = Process("one", store), Process("ahead", store)
    ahead.clock.off += 3600.0
    failing(one.health, ONE, 5, fault())
    failing(ahead.health, TWO, 5, fault())
    for process in (one, ahead):
        await process.sharing.round()
    late = Process("late", store)
    late.pass_s(20.0)
    await late.sharing.round()
    assert not late.health.usable(ONE, 129.9) and late.health.usable(ONE, 130.0)
    assert not late.health.usable(TWO, 149.9) and late.health.usable(TWO, 150.0)


def poisons() -> list[bytes]:
    """Lists that no gateway of ours would write."""
    huge = b'["' + b"x" * 3_000_000 + b'"]'
    forever = msgspec.json.encode([["one", "m", "failures", 1e300, -1e300, "x"]])
    long = msgspec.json.encode([["l" * 2000, "m", "failures", 9e9, 0.0, "x"]])
    many = msgspec.json.encode([[f"ghost{n}", "", "failures", 9e9, 9e9 - 5, "x"] for n in range(5000)])
    return [
        b"",
        b"\xff\xfe{",
        b'[["one","m","fail',
        b'{"a":1}',
        b"[[1,2,3,4,5,6]]",
        b"[null]",
        huge,
        forever,
        long,
        many,
    ]


@pytest.mark.parametrize("poison", poisons(), ids=range(10))
async def test_a_torn_poisoned_or_huge_list_does_no_lasting_harm(poison: bytes) -> None:
    store = Shelf(Clock())
    await store.put(NAME, poison, 7200.0)
    one, two = Process("one", store), Process("two", store)
    for process in (one, two):
        await process.sharing.round()
    longest_s = one.health.rules.retry_after_max_s
    assert one.health.usable(ONE, 100.0 + longest_s), "nothing rests longer than a provider might ask for"
    assert len(tuple(one.health)) <= MOST
    failing(one.health, TWO, 5, fault())
    for process in (one, two):
        await process.sharing.round()
    assert not two.health.usable(TWO, 100.0)
    said = await store.get(NAME)
    assert said is not None and len(said) < MOST_BYTES


async def test_a_channel_that_only_one_host_has_is_no_concern_of_the_others() -> None:
    """Channels of a file may differ from host to host: who does not have one closes its record, and says nothing."""
    store = Shelf(Clock())
    one, two = Process("one", store), Process("two", store)
    failing(one.health, ONE, 5, fault())
    await one.sharing.round()
    await two.sharing.round()
    for circuit in two.health.open:
        two.health.drop(circuit)
    for process in (two, one, two):
        await process.sharing.round()
    assert two.health.all_well and not one.health.all_well
