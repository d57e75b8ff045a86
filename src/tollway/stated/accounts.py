"""A pool of subscription accounts as an operator states it."""

from pathlib import Path
from typing import NamedTuple

import msgspec

from tollway.core.model import Channel
from tollway.stated.channels import AtLeastOne, Positive


class PoolRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an `[accounts.<name>]` table says of the accounts; whatever else a channel may state stands beside it."""

    token_url: str
    """Where tokens are renewed."""
    client_id: str
    file: str = ""
    """The state file; empty: `<name>_accounts.json` in the data folder."""
    query: str = ""
    """Appended to the address of every request that an account makes."""
    refresh_margin_s: Positive | None = None
    """A token that ends within this is renewed before it is used; left out: as the provider says."""
    refresh_timeout_s: Positive = 20.0
    """How long a renewal may take."""
    cooldown_s: Positive = 120.0
    """The rest after a 429 that does not say when to come back."""
    failure_threshold: AtLeastOne = 3
    """So many refusals (401, 403) in a row make a rest of `failure_cooldown_s`."""
    failure_cooldown_s: Positive = 60.0
    """The first such rest; each further one without a success between is twice as long."""
    failure_cooldown_max_s: Positive = 3600.0
    session_s: Positive = 3600.0
    """A conversation that was silent for so long may move to another account."""
    fallback_key: str = ""
    fallback_key_env: str = ""
    """Variable that holds the paid key which is used when no account is left; better than the key itself in a file."""
    fallback_base_url: str = ""
    """Where the paid key is used; empty: as the provider says."""

    def __repr__(self) -> str:
        """Without the key."""
        return f"PoolRow(token_url={self.token_url!r})"


class AccountPool(NamedTuple):
    """A pool, checked."""

    channel: Channel
    """What it looks like to the router; its id is the pool's name."""
    row: PoolRow
    file: Path
    fallback_key: str

    def __repr__(self) -> str:
        """Without the key."""
        return f"AccountPool({self.channel!r})"
