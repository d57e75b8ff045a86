"""One subscription account and everything that can happen to it: pure functions from account to account."""

import enum
from typing import NamedTuple

import msgspec

replace = msgspec.structs.replace
MOST_DOUBLINGS = 40


class State(enum.Enum):
    """What may be done with an account."""

    ACTIVE = "active"
    COOLDOWN = "cooldown"
    """Left alone until `cooldown_until`; then active again, on probation."""
    REVOKED = "revoked"
    """Its refresh token is no longer honoured: only an operator brings it back."""
    DISABLED = "disabled"
    """An operator took it out."""


OUT = (State.REVOKED, State.DISABLED)
"""Kept in the file, not in the pool."""


class Patience(NamedTuple):
    """How failures are borne: `[accounts.<name>]`."""

    failures: int = 3
    """So many refusals (401, 403) in a row make a cooldown."""
    refused_ms: int = 60_000
    """The first such cooldown; each further one without a success between is twice as long."""
    refused_most_ms: int = 3_600_000
    limited_ms: int = 120_000
    """The cooldown after a 429 that does not say when to come back."""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An account as the state file keeps it. Times are Unix milliseconds."""

    id: str
    label: str = ""
    access_token: str
    refresh_token: str
    expires_at: int
    """When the access token ends."""
    account_id: str = ""
    """What the vendor calls it, where its requests must name it."""
    organization_id: str = ""
    email: str = ""
    plan: str = ""
    state: State = State.ACTIVE
    state_changed_at: int = 0
    revoke_reason: str = ""
    consecutive_failures: int = 0
    cooldown_until: int = 0
    cooldowns: int = 0
    """Cooldowns for refusals since the last success: what the next one is doubled by."""
    probation: bool = False
    """Back from a cooldown and not yet proved: one call at a time."""
    generation: int = 0
    """Counts the tokens it has had, so that nobody renews what another has renewed."""

    def __repr__(self) -> str:
        """Without the tokens, so that no log can hold them."""
        return f"Account(id={self.id!r}, state={self.state.value}, generation={self.generation})"


class Grant(NamedTuple):
    """What a refresh brought."""

    access_token: str
    refresh_token: str
    """Empty: the old one goes on."""
    expires_at: int
    organization_id: str = ""
    email: str = ""


def awake(account: Account, now: int) -> Account:
    """The account as it stands now: a cooldown ends by itself, its failures forgotten, in probation."""
    if account.state is not State.COOLDOWN or account.cooldown_until > now:
        return account
    return replace(
        account,
        state=State.ACTIVE,
        state_changed_at=account.cooldown_until,
        cooldown_until=0,
        consecutive_failures=0,
        probation=True,
    )


def worked(account: Account, now: int) -> Account:
    """A call was answered: failures are forgotten. A cooldown goes on: the call had begun before it."""
    account = awake(account, now)
    if account.state is not State.ACTIVE or not (
        account.consecutive_failures or account.cooldowns or account.probation
    ):
        return account
    return replace(account, consecutive_failures=0, cooldowns=0, probation=False)


def limited(account: Account, now: int, wait_ms: int) -> Account:
    """A 429: at rest at once. A second one in the same rest never shortens it."""
    account = awake(account, now)
    if account.state in OUT:
        return account
    return _resting(account, now, now + max(wait_ms, 1), account.consecutive_failures + 1)


def refused(account: Account, now: int, patience: Patience) -> Account:
    """A 401 or 403, or a refresh that failed for the time being; what comes during a rest counts no more."""
    account = awake(account, now)
    if account.state is not State.ACTIVE:
        return account
    failures = account.consecutive_failures + 1
    if failures < patience.failures:
        return replace(account, consecutive_failures=failures)
    doublings = min(account.cooldowns, MOST_DOUBLINGS)
    wait_ms = min(patience.refused_ms * 2**doublings, max(patience.refused_most_ms, patience.refused_ms))
    return replace(_resting(account, now, now + wait_ms, failures), cooldowns=doublings + 1)


def _resting(account: Account, now: int, until: int, failures: int) -> Account:
    since = account.state_changed_at if account.state is State.COOLDOWN else now
    return replace(
        account,
        state=State.COOLDOWN,
        state_changed_at=since,
        cooldown_until=max(until, account.cooldown_until),
        consecutive_failures=failures,
        probation=False,
    )


def revoked(account: Account, now: int, reason: str) -> Account:
    """The vendor said `invalid_grant`. One that an operator disabled stays disabled."""
    if account.state is State.DISABLED:
        return account
    return replace(
        account,
        state=State.REVOKED,
        state_changed_at=now,
        revoke_reason=reason,
        cooldown_until=0,
        probation=False,
    )


def disabled(account: Account, now: int) -> Account:
    """An operator takes it out of the pool, from any state."""
    if account.state is State.DISABLED:
        return account
    return replace(account, state=State.DISABLED, state_changed_at=now, cooldown_until=0, probation=False)


def enabled(account: Account, now: int) -> Account:
    """An operator puts it (back) into the pool, from any state: nothing is held against it."""
    since = account.state_changed_at if account.state is State.ACTIVE else now
    return replace(
        account,
        state=State.ACTIVE,
        state_changed_at=since,
        revoke_reason="",
        consecutive_failures=0,
        cooldown_until=0,
        cooldowns=0,
        probation=False,
    )


def granted(account: Account, grant: Grant) -> Account:
    """New tokens; the state is not changed: only a call that is answered proves the account."""
    return replace(
        account,
        access_token=grant.access_token,
        refresh_token=grant.refresh_token or account.refresh_token,
        expires_at=grant.expires_at,
        organization_id=grant.organization_id or account.organization_id,
        email=grant.email or account.email,
        generation=account.generation + 1,
    )


def imported(old: Account | None, new: Account, now: int) -> Account:
    """What an operator brought, in place of what was known under its id."""
    if old is None:
        return enabled(replace(new, state_changed_at=now, generation=max(new.generation, 1)), now)
    kept = {
        name: getattr(new, name) or getattr(old, name)
        for name in ("label", "account_id", "organization_id", "email", "plan")
    }
    fresh = replace(
        old,
        access_token=new.access_token,
        refresh_token=new.refresh_token,
        expires_at=new.expires_at,
        generation=old.generation + 1,
        **kept,
    )
    return enabled(fresh, now)
