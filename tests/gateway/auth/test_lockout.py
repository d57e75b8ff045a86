"""Ten bad keys in five minutes lock an address for fifteen."""

import pytest

from tollway.gateway.auth.lockout import IpLocked, Lockout, LockoutRule, is_loopback, peer_group

PEER = "203.0.113.7"


def fail(lockout: Lockout, peer: str, times: int, at_s: float = 0.0, apart_s: float = 1.0) -> None:
    for number in range(times):
        lockout.failed(peer, at_s + number * apart_s)


def test_the_tenth_failure_locks_and_the_lock_ends_by_itself() -> None:
    lockout = Lockout()
    fail(lockout, PEER, 9)
    lockout.check(PEER, 9.0)
    lockout.failed(PEER, 10.0)
    with pytest.raises(IpLocked) as refused:
        lockout.check(PEER, 11.0)
    assert (refused.value.status, refused.value.code) == (429, "IP_LOCKED")
    assert refused.value.retry_after_s == pytest.approx(899.0)
    lockout.check("203.0.113.8", 11.0)
    lockout.check(PEER, 910.0)
    assert not lockout.locks
    fail(lockout, PEER, 9, at_s=911.0)
    lockout.check(PEER, 921.0)


def test_failures_spread_over_more_than_five_minutes_do_not_lock() -> None:
    lockout = Lockout()
    fail(lockout, PEER, 50, apart_s=34.0)
    lockout.check(PEER, 1701.0)


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_this_machine_is_not_locked_out_unless_asked_for(peer: str) -> None:
    lockout, strict = Lockout(), Lockout(LockoutRule(loopback_too=True))
    fail(lockout, peer, 50)
    lockout.check(peer, 51.0)
    fail(strict, peer, 10)
    with pytest.raises(IpLocked):
        strict.check(peer, 11.0)


def test_it_can_be_switched_off() -> None:
    lockout = Lockout(LockoutRule(failures=0))
    fail(lockout, PEER, 100)
    lockout.check(PEER, 101.0)


def test_all_addresses_of_one_ipv6_network_are_one_peer() -> None:
    lockout = Lockout()
    for number in range(10):
        lockout.failed(f"2001:db8:1:2::{number:x}", float(number))
    with pytest.raises(IpLocked):
        lockout.check("2001:db8:1:2:ffff::1", 10.0)
    lockout.check("2001:db8:1:3::1", 10.0)
    assert peer_group("::ffff:203.0.113.7") == PEER
    assert peer_group("fe80::1%eth0") == "fe80::/64"


@pytest.mark.parametrize("peer", ["", "unix:", "not:an:address", "a" * 1000])
def test_odd_peer_names_do_no_harm(peer: str) -> None:
    assert not is_loopback(peer)
    lockout = Lockout()
    fail(lockout, peer, 3)
    lockout.check(peer, 4.0)


def test_memory_is_bounded() -> None:
    lockout = Lockout(LockoutRule(most_peers=100))
    for number in range(1000):
        lockout.failed(f"198.51.{number // 250}.{number % 250}", float(number) / 1000)
    fail(lockout, PEER, 10, at_s=2.0, apart_s=0.0)
    assert len(lockout._failures) <= 100
    with pytest.raises(IpLocked):
        lockout.check(PEER, 3.0)
