"""From a pool as it is stated to one that lends."""

from collections.abc import Callable

from tollway.gateway.accounts.account import Account, Grant, Patience
from tollway.gateway.accounts.oauth import TokenAddress, renew
from tollway.gateway.accounts.pool import Pool, Rules
from tollway.gateway.accounts.state_file import StateFile
from tollway.gateway.provider import Subscription
from tollway.ports import Upstream
from tollway.stated.accounts import AccountPool, PoolRow

GRACE_S = 5.0
"""How much longer another process's renewal is waited for than one of our own may take."""


def patience_of(row: PoolRow) -> Patience:
    """How failures are borne."""
    return Patience(
        row.failure_threshold,
        round(row.failure_cooldown_s * 1000),
        round(row.failure_cooldown_max_s * 1000),
        round(row.cooldown_s * 1000),
    )


def open_pool(stated: AccountPool, subscription: Subscription, upstream: Upstream, now_s: Callable[[], float]) -> Pool:
    """The pool; its file is not touched before the first call. `now_s`: Unix seconds."""
    row = stated.row
    margin_s = subscription.margin_s if row.refresh_margin_s is None else row.refresh_margin_s
    address = TokenAddress(row.token_url, row.client_id, row.refresh_timeout_s, stated.channel.proxy)

    async def renewed(account: Account) -> Grant:
        return await renew(account, address, upstream, now_s())

    rules = Rules(patience_of(row), round(margin_s * 1000), row.session_s, row.refresh_timeout_s + GRACE_S)
    return Pool(stated.channel.id, StateFile(stated.file), rules, renewed, now_s)
