"""One limit, several processes: together they admit never more, and what one does not use another may."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway.ledger.books import StillClock
from tests.gateway.limits.test_rate import caller
from tests.gateway.pipeline.effort import effort
from tests.valkey import Valkey
from tollway.backends.clock import SystemClock
from tollway.backends.memory.shelf import Shelf
from tollway.core.caller import Caller
from tollway.core.errors import RateLimited, Unavailable
from tollway.gateway.limits.rate import RateLimiter, ShareUsedUp, Slot, TooOften
from tollway.gateway.limits.shares import AWAY_S, Degraded, Shares
from tollway.gateway.together import open_store
from tollway.ports import Clock, KeyValue


class Process:
    """A gateway's limiter."""

    def __init__(self, store: KeyValue, clock: Clock, name: str, *, reject: bool = True) -> None:
        self.clock = clock
        self.shares = Shares(store, clock, name, reject=reject)
        self.limiter = RateLimiter(shares=self.shares)

    async def ask(self, who: Caller) -> Slot:
        """One call, as the relay admits it."""
        try:
            return self.limiter.admit(who, "m", self.clock.monotonic_s())
        except ShareUsedUp:
            return await self.limiter.admit_soon(who, "m")

    async def may(self, who: Caller) -> bool:
        try:
            await self.ask(who)
        except RateLimited:
            return False
        return True


class Fickle(Shelf):
    """A store that is away when the test says so."""

    away = False

    async def get(self, name: str) -> bytes | None:
        if self.away:
            raise Unavailable("the shared store cannot be reached")
        return await super().get(name)


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[KeyValue]:
    url = "memory://" if request.param == "memory" else request.getfixturevalue("valkey").url
    made = open_store(url, SystemClock())
    yield made
    await made.close()


@asynccontextmanager
async def tidied(*processes: Process) -> AsyncIterator[None]:
    """They look after their shares meanwhile, as gateways do."""

    async def tidy() -> None:
        while True:
            await asyncio.sleep(0.05)
            for process in processes:
                await process.shares.round()

    task = asyncio.create_task(tidy())
    try:
        yield
    finally:
        task.cancel()


async def settled(*processes: Process) -> None:
    """Whatever goes on in the background is over."""
    for process in processes:
        while tasks := [use.task for use in process.shares._held.values() if use.task]:
            await asyncio.wait(tasks)


async def test_all_of_a_limit_may_be_used_at_one_process_and_then_nothing_at_another(store: KeyValue) -> None:
    one, other = (Process(store, SystemClock(), name) for name in "ab")
    who = caller(key="all at one", requests_per_minute=10)
    assert [await one.may(who) for _ in range(12)] == [True] * 10 + [False] * 2
    with pytest.raises(TooOften, match="come back in 60 s") as refused:
        await other.ask(who)
    assert 59 < (refused.value.retry_after_s or 0) <= 60
    assert refused.value.slot.remaining == 0


async def test_calls_that_come_to_all_at_once_are_together_never_more_than_the_limit(store: KeyValue) -> None:
    processes = [Process(store, SystemClock(), name) for name in "abcd"]
    who = caller(key="at once", requests_per_minute=25)
    async with tidied(*processes):
        answers = await asyncio.gather(*(process.may(who) for _ in range(20) for process in processes))
    assert sum(answers) == 25


async def test_turn_by_turn_every_call_within_the_limit_is_admitted_and_told_what_is_left(store: KeyValue) -> None:
    one, other = (Process(store, SystemClock(), name) for name in "ab")
    who = caller(key="in turns", requests_per_minute=10)
    async with tidied(one, other):
        left = [(await process.ask(who)).remaining for _ in range(5) for process in (one, other)]
    assert left[0] == 9
    assert left[-1] < 5, "as far as is known: others may have some at hand"
    assert not await one.may(who)
    assert not await other.may(who)


async def test_a_call_that_finds_a_share_at_hand_does_not_wait() -> None:
    process = Process(Shelf(clock := StillClock()), clock, "a")
    who = caller(requests_per_minute=100)
    await process.ask(who)
    for calls in range(50):
        await settled(process)
        slot = process.limiter.admit(who, "m", clock.monotonic_s())  # or ShareUsedUp: it would have to wait
        assert (slot.limit, slot.remaining) == (100, 98 - calls)


async def test_what_lies_idle_is_given_back_and_used_elsewhere() -> None:
    clock = StillClock()
    store = Shelf(clock)
    one, other = (Process(store, clock, name) for name in "ab")
    who = caller(requests_per_minute=10)
    for _ in range(8):
        assert await one.may(who)
    await settled(one)
    clock.at_s += 1
    await one.shares.round()
    assert [await other.may(who) for _ in range(3)] == [True, True, False]
    clock.at_s += 60
    for process in (one, other):
        await process.shares.round()
    assert [await other.may(who) for _ in range(11)] == [True] * 10 + [False]
    clock.at_s += 61
    await one.shares.round()
    await other.shares.round()
    assert one.shares._held == {}


async def test_what_a_dead_process_admitted_counts_for_its_minute_and_no_longer() -> None:
    clock = StillClock()
    store = Shelf(clock)
    dead, heir = (Process(store, clock, name) for name in "ab")
    who = caller(requests_per_minute=4)
    for _ in range(4):
        assert await dead.may(who)
    clock.at_s += 59
    assert not await heir.may(who)
    clock.at_s += 30
    assert [await heir.may(who) for _ in range(5)] == [True] * 4 + [False]


