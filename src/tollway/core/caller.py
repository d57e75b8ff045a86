"""Who is asking, and what that key may do."""

import enum

import msgspec

from tollway.core.ids import KeyId, UserId


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


class Caller(msgspec.Struct, frozen=True):
    """An authenticated caller: one API key and the user whose credits it spends."""

    user: UserId
    key: KeyId
    scope: Scope = Scope.CALL
    limits: KeyLimits = KeyLimits()
    expires_at_s: float | None = None
    """Unix seconds after which the key is refused; None never expires."""
