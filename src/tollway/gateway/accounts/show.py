"""Shows an account as JSON: everything but its tokens."""

from typing import Any

from tollway.gateway.accounts.account import Account
from tollway.kit.iso8601 import iso


def show_account(pool: str, account: Account) -> dict[str, Any]:
    """State and counts as the pool uses them."""
    return {
        "pool": pool,
        "id": account.id,
        "label": account.label,
        "state": account.state.value,
        "probation": account.probation,
        "state_changed_at": _at(account.state_changed_at),
        "cooldown_until": _at(account.cooldown_until),
        "consecutive_failures": account.consecutive_failures,
        "cooldowns": account.cooldowns,
        "revoke_reason": account.revoke_reason,
        "token_expires_at": _at(account.expires_at),
        "generation": account.generation,
        "account_id": account.account_id,
        "organization_id": account.organization_id,
        "email": account.email,
        "plan": account.plan,
    }


def _at(moment: int) -> str | None:
    return iso(moment / 1000) if moment else None
