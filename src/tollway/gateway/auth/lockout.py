"""Shuts out a peer that guesses keys (hub.md 1.6)."""

import ipaddress
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from tollway.core.errors import RateLimited


class IpLocked(RateLimited):
    """This address presented too many bad keys."""

    code = "IP_LOCKED"


class LockoutRule(msgspec.Struct, frozen=True):
    """How many bad keys within how long shut a peer out, and for how long; `failures` 0 switches it off."""

    failures: int = 10
    within_s: float = 300.0
    locked_s: float = 900.0
    loopback_too: bool = False
    most_peers: int = 10_000
    """Peers remembered at once; the one that failed longest ago is forgotten first."""


USUAL = LockoutRule()


class Lockout:
    """Failures and locks by peer address, in memory and bounded."""

    def __init__(self, rule: LockoutRule = USUAL) -> None:
        self.rule = rule
        self.locks: dict[str, float] = {}
        """Locked peer → monotonic seconds at which it may try again. Empty nearly always."""
        self.on_failure: Callable[[str], None] | None = None
        """Told of each bad key's address."""
        self._failures: dict[str, deque[float]] = {}

    def check(self, peer: str, now_s: float) -> None:
        """Raise IpLocked while `peer` is shut out."""
        until = self.locks.get(peer_group(peer)) if self.locks else None
        if until is None:
            return
        if until > now_s:
            raise IpLocked("too many failed attempts from this address", retry_after_s=until - now_s)
        del self.locks[peer_group(peer)]

    def locked(self, peer: str, now_s: float) -> bool:
        """Whether `peer` is shut out."""
        return self.locks.get(peer_group(peer), now_s) > now_s

    def failed(self, peer: str, now_s: float) -> None:
        """Count one bad key against `peer`."""
        rule = self.rule
        if not rule.failures or not peer or (not rule.loopback_too and is_loopback(peer)):
            return
        group = peer_group(peer)
        if self.on_failure is not None:
            self.on_failure(group)
        times = self._failures.pop(group, None) or deque(maxlen=rule.failures)
        times.append(now_s)
        if len(times) == rule.failures and now_s - times[0] <= rule.within_s:
            self.shut_out(group, now_s + rule.locked_s)
            return
        _bound(self._failures, rule.most_peers)
        self._failures[group] = times

    def shut_out(self, group: str, until_s: float) -> None:
        """Lock an address, or a network, until then (monotonic seconds)."""
        if group not in self.locks:
            _bound(self.locks, self.rule.most_peers)
        self.locks[group] = max(until_s, self.locks.get(group, until_s))


def peer_group(peer: str) -> str:
    """Whom a lock hits: an IPv4 address, or the /64 an IPv6 address lives in (one host owns all of it)."""
    if ":" not in peer:
        return peer
    try:
        address = ipaddress.IPv6Address(peer.partition("%")[0])
    except ValueError:
        return peer
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))


def is_loopback(peer: str) -> bool:
    """Whether `peer` is this machine itself."""
    try:
        return ipaddress.ip_address(peer_group(peer).partition("/")[0]).is_loopback or peer == "::1"
    except ValueError:
        return False


def _bound(kept: dict[str, Any], most: int) -> None:
    if len(kept) >= most:
        del kept[next(iter(kept))]
