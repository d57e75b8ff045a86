"""The store inside the process: bounded, and honest about time."""

from tests.gateway.ledger.books import StillClock

from tollway.backends.memory.shelf import Shelf


async def test_when_it_is_full_the_oldest_is_forgotten_first() -> None:
    shelf = Shelf(StillClock(), most=2000)
    for number in range(5000):
        await shelf.put(f"name {number}", b"", 60)
    assert len(shelf) == 2000
    assert await shelf.get("name 2999") is None
    assert await shelf.get("name 3000") == b""


async def test_what_has_ended_makes_room_before_anything_else_is_forgotten() -> None:
    clock = StillClock()
    shelf = Shelf(clock, most=2000)
    await shelf.put("for long", b"", 10_000)
    for number in range(9000):
        clock.at_s += 1
        await shelf.put(f"name {number}", b"", 60)
    assert await shelf.get("for long") == b""
    assert len(shelf) <= 2000


async def test_it_ends_to_the_moment() -> None:
    clock = StillClock()
    shelf = Shelf(clock)
    await shelf.put("a", b"1", 10)
    clock.at_s += 9.99
    assert await shelf.get("a") == b"1"
    clock.at_s += 0.01
    assert await shelf.get("a") is None
