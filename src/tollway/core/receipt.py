"""The receipt of one call: what was tried, what was consumed, what it cost and why."""

import enum

import msgspec

from tollway.core.ids import CallId, ChannelId, KeyId, UserId
from tollway.core.money import NanoUsd
from tollway.core.usage import Usage

CUT_OFF = "another channel spoke first"
CALLER_LEFT = "the call ended before the provider had answered"
"""What an attempt's `fault` says where nothing was wrong with its channel."""


class Reason(enum.Enum):
    """How a call came to its terminal entry."""

    COMPLETED = "completed"
    CLIENT_GONE = "client_gone"
    """The caller left; charged for what was said, or what its provider billed. The note tells which."""
    UPSTREAM_CUT = "upstream_cut"
    """The provider broke off after its first word; charged for what was said."""
    EMPTY = "empty"
    """The provider answered without saying anything: free."""
    FAILED = "failed"
    """No channel answered: free."""
    EXPIRED = "expired"
    """The process died holding it: free."""


class Attempt(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One channel tried."""

    channel: ChannelId
    provider: str
    model: str
    """The upstream's own name for the model."""
    status: int
    """Upstream HTTP status; 0 when none came."""
    fault: str = ""
    """Why it was not the answer; empty for the channel that answered."""
    started_ms: int = 0
    """Milliseconds after the call began."""
    first_byte_ms: int = 0
    """Milliseconds from this attempt's start to its first byte; 0 when none came."""
    account: str = ""
    """The account that lent its credential, of a pool of accounts."""
    fallback: bool = False
    """The pool had no account left: asked with the operator's paid key."""
    why: str = ""
    """What was decided between local engines and others; told on the first attempt."""
    absorbed_nano_usd: NanoUsd = NanoUsd(0)
    """What it cost us, roughly, to ask it in vain beside another; never charged."""
    key: str = ""
    """Which of the channel's keys, by its digest; empty where it has one."""


class PriceLine(msgspec.Struct, frozen=True, gc=False):
    """One class of tokens (or pictures, or tool calls) on the bill."""

    what: str
    """`input`, `cache_read`, `cache_write_5m`, `cache_write_1h`, `image_in`, `audio_in`, `output`, `image_out`,
    `audio_out`, `images`, `tool:<name>`."""
    count: int
    usd_per_million: str
    """Provider price before margin, as a decimal string; for `images` and tools, US dollars for one."""


class Receipt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything about one call; kept for ever, written once."""

    id: CallId
    user: UserId
    key: KeyId
    reason: Reason
    surface: str
    model: str
    """Model id as sold that answered (the asked one when none did)."""
    asked: str
    """The model as the caller named it."""
    stream: bool
    started_at_s: float
    duration_ms: int
    first_byte_ms: int = 0
    attempts: tuple[Attempt, ...] = ()
    usage: Usage | None = None
    lines: tuple[PriceLine, ...] = ()
    price_version: str = ""
    hold_nano_usd: NanoUsd = NanoUsd(0)
    """At the end."""
    hold_begun_nano_usd: NanoUsd = NanoUsd(0)
    """At the start, where it grew since."""
    extensions: int = 0
    """How often it grew."""
    provider_cost_nano_usd: NanoUsd = NanoUsd(0)
    charge_nano_usd: NanoUsd = NanoUsd(0)
    overrun_nano_usd: NanoUsd = NanoUsd(0)
    """What the call cost above its hold; absorbed, never charged."""
    dropped: tuple[str, ...] = ()
    overridden: tuple[str, ...] = ()
    """Fields that an operator's override changed: of those that change what was asked, or what it costs."""
    group: str = ""
    """The group the call was made in, where its ratio is not 1 or it was not the usual one."""
    ratio: str = ""
    """What the price was multiplied with beside the margin, where it is not 1."""
    note: str = ""
    stop: str = ""
    """Why we ended the answer ourselves: `credits_exhausted`, `books_unavailable` (nobody could say whether credit is
    left), or nothing."""
