"""The tables of tollway.toml: what may stand in each, its unit and what it is when nobody says."""

from typing import Annotated, Literal

import msgspec

from tollway.core.caller import KeyLimits

Positive = Annotated[float, msgspec.Meta(gt=0)]
Count = Annotated[int, msgspec.Meta(ge=0)]
AtLeastOne = Annotated[int, msgspec.Meta(ge=1)]


class Server(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[server]`: where and how to serve; in the environment `TOLLWAY_PORT` and so on."""

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8080
    """0: the system chooses one."""
    data_dir: str = ""
    """Empty: `tollway` in the user's data folder (XDG)."""
    database_url: str = ""
    """Empty: SQLite in the data folder."""
    shared_url: Annotated[str, msgspec.Meta(pattern=r"^(memory|redis|rediss)://")] = "memory://"
    """Where gateways share counts and rests of channels: `redis://host:6379/0`; `memory://`: each for itself."""
    shared_failure: Literal["reject", "allow"] = "reject"
    """What becomes of calls while that store is away: `reject` (503, so that no limit is passed by), or `allow` (each
    gateway counts for itself)."""
    front: Literal["http1", "asgi"] = "http1"
    drain_s: Annotated[float, msgspec.Meta(ge=0)] = 30.0
    """How long calls in flight may go on after SIGTERM."""
    heartbeat_s: Positive = 15.0
    """Silence on a stream after which the caller gets a sign of life."""
    default_model: str = ""
    """Answers requests that name no model; empty: the auto router chooses by what they ask."""
    tls_cert: str = ""
    tls_key: str = ""
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    def __repr__(self) -> str:
        """Without the URLs, which may hold a password."""
        return f"Server({self.host}:{self.port})"


class Upstream(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[upstream]`: the wire to providers; a channel may state its own timeouts."""

    connect_timeout_s: Positive = 10.0
    first_byte_timeout_s: Positive = 60.0
    idle_timeout_s: Positive = 120.0
    total_timeout_s: Positive = 600.0
    max_idle_per_origin: Count = 200
    max_per_origin: Annotated[int, msgspec.Meta(gt=0)] = 1000
    idle_max_age_s: Positive = 50.0
    drain_s: Annotated[float, msgspec.Meta(ge=0)] = 30.0
    """How long an answer whose caller left is read on, where its provider bills it all the same; 0: not at all."""
    drain_tokens: Count = 16_384
    """Output tokens after which it is read on no more."""


class Keys(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[keys]`: what a new API key gets when nobody says otherwise, and who presents too many bad ones."""

    requests_per_minute: AtLeastOne | None = None
    parallel_calls: AtLeastOne | None = None
    models: tuple[str, ...] | None = None
    days: Count = 90
    """Until it expires; 0: never."""
    first_credits: Count = 1000
    """Test credits of the key made at the first start."""
    lockout_failures: Count = 10
    """Bad keys within `lockout_within_s` that shut an address out for `lockout_locked_s`; 0: nobody is shut out."""
    lockout_within_s: Positive = 300.0
    lockout_locked_s: Positive = 900.0
    lockout_loopback_too: bool = False
    """Whether this machine itself can be shut out."""

    @property
    def limits(self) -> KeyLimits:
        """As the limits of a key."""
        return KeyLimits(self.requests_per_minute, self.parallel_calls, self.models)


class Books(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[ledger]`: how holds are leased and how ended calls reach the database."""

    durability: Literal["batch", "sync"] = "batch"
    """`sync`: a call's last byte waits until its receipt is in the database."""
    flush_ms: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 100
    """Ended calls are written together, once in so many milliseconds at most."""
    lease_s: Annotated[float, msgspec.Meta(ge=2)] = 60.0
    """A process that did not renew its leases for so long has lost them."""
    sweep_s: Positive = 30.0
    """Between two looks for what dead processes left behind."""


class Plans(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[plans]`: what users get by themselves. The plans themselves, `[plans.<name>]`, are read by billing."""

    default: str = "none"
    """The plan of users made without one."""
    sign_up_credits: Count = 500
    """Given once to a new user of a plan with a sign-up bonus."""
    referral_credits: Count = 1000
    """Given to whoever brought a newcomer."""
    claim_days: Positive = 7.0
    """How old an account may be when it claims a referral code."""


class Vault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[vault]`: the keys under which secrets, such as those of stored channels, are kept in the database."""

    key: str = ""
    """32 bytes in base64, or several of them, newest first, separated by commas: the newest seals, all open. Every host
    on one database needs the same; empty: the file."""
    file: str = ""
    """Empty: `vault.keys` in the data folder, made when it is first needed."""

    def __repr__(self) -> str:
        """Without the key."""
        return f"Vault(file={self.file!r})"


class Metrics(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[metrics]`: what is counted, and who may read it at `GET /metrics`."""

    enabled: bool = True
    model_label: Literal["full", "family"] = "full"
    """`family`: models are counted together by family, where there are very many."""
    token: str = ""
    """Who sends it as a bearer reads the metrics; empty: administrators' keys, and this machine itself, read them."""

    def __repr__(self) -> str:
        """Without the token."""
        return f"Metrics(enabled={self.enabled}, model_label={self.model_label!r})"


class Retention(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[retention]`: how long what grows is kept."""

    receipts_months: Count = 0
    """Whole months of receipts that are kept besides the present one; 0: for ever."""
