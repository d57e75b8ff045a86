"""Limits of channels that several processes send calls to: together no more, and what is free may be used anywhere."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway.ledger.books import StillClock
from tests.gateway.limits.test_lanes import Way, way
from tests.gateway.pipeline.effort import effort
from tests.valkey import Valkey
from tollway.backends.clock import SystemClock
from tollway.backends.memory.shelf import Shelf
from tollway.core.errors import Unavailable
from tollway.gateway.limits.lane_shares import AWAY_S, FROZEN_S, HOLD_S, TOPIC, LaneShares
from tollway.gateway.limits.lanes import LaneLimits, Place
from tollway.gateway.limits.stake import QUIET_S
from tollway.gateway.peers import MOST_BYTES, SAID_S, Peers
from tollway.gateway.together import open_store
from tollway.ports import KeyValue


class Process:
    """One gateway's limits; its clock began to count at another time than the others'."""

    def __init__(self, store: KeyValue, name: str) -> None:
        self.clock = StillClock()
        self.clock.at_s += 1000 * len(name) + ord(name[0])
        self.shares = LaneShares(Peers(store, self.clock, name), self.clock)
        self.limits = LaneLimits(self.shares)

    def ask(self, through: Way, tokens: int = 1) -> Place | None:
        """One call, as the router and dispatch let it through."""
        now_s = self.clock.monotonic_s()
        if self.limits.headroom(through, now_s) <= 0:
            return None
        place = self.limits.take(through, tokens, now_s)
        return place if isinstance(place, Place) else None

    def may(self, through: Way, tokens: int = 1) -> bool:
        return self.ask(through, tokens) is not None

    def wait_s(self, through: Way) -> float:
        return self.limits.wait_s(through, self.clock.monotonic_s())


async def round_of(*processes: Process, times: int = 1, later_s: float = 0.0) -> None:
    """They come to terms, one after the other; `later_s` after that on every clock."""
    for _ in range(times):
        for process in processes:
            await process.shares.round()
    for process in processes:
        process.clock.at_s += later_s


async def met(*processes: Process) -> None:
    """They know of each other, and the store's forgetting, if it was one, is long ago."""
    await round_of(*processes, times=2, later_s=HOLD_S)


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[KeyValue]:
    own: Valkey | None = request.getfixturevalue("own_valkey") if request.param == "redis" else None
    made = open_store(own.url if own is not None else "memory://", SystemClock())
    yield made
    await made.close()


def pair() -> tuple[Shelf, Process, Process]:
    store = Shelf(StillClock())
    return store, Process(store, "a"), Process(store, "b")


async def test_all_of_a_limit_may_be_used_at_one_process_and_then_nothing_at_another(store: KeyValue) -> None:
    one, other = Process(store, "a"), Process(store, "b")
    await met(one, other)
    taken = 0
    for _ in range(12):
        taken += one.may(way(rpm=10))
        await one.shares.round()
    assert taken == 10
    await other.shares.round()
    assert not other.may(way(rpm=10))
    assert 59 < other.wait_s(way(rpm=10)) <= 60


async def test_turn_by_turn_all_processes_together_never_pass_any_limit(store: KeyValue) -> None:
    processes = [Process(store, name) for name in "abc"]
    await met(*processes)
    for limits, most in (({"rpm": 10}, 10), ({"tpm": 1000}, 10), ({"parallel": 7}, 7), ({"key_rpm": 5}, 5)):
        through, taken = way("lane of " + str(limits), **limits), 0
        through = Way(msgspec.structs.replace(through.channel, id=f"of {limits}"), through.lane)
        for turn in range(60):
            taken += processes[turn % 3].may(through, tokens=100)
            await processes[turn % 3].shares.round()
        assert taken == most


async def test_a_crowd_that_comes_to_two_processes_in_the_same_moment_is_together_within_the_limit() -> None:
    _, one, other = pair()
    await met(one, other)
    through, taken = way(rpm=10), 0
    for process in (one, other) * 20:  # nobody has come to terms meanwhile
        taken += process.may(through)
    assert 6 <= taken <= 10
    for _ in range(6):
        await round_of(one, other)
        taken += sum(process.may(through) for process in (one, other) * 20)
    assert 10 <= taken <= 11, "one more for each further process"


