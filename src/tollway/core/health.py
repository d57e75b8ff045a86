"""What counts as well and unwell in a channel: the rules an operator may set, with their defaults."""

from typing import Annotated

import msgspec

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Positive = Annotated[float, msgspec.Meta(gt=0)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
AtLeastOne = Annotated[int, msgspec.Meta(ge=1)]
_STATUSES = r"^( *[1-5]\d\d( *- *[1-5]\d\d)? *(,|$))*$"

KEYWORDS = (
    "your credit balance is too low",
    "this organization has been disabled.",
    "you exceeded your current quota",
    "permission denied",
    "the security token included in the request is invalid",
    "operation not allowed",
    "your account is not authorized",
)


class HealthRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[health]`: when a circuit opens, when it is tried again, and how fast a channel is expected to be."""

    alpha: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.2
    """Weight of the newest answer in the moving averages of success and of time to first byte."""
    failure_threshold: AtLeastOne = 5
    """Failures in a row that open a circuit."""
    min_availability: Share = 0.5
    """A circuit opens below this share of good answers, once `min_calls` were made within `window_s`."""
    min_calls: AtLeastOne = 20
    window_s: Positive = 60.0
    cooldown_s: Positive = 30.0
    """How long an open circuit rests before one call may try it; doubled by every trial that fails."""
    cooldown_max_s: Positive = 600.0
    rate_limit_s: Positive = 5.0
    """The rest after a 429 that does not say when to come back."""
    retry_after_max_s: Positive = 3600.0
    """The longest Retry-After that is believed."""
    target_ttfb_s: Positive = 2.0
    """A channel whose first byte comes later than this loses score."""
    keywords: tuple[str, ...] = KEYWORDS
    """Words in a provider's error, in any case of letters, that accuse the key itself."""
    keyword_failures: AtLeastOne = 3
    """So many accusations within `keyword_window_s`, from `keyword_callers` different users, disable the key."""
    keyword_callers: AtLeastOne = 2
    keyword_window_s: Positive = 600.0
    probe: bool = True
    """Ask channels whose circuit is open, once its rest is over, before a caller's call does."""
    probe_idle_s: NotNegative = 900.0
    """A channel unused for so long is asked for its list of models, where it has one; 0: never."""
    hedge: bool = False
    """Ask a second channel when the first word of a stream takes longer than is usual for its model."""
    hedge_quantile: Annotated[float, msgspec.Meta(ge=0.5, lt=1)] = 0.95
    """Longer than usual is longer than this share of first words took."""
    hedge_share: Share = 0.05
    """At most this share of extra calls."""
    drip_characters: NotNegative = 48.0
    """Fewer characters than these within `drip_s`, after its first word, and a stream is given up; 0: never."""
    drip_s: Positive = 120.0
    max_attempts: AtLeastOne = 6
    """So many channels one call may be tried at, in all."""
    retry_statuses: Annotated[str, msgspec.Meta(pattern=_STATUSES)] = ""
    """An upstream's statuses that send a call to the next channel, as in `401,403-404,500-599`; whatever else it
    answers then ends the call. Empty: each status has its own remedy."""
