"""Who guesses keys at several gateways is shut out of all of them."""

import msgspec
import pytest

from tests.gateway.ledger.books import StillClock
from tollway.backends.memory.shelf import Shelf
from tollway.core.errors import Unavailable
from tollway.gateway.auth.lockout import IpLocked, Lockout, LockoutRule
from tollway.gateway.auth.neighbours import SHUT_OUT, Neighbours

PEER, OTHER = "203.0.113.7", "203.0.113.8"


class Fickle(Shelf):
    """A store that is away when the test says so."""

    away = False

    async def add(self, name: str, by: int, ttl_s: float) -> int:
        if self.away:
            raise Unavailable("the shared store cannot be reached")
        return await super().add(name, by, ttl_s)


class Gates:
    """Three gateways that share a store."""

    def __init__(self, rule: LockoutRule | None = None) -> None:
        self.clock = StillClock()
        self.store = Fickle(self.clock)
        self.lockouts = [Lockout(rule or LockoutRule()) for _ in range(3)]
        self._neighbours = [Neighbours(lockout, self.store, self.clock) for lockout in self.lockouts]

    def fail(self, gate: int, times: int = 1, peer: str = PEER) -> None:
        for _ in range(times):
            self.lockouts[gate].failed(peer, self.clock.monotonic_s())

    async def round(self) -> None:
        for neighbour in self._neighbours:
            await neighbour.round()

    def shut(self, peer: str = PEER) -> list[bool]:
        return [lockout.locked(peer, self.clock.monotonic_s()) for lockout in self.lockouts]


async def test_ten_bad_keys_at_three_gateways_shut_all_three_for_a_quarter_of_an_hour() -> None:
    gates = Gates()
    for gate, times in ((0, 3), (1, 3), (2, 3)):
        gates.fail(gate, times)
    await gates.round()
    assert gates.shut() == [False] * 3
    gates.fail(1)
    await gates.round()
    await gates.round()
    assert gates.shut() == [True] * 3
    assert gates.shut(OTHER) == [False] * 3
    gates.clock.at_s += 890
    await gates.round()
    with pytest.raises(IpLocked) as refused:
        gates.lockouts[0].check(PEER, gates.clock.monotonic_s())
    assert 0 < (refused.value.retry_after_s or 0) <= 11
    gates.clock.at_s += 12
    await gates.round()
    assert gates.shut() == [False] * 3


async def test_an_address_shut_out_by_one_alone_is_shut_out_by_all() -> None:
    gates = Gates()
    gates.fail(2, 10)
    assert gates.shut() == [False, False, True]
    await gates.round()
    await gates.round()
    assert gates.shut() == [True] * 3


async def test_bad_keys_more_than_five_minutes_apart_shut_nobody_out() -> None:
    gates = Gates()
    for _ in range(5):
        gates.fail(0, 3)
        await gates.round()
        gates.clock.at_s += 301
    assert gates.shut() == [False] * 3


async def test_what_could_not_be_told_is_told_when_the_store_is_back() -> None:
    gates = Gates()
    gates.fail(0, 5)
    gates.store.away = True
    with pytest.raises(Unavailable):
        await gates.round()
    gates.store.away = False
    gates.fail(1, 5)
    await gates.round()
    await gates.round()
    assert gates.shut() == [True] * 3


async def test_where_nobody_is_shut_out_nothing_is_told() -> None:
    gates = Gates(LockoutRule(failures=0))
    gates.fail(0, 50)
    await gates.round()
    assert len(gates.store) == 0


@pytest.mark.parametrize(
    "rubbish", [b"", b"\xff\xfe", b"\x81\xa1", b"\x80" * 300_000, msgspec.msgpack.encode({OTHER: 1e300, "x": -1e300})]
)
async def test_a_torn_poisoned_or_huge_list_shuts_nobody_out_and_is_written_anew(rubbish: bytes) -> None:
    gates = Gates()
    await gates.store.put(SHUT_OUT, rubbish, 900.0)
    await gates.store.put(f"authfail:{PEER}", b"many", 900.0)
    await gates.round()
    assert gates.shut(OTHER) == [False] * 3
    gates.fail(0, 10)
    for _ in range(2):
        await gates.round()
    assert gates.shut() == [True] * 3


async def test_nobody_is_shut_out_longer_than_the_rule_whatever_a_list_says() -> None:
    gates = Gates()
    await gates.store.put(SHUT_OUT, msgspec.msgpack.encode({OTHER: gates.clock.now_s() + 4000.0}), 900.0)
    await gates.round()
    assert gates.shut(OTHER) == [True] * 3
    gates.clock.at_s += LockoutRule().locked_s
    await gates.round()
    assert gates.shut(OTHER) == [False] * 3
