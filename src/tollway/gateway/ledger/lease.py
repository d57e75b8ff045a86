"""What one process knows of an owner's credit: what it has leased of it, and how much more to ask for."""

import asyncio
from typing import NamedTuple

from tollway.core.ids import LeaseId
from tollway.core.money import NanoUsd

CALLS_AHEAD = 8
SECONDS_AHEAD = 30.0
MOST = 50_000_000_000
"""Nano-dollars (50 dollars) that are asked for ahead of need."""
NEARLY_EMPTY = 4
"""An owner who has less than so many times what the call needs is leased from call by call."""

Draw = tuple[str, LeaseId, int]
"""What a call is paid from: the owner, the lease and its fence."""


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
    patience_s: float = 2.0
    """How long a call waits for other processes to give back what lies idle there."""
    heed_s: float = 0.5
    """Between two looks whether another process needs what lies idle here."""

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
    """So much of an owner's credit that this process may spend without asking anybody."""

    __slots__ = ("alone", "draw", "fence", "free", "held", "id", "trusted_until_s", "unwritten", "used_at_s")

    def __init__(self, draw: Draw, now_s: float) -> None:
        self.draw, self.alone = draw, (draw,)
        """What a call's record says that it draws on; and the same of a call that draws on nothing else."""
        _, self.id, self.fence = draw
        self.free = 0
        """Nano-dollars that a hold may be drawn from."""
        self.held = 0
        """Nano-dollars in open holds."""
        self.unwritten = 0
        """Ended calls that the database does not know yet."""
        self.trusted_until_s = self.used_at_s = now_s

    @property
    def quiet(self) -> bool:
        """Nothing is in flight that could still draw on it."""
        return not self.held and not self.unwritten

    def set_aside(self, amount: int, now_s: float) -> None:
        """Move so much from what is free to what is held."""
        self.free -= amount
        self.held += amount
        self.used_at_s = now_s


class Limit(NamedTuple):
    """The budget of one period that an account stands for."""

    level: str
    period: str
    """`day`, `week`, `month` or `total`."""
    amount: NanoUsd
    ends_at_s: float | None
    """Unix seconds; None: never."""


class Account:
    """One owner's credit as this process sees it: a user's, or what a budget allows in one period."""

    __slots__ = (
        "answered", "asked", "asked_at_s", "called_back_until_s", "ceiling", "elsewhere", "lease", "limit",
        "owner", "request", "rest", "spent", "strict", "waiting",
    )  # fmt: skip

    def __init__(self, owner: str, now_s: float, limit: Limit | None = None) -> None:
        self.owner, self.limit = owner, limit
        self.lease: Lease | None = None
        self.rest = 0
        """What the owner had beyond all leases when we last asked."""
        self.elsewhere = 0
        """What other processes' leases had of it then."""
        self.request: asyncio.Future[None] | None = None
        """Done when the one movement of credit is that is asked for or under way."""
        self.asked = self.answered = 0
        self.ceiling = 0
        """What the call needs for whose sake we ask."""
        self.waiting = 0
        """What the calls need together that wait for credit."""
        self.spent, self.asked_at_s = 0, now_s
        """Charged since we last asked, and when that was."""
        self.strict = False
        """Nearly empty: leased from call by call, and what a call leaves is given back at once."""
        self.called_back_until_s = 0.0
        """Until then somebody else needs what we could lease ahead."""

    @property
    def left(self) -> NanoUsd:
        """What could still be held."""
        return NanoUsd(self.rest + (self.lease.free if self.lease else 0))

    def covers(self, amount: int, now_s: float) -> bool:
        """Whether so much can be set aside here and now."""
        lease = self.lease
        return lease is not None and lease.free >= amount and now_s <= lease.trusted_until_s

    def want(self, ceiling: int, now_s: float) -> int:
        """How much to lease ahead: some calls more, half a minute at the recent rate, or as much again as is held."""
        if now_s < self.called_back_until_s:
            return 0
        rate = self.spent / max(1.0, now_s - self.asked_at_s)
        held = self.lease.held if self.lease else 0
        return min(MOST, max(CALLS_AHEAD * ceiling, int(rate * SECONDS_AHEAD), held))
