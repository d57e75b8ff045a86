"""What one process knows of an account: the credit it has leased, and how much more to ask for."""

import asyncio
from typing import NamedTuple

from tollway.core.ids import LeaseId, UserId
from tollway.core.money import NanoUsd

CALLS_AHEAD = 8
SECONDS_AHEAD = 30.0
MOST = 50_000_000_000
"""Nano-dollars (50 dollars) that are asked for ahead of need."""


class Rules(NamedTuple):
    """How the books are kept."""

    sync: bool = False
    """A call's last byte waits until its receipt is in the database."""
    flush_s: float = 0.1
    """Ended calls are written together, once in so many seconds at most."""
    lease_s: float = 60.0
    """A lease that is not renewed for so long may be taken away by anybody."""
    sweep_s: float = 30.0
    """Between two looks for leases nobody renews."""

    @property
    def trust_s(self) -> float:
        """So long after the last renewal we draw on a lease; the rest is for the difference of two clocks."""
        return self.lease_s * 5 / 6

    @property
    def renew_s(self) -> float:
        """Between two renewals."""
        return self.lease_s / 3

    @property
    def idle_s(self) -> float:
        """A lease nobody drew on for so long is given back."""
        return self.lease_s / 2

    @property
    def tend_s(self) -> float:
        """Between two looks at what is due."""
        return min(5.0, self.lease_s / 12)


class Lease:
    """Credit taken out of the user's accounts for this process to spend."""

    __slots__ = ("fence", "free", "held", "id", "trusted_until_s", "unwritten", "used_at_s")

    def __init__(self, id: LeaseId, fence: int, now_s: float, trusted_until_s: float) -> None:
        self.id, self.fence = id, fence
        self.free = 0
        """Nano-dollars that a hold may be drawn from."""
        self.held = 0
        """Nano-dollars in open holds."""
        self.unwritten = 0
        """Ended calls that the database does not know yet."""
        self.trusted_until_s, self.used_at_s = trusted_until_s, now_s

    @property
    def quiet(self) -> bool:
        """Nothing is in flight that could still draw on it."""
        return not self.held and not self.unwritten


class Account:
    """One user's credit as this process sees it."""

    __slots__ = ("answered", "asked", "asked_at_s", "lease", "request", "rest", "spent", "user", "waiting")

    def __init__(self, user: UserId, now_s: float) -> None:
        self.user = user
        self.lease: Lease | None = None
        self.rest = 0
        """What the user's own accounts held when we last asked."""
        self.request: asyncio.Task[None] | None = None
        """The one movement of credit in flight between the database and the lease."""
        self.asked = self.answered = 0
        self.waiting = 0
        """Ceilings of the calls that wait for credit, together."""
        self.spent, self.asked_at_s = 0, now_s
        """Charged since we last asked, and when that was."""

    @property
    def left(self) -> NanoUsd:
        """What could still be held."""
        return NanoUsd(self.rest + (self.lease.free if self.lease else 0))

    def want(self, ceiling: int, now_s: float) -> int:
        """How much to lease ahead: some calls more, half a minute at the recent rate, or as much again as is held."""
        rate = self.spent / max(1.0, now_s - self.asked_at_s)
        held = self.lease.held if self.lease else 0
        return min(MOST, max(CALLS_AHEAD * ceiling, int(rate * SECONDS_AHEAD), held))
