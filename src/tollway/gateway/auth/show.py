"""Shows an API key to its owner: everything but the key."""

from typing import Any

from tollway.gateway.auth.budgets import show_budget
from tollway.gateway.auth.store import KeyRecord
from tollway.kit.iso8601 import iso


def show_key(key: KeyRecord, now_s: float) -> dict[str, Any]:
    """A key as its owner may see it."""
    limits = {name: value for name in key.limits.__struct_fields__ if (value := getattr(key.limits, name)) is not None}
    return {
        "key_id": key.id,
        "user_id": key.user,
        "name": key.name,
        "prefix": key.prefix,
        "scope": key.scope.value,
        "status": key.status(now_s),
        "group": key.group,
        "limits": limits,
        "budgets": [show_budget(budget) for budget in key.budgets],
        "created_at": iso(key.created_at_s),
        "expires_at": iso(key.expires_at_s),
        "last_used_at": iso(key.last_used_at_s),
    }
