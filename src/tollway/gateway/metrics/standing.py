"""How the rooms of a gateway stand at one moment, in plain numbers: what a scrape shows beside the calls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class CircuitNow(NamedTuple):
    """One circuit that something is known of."""

    channel: str
    provider: str
    state: int
    """0 closed, 1 half-open, 2 open."""
    success: float
    """Moving average of good answers, 0 to 1."""


class Opened(NamedTuple):
    """Where a circuit opened, and why."""

    channel: str
    provider: str
    key: str
    """Which of the channel's keys; empty where it has one."""
    reason: str


class BooksNow(NamedTuple):
    """The ledger of this process. Money is in nano-dollars."""

    open_holds: int
    waiting: int
    """Ended calls that the database does not have yet."""
    oldest_s: float
    """For how long the first of them has waited."""
    unrecorded: int
    """Ended calls that the journal could not take."""
    broken: bool
    leases: int
    free: int
    held: int


class HedgesNow(NamedTuple):
    """What hedging came to so far."""

    sent: int
    won: int


class AccountNow(NamedTuple):
    """One account of a pool."""

    pool: str
    account: str
    state: str
    expires_at_s: float


class EngineNow(NamedTuple):
    """One local engine."""

    channel: str
    provider: str
    running: int
    waiting: int
    kv_used: float | None
    telling: bool


class Spender(NamedTuple):
    """A user who is among those who cost most today."""

    user: str
    plan: str
    cost: int
    """Nano-dollars that providers take for his calls."""


class UsersNow(NamedTuple):
    """The users of the whole hub, as the database knows them."""

    total: int
    daily: int
    monthly: int
    spenders: Sequence[Spender] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything."""

    books: BooksNow
    database_connected: bool
    circuits: Sequence[CircuitNow] = ()
    opened: Mapping[Opened, int] = field(default_factory=dict)
    providers: Mapping[str, str] = field(default_factory=dict)
    """Every channel's provider, those without any circuit, too."""
    bonds: Mapping[str, int] = field(default_factory=dict)
    """Conversations that stay with a channel, by provider."""
    hedges: HedgesNow | None = None
    accounts: Sequence[AccountNow] = ()
    refreshes: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """By pool and what came of them."""
    engines: Sequence[EngineNow] = ()
    users: UsersNow | None = None
    """None: the database has not told yet."""
