"""What every KeyValue promises: the one in the process, and a real server."""

import asyncio
import itertools
from collections.abc import AsyncIterator

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tests.gateway.pipeline.effort import effort
from tests.valkey import Valkey
from tollway.backends.clock import SystemClock
from tollway.gateway.together import open_store
from tollway.ports import KeyValue

LONG_S = 600.0
EDGE = 2**63
numbers = itertools.count()
names = st.sampled_from(["a", "b", "c:1", "ö", "c:2 with spaces\n"])
counts = st.one_of(st.integers(-3, 3), st.sampled_from([EDGE - 1, -EDGE, EDGE, -EDGE - 1, 2**70]))
values = st.one_of(
    st.binary(max_size=8), st.sampled_from([b"", b"0", b"7", b"-0", b"+1", b"01", b" 1", b"1_0", b"%d" % EDGE])
)


@pytest.fixture(params=["memory", "redis"])
def url(request: pytest.FixtureRequest) -> str:
    return "memory://" if request.param == "memory" else str(request.getfixturevalue("valkey").url)


@pytest.fixture
async def store(url: str) -> AsyncIterator[KeyValue]:
    made = open_store(url, SystemClock())
    yield made
    await made.close()


def fresh() -> str:
    """A name nobody used before."""
    return f"law:{next(numbers)}"


class Shelves(RuleBasedStateMachine):
    """Any work in any order leaves what a plain dictionary would hold."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.runner.get_loop()
        self.store = open_store(url, SystemClock())
        self.prefix = fresh() + ":"
        self.kept: dict[str, bytes] = {}

    def teardown(self) -> None:
        self.runner.run(self.store.close())
        self.runner.close()

    @rule(name=names)
    def get(self, name: str) -> None:
        assert self.runner.run(self.store.get(self.prefix + name)) == self.kept.get(name)

    @rule(name=names, value=values)
    def put(self, name: str, value: bytes) -> None:
        self.runner.run(self.store.put(self.prefix + name, value, LONG_S))
        self.kept[name] = value

    @rule(name=names, by=counts)
    def add(self, name: str, by: int) -> None:
        before = self.kept.get(name, b"0")
        number = int(before) if before.removeprefix(b"-").isdigit() else None
        if number is None or b"%d" % number != before or not all(-EDGE <= n < EDGE for n in (by, number, number + by)):
            with pytest.raises(ValueError, match="count"):
                self.runner.run(self.store.add(self.prefix + name, by, LONG_S))
        else:
            assert self.runner.run(self.store.add(self.prefix + name, by, LONG_S)) == number + by
            self.kept[name] = b"%d" % (number + by)
        self.get(name)

    @rule(name=names, guess=st.none() | values, right=st.booleans(), value=st.none() | values)
    def swap(self, name: str, guess: bytes | None, right: bool, value: bytes | None) -> None:
        expected = self.kept.get(name) if right else guess
        done = self.runner.run(self.store.swap(self.prefix + name, expected, value, LONG_S))
        assert done == (expected == self.kept.get(name))
        if done and value is None:
            self.kept.pop(name, None)
        elif done and value is not None:
            self.kept[name] = value
        self.get(name)


def test_any_work_in_any_order_leaves_what_a_dictionary_would_hold(url: str) -> None:
    run_state_machine_as_test(lambda: Shelves(url), settings=effort(60))  # type: ignore[arg-type]


async def ended(store: KeyValue, name: str) -> bool:
    for _ in range(500):
        if await store.get(name) is None:
            return True
        await asyncio.sleep(0.01)
    return False


async def test_what_was_put_ends_by_itself(store: KeyValue) -> None:
    name = fresh()
    await store.put(name, b"here", LONG_S)
    await store.put(name, b"here", 0.05)
    assert await ended(store, name)
    assert await store.swap(name, None, b"new", LONG_S)


async def test_a_count_ends_so_long_after_its_beginning_however_often_it_is_added_to(store: KeyValue) -> None:
    name = fresh()
    assert await store.add(name, 1, 0.3) == 1
    assert await store.add(name, 1, LONG_S) == 2
    assert await ended(store, name)
    assert await store.add(name, 1, LONG_S) == 1


async def test_adding_to_a_number_that_was_put_keeps_its_end(store: KeyValue) -> None:
    name = fresh()
    await store.put(name, b"41", 0.3)
    assert await store.add(name, 1, LONG_S) == 42
    assert await ended(store, name)


async def test_a_swap_gives_a_new_end_and_a_refused_one_does_not(store: KeyValue) -> None:
    name, other = fresh(), fresh()
    await store.put(name, b"a", LONG_S)
    await store.put(other, b"a", LONG_S)
    assert await store.swap(name, b"a", b"b", 0.05)
    assert not await store.swap(other, b"x", b"b", 0.05)
    assert await ended(store, name)
    assert await store.get(other) == b"a"


async def test_additions_at_once_are_all_counted(store: KeyValue) -> None:
    name = fresh()
    answers = await asyncio.gather(*(store.add(name, 1, LONG_S) for _ in range(200)))
    assert sorted(answers) == list(range(1, 201))


async def test_of_many_swaps_at_once_one_is_done(store: KeyValue) -> None:
    name = fresh()
    done = await asyncio.gather(*(store.swap(name, None, b"%d" % number, LONG_S) for number in range(100)))
    assert sum(done) == 1
    assert await store.get(name) == b"%d" % done.index(True)


@pytest.mark.parametrize("ttl_s", [0.0, -1.0, float("nan")])
async def test_nothing_can_be_put_for_no_time_at_all(store: KeyValue, ttl_s: float) -> None:
    name = fresh()
    with pytest.raises(ValueError, match="some time"):
        await store.put(name, b"x", ttl_s)
    with pytest.raises(ValueError, match="some time"):
        await store.add(name, 1, ttl_s)
    with pytest.raises(ValueError, match="some time"):
        await store.swap(name, None, b"x", ttl_s)
    assert await store.get(name) is None


async def test_two_processes_see_the_same(valkey: Valkey) -> None:
    name, clock = fresh(), SystemClock()
    one, other = open_store(valkey.url, clock), open_store(valkey.url, clock)
    assert [await one.add(name, 2, LONG_S), await other.add(name, 3, LONG_S)] == [2, 5]
    await one.close()
    await other.close()


async def test_a_huge_value_is_as_good_as_none_and_makes_room_for_ours(store: KeyValue) -> None:
    name = fresh()
    await store.put(name, b"x" * (1 << 20), LONG_S)
    assert len(await store.get(name) or b"") == 1 << 20
    await store.put(name, b"x" * ((1 << 20) + 1), LONG_S)
    assert await store.get(name) is None
    assert not await store.swap(name, b"x", b"y", LONG_S)
    assert await store.swap(name, None, b"ours", LONG_S)
    assert await store.get(name) == b"ours"