async def test_a_store_that_forgot_everything_is_told_again() -> None:
    clock = StillClock()
    store = Shelf(clock)
    one, other = (Process(store, clock, name) for name in "ab")
    who = caller(requests_per_minute=10)
    await one.shares.round()
    for _ in range(10):
        assert await one.may(who)
    await settled(one)
    await store.close()
    await one.shares.round()
    assert not await other.may(who)


async def test_while_the_store_is_away_nobody_is_served_and_afterwards_everybody() -> None:
    clock = StillClock()
    store = Fickle(clock)
    process = Process(store, clock, "a")
    free, bound = caller(), caller(requests_per_minute=2)
    assert await process.may(bound)
    store.away = True
    await process.shares.round()
    assert await process.may(free), "a moment is no outage"
    clock.at_s += AWAY_S
    await process.shares.round()
    for who in (free, bound):
        with pytest.raises(Degraded) as refused:
            await process.ask(who)
        assert (refused.value.status, refused.value.code) == (503, "SERVICE_DEGRADED")
    store.away = False
    await process.shares.round()
    assert [await process.may(who) for who in (free, bound, bound)] == [True, True, False]


async def test_while_the_store_is_away_each_may_count_alone_and_afterwards_together_again() -> None:
    clock = StillClock()
    store = Fickle(clock)
    one, other = (Process(store, clock, name, reject=False) for name in "ab")
    who = caller(requests_per_minute=3)
    store.away = True
    for process in (one, other):
        await process.shares.round()
        clock.at_s += AWAY_S
        await process.shares.round()
    assert [await one.may(who) for _ in range(4)] == [True] * 3 + [False]
    assert await other.may(who)
    store.away = False
    for process in (one, other):
        await process.shares.round()
    assert not await other.may(who)
    clock.at_s += 61
    for process in (one, other):
        await process.shares.round()
    assert [await process.may(who) for process in (one, one, other, other)] == [True] * 3 + [False]


async def test_a_store_that_hangs_does_not_hold_calls_up(own_valkey: Valkey) -> None:
    store = open_store(own_valkey.url, SystemClock())
    process = Process(store, SystemClock(), "a", reject=False)
    assert await process.may(caller(requests_per_minute=5))
    own_valkey.freeze()
    async with asyncio.timeout(2):
        assert await process.may(caller(key="another", requests_per_minute=5))
    own_valkey.thaw()
    await settled(process)
    await store.close()


@effort(100)
@given(
    per_minute=st.integers(1, 12),
    steps=st.lists(st.tuples(st.integers(0, 2), st.sampled_from([0, 0, 0, 1, 5, 30]), st.booleans()), max_size=60),
)
def test_no_minute_ever_has_more_than_the_limit(per_minute: int, steps: list[tuple[int, int, bool]]) -> None:
    """Whatever comes where and when, and whoever gives back meanwhile."""

    async def play() -> None:
        clock = StillClock()
        store = Shelf(clock)
        processes = [Process(store, clock, name) for name in "abc"]
        who, admitted = caller(requests_per_minute=per_minute), list[float]()
        for number, pause_s, tidies in steps:
            clock.at_s += pause_s
            if tidies:
                for process in processes:
                    await process.shares.round()
            try:
                processes[number].limiter.admit(who, "m", clock.monotonic_s())
            except ShareUsedUp as short:
                await processes[number].shares._begin(short.use, per_minute, processes[number].shares._enlarge)
                try:
                    processes[number].limiter.admit(who, "m", clock.monotonic_s())
                except TooOften:
                    continue
            except TooOften:
                continue
            admitted.append(clock.at_s)
            assert sum(then > clock.at_s - 60 for then in admitted) <= per_minute
        await settled(*processes)

    asyncio.run(play())


async def test_whoever_asks_without_end_does_not_reach_the_store_with_every_call() -> None:
    class Counting(Shelf):
        asked = 0

        async def get(self, name: str) -> bytes | None:
            Counting.asked += 1
            return await super().get(name)

    clock = StillClock()
    store = Counting(clock)
    one, other = (Process(store, clock, name) for name in "ab")
    who = caller(requests_per_minute=3)
    assert [await one.may(who) for _ in range(3)] == [True] * 3
    assert [await other.may(who) for _ in range(500)] == [False] * 500
    assert Counting.asked < 20


def poisons() -> list[bytes]:
    """Lists that no gateway of ours would write."""
    pack = msgspec.msgpack.encode
    strange = {"x": [-50, -50, 1_800_000_000.0, 0.0], "y": [5, 50, 1_800_000_000.0, 0.0], "z": [5, 5, 9e18, 9e18]}
    return [b"", b"\xff", pack({"a": 1}), pack({"b": [3, 3, 1.0, 1.0]})[:-4], b"\x80" * 70_000, pack(strange)]


@pytest.mark.parametrize("poison", poisons(), ids=range(6))
async def test_a_torn_poisoned_or_huge_list_fails_no_call_and_gives_nobody_more(poison: bytes) -> None:
    clock = StillClock()
    store = Shelf(clock)
    one, other = (Process(store, clock, name) for name in "ab")
    who = caller(key="k", requests_per_minute=4)
    await store.put("rpm:k", poison, 100.0)
    assert [await process.may(who) for process in (one, other, one, other, one, other)] == [True] * 4 + [False] * 2
