"""Everything that can go wrong, as a tree; each leaf knows its status and its remedy.

TollwayError
├── BadRequest              400  the caller's body; `field` names the place
│   └── Unsupported         400  cannot be said in the dialect of any channel left
├── Unauthenticated         401
├── Forbidden               403
├── NotFound                404
│   └── ModelNotFound       404
├── TooLarge                413
├── RateLimited             429  come back in `retry_after_s`
├── CreditsExhausted        429  says what is left and what was needed
│   └── BudgetExhausted     429  names the level and its period; come back when it begins anew
├── Fault                        one channel failed; `remedy` says what to do next
├── NoChannelAnswered       502/503/429, from the faults it carries
├── Draining                503  the gateway is stopping
├── Unavailable             503  something we stand on (the database) cannot be reached now
│   ├── OtherVault          503  a secret was sealed with keys that this host does not have
│   └── BrokenSeal          503  a sealed secret was changed since
└── Internal                500
"""

import enum
from collections.abc import Mapping, Sequence

from tollway.core.money import credits_of

AWAY_S = 2.0
"""When to come back to what cannot be reached now."""


class Remedy(enum.Enum):
    """What dispatch may do about a fault before the first word (relay.md 4.5)."""

    NONE = "none"
    """Nothing helps: tell the caller."""
    NEXT_CHANNEL = "next_channel"
    ONCE_MORE = "once_more"
    """One more try in all, on another channel if there is one, else the same."""


NO_ACCOUNT = "no_healthy_account"
"""The code of a pool that has no account left for a call; nobody was asked in vain."""


class TollwayError(Exception):
    """Root of all; `kind` is the word each dialect translates into its own error type."""

    status = 500
    kind = "internal"
    code = "internal_error"

    def __init__(self, message: str, *, field: str | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.retry_after_s = retry_after_s

    @property
    def details(self) -> dict[str, object]:
        """Extra facts for dialects whose envelope has room for them."""
        return {}


class BadRequest(TollwayError):
    """The body, path or query is wrong; `field` is a path such as `messages[2].content`."""

    status, kind, code = 400, "invalid_request", "invalid_request"


class Unsupported(BadRequest):
    """The request means something that the chosen model's dialect cannot say."""

    code = "unsupported_parameter"


class Unauthenticated(TollwayError):
    """No credential, or one that opens nothing."""

    status, kind, code = 401, "authentication", "invalid_api_key"


class Forbidden(TollwayError):
    """A good credential that may not do this."""

    status, kind, code = 403, "permission", "access_denied"


class NotFound(TollwayError):
    """No such thing."""

    status, kind, code = 404, "not_found", "not_found"


class ModelNotFound(NotFound):
    """No such model on sale."""

    code = "model_not_found"


class MethodNotAllowed(TollwayError):
    """The path exists under another method."""

    status, kind, code = 405, "invalid_request", "method_not_allowed"


class TooLarge(TollwayError):
    """The body is over the limit."""

    status, kind, code = 413, "too_large", "request_too_large"


class RateLimited(TollwayError):
    """Too many requests, or too many at once."""

    status, kind, code = 429, "rate_limited", "rate_limit_exceeded"


class CreditsExhausted(TollwayError):
    """The balance cannot cover the worst case of this call."""

    status, kind, code = 429, "credits_exhausted", "insufficient_quota"

    def __init__(self, remaining_nano_usd: int, required_nano_usd: int) -> None:
        self.remaining_nano_usd, self.required_nano_usd = remaining_nano_usd, required_nano_usd
        self.remaining, self.required = credits_of(remaining_nano_usd), credits_of(required_nano_usd)
        super().__init__(
            f"insufficient credits: this call may cost up to {self.required:g} credits and "
            f"{self.remaining:g} are left; lower max_tokens or top up"
        )

    @property
    def details(self) -> dict[str, object]:
        return {"credits_remaining": self.remaining, "credits_required": self.required}


class BudgetExhausted(CreditsExhausted):
    """A budget on the way to the credits cannot cover this call in its present period."""

    def __init__(
        self, remaining_nano_usd: int, required_nano_usd: int, level: str, period: str, ends_in_s: float | None
    ) -> None:
        super().__init__(remaining_nano_usd, required_nano_usd)
        self.level, self.period, self.retry_after_s = level, period, ends_in_s
        anew = "" if ends_in_s is None else f"; it begins anew in {ends_in_s:.0f} seconds"
        self.message = (
            f"budget exhausted: this call may cost up to {self.required:g} credits and the {period} budget of {level} "
            f"has {self.remaining:g} left{anew}"
        )
        self.args = (self.message,)

    @property
    def details(self) -> dict[str, object]:
        return {**super().details, "level": self.level, "period": self.period}


class Draining(TollwayError):
    """The gateway is stopping and takes no new calls."""

    status, kind, code = 503, "overloaded", "shutting_down"


class Unavailable(TollwayError):
    """Something we stand on, such as the database, cannot be reached now; nothing was done."""

    status, kind, code = 503, "overloaded", "unavailable"

    def __init__(self, message: str, *, retry_after_s: float = AWAY_S) -> None:
        super().__init__(message, retry_after_s=retry_after_s)


class OtherVault(Unavailable):
    """A secret was sealed with keys that this host does not have."""

    code = "other_vault"


class BrokenSeal(Unavailable):
    """A sealed secret was changed since, or sealed for something else."""

    code = "broken_seal"


class Internal(TollwayError):
    """A mistake of ours."""


class Fault(TollwayError):
    """One channel failed on one attempt."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        remedy: Remedy,
        code: str = "upstream_error",
        field: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, field=field, retry_after_s=retry_after_s)
        self.status, self.remedy, self.code = status, remedy, code
        self.kind = kind_of_status(status)
        self.verbatim: bytes | None = None
        """The provider's own error body, when the caller speaks the same dialect."""
        self.head: Mapping[bytes, bytes] = {}
        """The headers it came with."""
        self.blameless = False
        """It says nothing about how the channel is doing."""


def kind_of_status(status: int) -> str:
    """The word for an upstream's status, as every dialect's error table knows it."""
    known = {400: "invalid_request", 401: "authentication", 403: "permission", 404: "not_found"}
    known |= {413: "too_large", 422: "invalid_request", 429: "rate_limited", 503: "overloaded", 504: "timeout"}
    if status in known:
        return known[status]
    return "overloaded" if status == 529 else "upstream" if status >= 500 else "invalid_request"


class NoChannelAnswered(TollwayError):
    """Every channel of the plan failed before its first word."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        last = faults[-1] if faults else None
        limited = bool(faults) and all(fault.status == 429 for fault in faults)
        resting = bool(faults) and all(fault.code == NO_ACCOUNT for fault in faults)
        self.status = 429 if limited else 504 if last and last.status == 504 else 502 if faults and not resting else 503
        self.kind = "rate_limited" if limited else kind_of_status(self.status) if faults else "overloaded"
        self.code = "rate_limit_exceeded" if limited else "all_providers_failed" if faults else "model_not_found"
        waits = [fault.retry_after_s for fault in faults if fault.retry_after_s is not None]
        told = "; ".join(dict.fromkeys(fault.message for fault in faults)) or "no channel serves this model now"
        super().__init__(told, retry_after_s=min(waits) if waits else None)
        self.faults = tuple(faults)