async def test_at_worst_each_further_process_passes_a_limit_by_its_part_of_what_was_free() -> None:
    """The documented bound: others filled the channel after it had listened last."""
    _, one, other = pair()
    await met(one, other)
    through = way(rpm=12)
    taken = 0
    for _ in range(40):
        taken += one.may(through)
        await one.shares.round()
    assert taken == 12
    assert sum(other.may(through) for _ in range(40)) == 12 // 3
    await other.shares.round()
    assert not other.may(through)


async def test_a_call_that_ends_makes_room_for_the_other_process(store: KeyValue) -> None:
    one, other = Process(store, "a"), Process(store, "b")
    await met(one, other)
    through = way(parallel=1)
    place = one.ask(through)
    assert place is not None
    await round_of(one, other)
    assert not other.may(through) and other.wait_s(through) == 1.0
    place.release(1)
    await round_of(one, other, times=4)
    theirs = other.ask(through)
    assert theirs is not None and not one.may(through)
    theirs.release(1)
    await round_of(other, one, times=4)
    assert one.may(through)


async def test_what_one_process_does_not_use_another_may() -> None:
    _, one, other = pair()
    await met(one, other)
    through = way(rpm=10)
    assert one.may(through) and other.may(through)
    await round_of(one, other, later_s=QUIET_S + 0.1)
    taken = 0
    for _ in range(10):
        taken += other.may(through)
        await round_of(other, one)
    assert taken == 8
    await round_of(one, other, later_s=61)
    await round_of(one, other, times=2)
    assert one.may(through) and other.may(through)


async def test_a_large_call_goes_when_the_channel_is_idle_and_a_second_one_waits() -> None:
    _, one, other = pair()
    await met(one, other)
    through = way(tpm=1000)
    assert one.may(through, 900)
    await round_of(one, other)
    assert not other.may(through, 900)
    await round_of(one, other, later_s=61)
    await round_of(one, other)
    assert other.may(through, 5000), "larger than the limit: when nothing else is there"


async def test_alone_a_process_has_all_of_its_limits_at_once() -> None:
    process = Process(Shelf(StillClock()), "a")
    await met(process)
    assert [process.may(way(rpm=5)) for _ in range(6)] == [True] * 5 + [False]
    fresh = Process(Shelf(StillClock()), "b")  # that has not even listened yet
    assert [fresh.may(way(rpm=5)) for _ in range(6)] == [True] * 5 + [False]


async def test_what_a_dead_process_used_counts_for_its_minute_and_its_running_calls_for_seconds() -> None:
    store, dead, heir = pair()
    clock: StillClock = store._clock  # type: ignore[assignment]
    await met(dead, heir)
    through, calls = way(rpm=4), way("calls", parallel=2)
    calls = Way(msgspec.structs.replace(calls.channel, id="calls"), calls.lane)
    for _ in range(4):
        assert dead.may(through)
        dead.may(calls)
        await dead.shares.round()
    await heir.shares.round()
    assert not heir.may(through) and not heir.may(calls)
    for later_s, free in ((FROZEN_S + 1, [False, True]), (SAID_S, [True, True])):
        clock.at_s += later_s
        heir.clock.at_s += later_s
        await heir.shares.round()
        await heir.shares.round()
        assert [heir.may(one) for one in (through, calls)] == free


async def test_limits_that_an_operator_changes_hold_at_once() -> None:
    _, one, other = pair()
    await met(one, other)
    for _ in range(4):
        assert one.may(way(rpm=10))
        await round_of(one, other)
    assert not one.may(way(rpm=4)) and not other.may(way(rpm=4))
    assert one.may(way(rpm=20)) and other.may(way(rpm=20))


class Fickle(Shelf):
    """A store that is away when the test says so."""

    away = False

    async def get(self, name: str) -> bytes | None:
        if self.away:
            raise Unavailable("the shared store cannot be reached")
        return await super().get(name)


async def test_while_the_store_is_away_each_keeps_to_its_even_part_and_afterwards_all_hold_together_again() -> None:
    store = Fickle(StillClock())
    one, other = Process(store, "a"), Process(store, "b")
    await met(one, other)
    store.away = True
    for process in (one, other):
        process.shares.needed = lambda: True
        for _ in range(2):
            await process.shares.attend()
            process.clock.at_s += AWAY_S
        assert process.shares.away
        assert [process.may(way(rpm=10)) for _ in range(6)] == [True] * 5 + [False]
    store.away = False
    for process in (one, other, one):
        await process.shares.attend()
    assert not one.shares.away and not one.may(way(rpm=10)) and not other.may(way(rpm=10))


