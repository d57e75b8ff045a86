"""Who shares a store with us: known by what each shows, never by comparing two hosts' clocks."""

import msgspec
import pytest

from tests.gateway.ledger.books import StillClock
from tollway.backends.memory.shelf import Shelf
from tollway.gateway.peers import GONE_S, LIST, MOST, MOST_BYTES, SAID_S, Peers


class Process:
    """One gateway, whose clock is wrong by so many seconds and began to count at another time."""

    def __init__(self, store: Shelf, name: str, off_s: float = 0.0) -> None:
        self.clock = StillClock()
        self.clock.at_s += off_s
        self.peers = Peers(store, self.clock, name)


def pass_s(seconds: float, *clocks: StillClock) -> None:
    for clock in clocks:
        clock.at_s += seconds


async def test_each_hears_the_others_and_never_itself() -> None:
    store = Shelf(StillClock())
    one, two = Process(store, "one"), Process(store, "two", off_s=-7200.0)
    for process in (one, two, one):
        await process.peers.attend()
        await process.peers.say("topic", process.peers.me.encode())
    assert (one.peers.names, two.peers.names) == (("two",), ("one",))
    assert await one.peers.hear("topic") == {"two": b"two"}
    assert await two.peers.hear("topic") == {"one": b"one"}
    assert await two.peers.hear("another topic") == {}


async def test_whoever_shows_nothing_for_a_minute_is_gone_whatever_clock_he_had() -> None:
    clock = StillClock()
    store = Shelf(clock)
    one, ahead = Process(store, "one"), Process(store, "ahead", off_s=86_400.0)
    for process in (ahead, one):
        await process.peers.attend()
    pass_s(GONE_S - 1, clock, one.clock)
    await one.peers.attend()
    assert one.peers.names == ("ahead",)
    pass_s(2, clock, one.clock)
    await one.peers.attend()
    assert one.peers.names == ()
    pass_s(20, clock, one.clock, ahead.clock)
    for process in (one, ahead, one):
        await process.peers.attend()
    assert one.peers.names == ("ahead",), "whoever was only held up is heard again"


async def test_a_word_ends_by_the_stores_own_time() -> None:
    clock = StillClock()
    store = Shelf(clock)
    one, two = Process(store, "one"), Process(store, "two")
    for process in (one, two, one):
        await process.peers.attend()
    await two.peers.say("topic", b"hello")
    pass_s(SAID_S, clock)
    assert await one.peers.hear("topic") == {}


async def test_after_the_store_has_forgotten_everything_all_find_each_other_again() -> None:
    store = Shelf(StillClock())
    one, two = Process(store, "one"), Process(store, "two")
    for process in (one, two, one):
        await process.peers.attend()
    began_s = one.peers.since_s
    await store.close()
    pass_s(5, one.clock, two.clock)
    for process in (one, two, one):
        await process.peers.attend()
    assert (one.peers.names, two.peers.names) == (("two",), ("one",))
    assert one.peers.since_s == began_s + 5


@pytest.mark.parametrize(
    "rubbish",
    [b"", b"\xff\xfe", b"\x81\xa1", msgspec.msgpack.encode({"x": "y"}), b"\x80" * (MOST_BYTES + 1), b"\xdd" * 5],
)
async def test_a_list_that_is_torn_poisoned_or_huge_is_written_anew(rubbish: bytes) -> None:
    store = Shelf(StillClock())
    one, two = Process(store, "one"), Process(store, "two")
    await store.put(LIST, rubbish, 60.0)
    for process in (one, two, one):
        await process.peers.attend()
    assert (one.peers.names, two.peers.names) == (("two",), ("one",))


async def test_no_crowd_on_the_list_makes_anybody_listen_without_end_and_no_huge_word_is_looked_at() -> None:
    store = Shelf(StillClock())
    await store.put(LIST, msgspec.msgpack.encode({f"ghost{number}": 1 for number in range(5000)}), 300.0)
    one = Process(store, "one")
    await one.peers.attend()
    assert len(one.peers.names) == MOST
    await store.put(f"topic:{one.peers.names[0]}", b"x" * (MOST_BYTES + 1), 60.0)
    assert await one.peers.hear("topic") == {}
    pass_s(GONE_S, one.clock)
    await one.peers.attend()
    assert one.peers.names == ()
