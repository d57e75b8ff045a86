"""Who is asking, and what that key may do."""

import enum

import msgspec

from tollway.core.groups import DEFAULT
from tollway.core.ids import KeyId, UserId
from tollway.core.money import NanoUsd


class Scope(enum.Enum):
    """What a credential opens: calls on the owner's credits, or the whole hub."""

    CALL = "call"
    ADMIN = "admin"


class KeyLimits(msgspec.Struct, frozen=True):
    """Limits of one API key; None means no limit."""

    requests_per_minute: int | None = None
    parallel_calls: int | None = None
    models: tuple[str, ...] | None = None
    """Allowed model ids; an entry may be a glob (`gpt-*`)."""
    route: str | None = None
    """The strategy its calls are routed by, instead of the model's; of an administering key also `channel:<id>`."""
    cross_group_retry: bool | None = None
    """A call of a key of the group `auto` goes on to the next group when the first has failed."""


class Budget(msgspec.Struct, frozen=True):
    """The most that may be spent within each period."""

    amount: NanoUsd
    period: str
    """`day`, `week`, `month` or `total`."""
    tz: str = "UTC"
    """IANA name of the time zone in which days, weeks and months begin."""


class Level(msgspec.Struct, frozen=True):
    """One step of the way a call is paid through: an organisation, a user, a key, a run or a node."""

    id: str
    """`org_…`, `usr_…`, `key_…`, `run_…` or `node_…`."""
    budgets: tuple[Budget, ...]


class Payer(msgspec.Struct, frozen=True):
    """Whose credits a call spends, and through which budgets."""

    user: UserId
    levels: tuple[Level, ...] = ()
    """From the widest to the narrowest; every budget of every level must cover a hold."""
    strict: bool = False
    """Hold the worst case, whatever is usual."""


class PlanRules(msgspec.Struct, frozen=True):
    """What a user's plan lets him do."""

    name: str = "none"
    models: str = "all"
    """`all`, or `fast`: only models of the free plan."""
    requests_per_minute: int | None = None
    priority: int = 0
    """Higher is served first where callers must wait."""


NO_PLAN = PlanRules()


class Caller(msgspec.Struct, frozen=True):
    """An authenticated caller: one API key and the user whose credits it spends."""

    user: UserId
    key: KeyId
    scope: Scope = Scope.CALL
    limits: KeyLimits = KeyLimits()
    expires_at_s: float | None = None
    """Unix seconds after which the key is refused; None never expires."""
    payer: Payer = Payer(UserId(""))
    """Whose credits are spent; the user alone unless stated."""
    plan: PlanRules = NO_PLAN
    user_group: str = DEFAULT
    """The group of the user: decides what he pays in each group, and which groups he may use."""
    key_group: str = ""
    """The group the key calls in; empty: the user's own, `auto`: the first that serves the model."""

    def __post_init__(self) -> None:
        if self.payer.user != self.user:
            msgspec.structs.force_setattr(self, "payer", Payer(self.user, self.payer.levels, self.payer.strict))