async def test_a_store_that_forgot_everything_is_told_again_before_anybody_takes_more() -> None:
    store, one, other = pair()
    await met(one, other)
    through = way(rpm=10)
    for _ in range(6):
        assert one.may(through)
        await round_of(one, other)
    await store.close()
    taken = 6
    for _ in range(8):
        await round_of(other, one)
        taken += other.may(through) + one.may(through)
    assert taken <= 10
    await round_of(one, other, times=2, later_s=HOLD_S)
    for _ in range(20):
        taken += other.may(through) + one.may(through)
        await round_of(other, one)
    assert taken == 10


def poisons() -> list[bytes]:
    """Words that no gateway of ours would say."""
    pack = msgspec.msgpack.encode
    lane = "a*all*"
    whole: bytes = pack([1, {lane: [[3, 3, 3], [1, 1, 1], False, 1.0]}])
    below = pack([1, {lane: [[-(2**60)] * 3, [-(2**60)] * 3, True, float("nan")]}])
    many = pack([1, {str(at): [[1, 1, 1], [1, 1, 1], False, 1.0] for at in range(9000)}])
    return [b"", whole[:-3], b"\xff" * 9, pack({"a": 1}), below, many, b"\x00" * (MOST_BYTES + 1), pack([1, {1: 2}])]


@pytest.mark.parametrize("poison", poisons(), ids=range(8))
async def test_torn_poisoned_and_huge_words_neither_stop_a_process_nor_give_it_more(poison: bytes) -> None:
    store, one, other = pair()
    await met(one, other)
    through = way(rpm=6)
    poison = poison.replace(b"a*all*", b"a#")
    await store.put(f"{TOPIC}:a", poison, 60.0)
    taken = 0
    for _ in range(20):
        taken += other.may(through)
        await other.shares.round()
    assert taken == 6


async def test_a_process_that_claims_more_than_there_is_keeps_the_others_out_only_as_long_as_it_says_so() -> None:
    store, one, other = pair()
    await met(one, other)
    greedy = msgspec.msgpack.encode([9, {"a#": [[2**60] * 3, [0, 0, 0], True, 0.0]}])
    await store.put(f"{TOPIC}:a", greedy, 60.0)
    await round_of(other)
    assert not other.may(way(rpm=6)) and other.wait_s(way(rpm=6)) == 1.0
    await one.shares.round()
    await one.shares._peers.say(TOPIC, msgspec.msgpack.encode([10, {}]))
    await round_of(other, times=2)
    assert other.may(way(rpm=6))


async def test_nothing_is_said_and_nobody_listened_to_where_no_channel_has_limits() -> None:
    store, one, _ = pair()
    for _ in range(3):
        await one.shares.attend()
    assert len(store) == 0
    one.shares.needed = lambda: True
    await one.shares.attend()
    assert len(store) == 2


async def test_whoever_asks_for_a_full_channel_without_end_does_not_reach_the_store_with_every_call() -> None:
    class Counting(Shelf):
        puts = 0

        async def put(self, name: str, value: bytes, ttl_s: float) -> None:
            Counting.puts += 1
            await super().put(name, value, ttl_s)

    store = Counting(StillClock())
    one, other = Process(store, "a"), Process(store, "b")
    await met(one, other)
    assert one.may(way(parallel=1))
    await round_of(one, other, times=2)
    before = Counting.puts
    for _ in range(500):
        assert not other.may(way(parallel=1))
    await round_of(other)
    assert Counting.puts <= before + 1


@effort(60)
@given(
    rpm=st.integers(1, 9),
    steps=st.lists(st.tuples(st.integers(0, 2), st.sampled_from([0, 0, 0, 0.5, 3, 30]), st.booleans()), max_size=60),
)
def test_no_minute_ever_has_more_than_the_limit_where_each_call_is_told_before_the_next(
    rpm: int, steps: list[tuple[int, float, bool]]
) -> None:
    """Whatever comes where and when, and whoever gives back meanwhile."""

    async def play() -> None:
        store = Shelf(StillClock())
        processes = [Process(store, name) for name in "abc"]
        await met(*processes)
        at_s, admitted = 0.0, list[float]()
        for number, pause_s, all_tidy in steps:
            at_s += pause_s
            for process in processes:
                process.clock.at_s += pause_s
            if all_tidy or pause_s:
                await round_of(*processes, times=2)
            if processes[number].may(way(rpm=rpm)):
                admitted.append(at_s)
                await round_of(*processes, times=2)
            assert sum(then > at_s - 60 for then in admitted) <= rpm

    asyncio.run(play())
