"""Prompt-cache breakpoints on blocks and tools, both ways."""

from typing import Any

from tollway.gateway.dialects.anthropic_messages.shape import maybe, wrong


def cache_of(holder: dict[str, Any], at: str) -> str | None:
    """The breakpoint after a block or tool: its lifetime, `5m` or `1h`."""
    control = maybe(holder, "cache_control", dict, at)
    if control is None:
        return None
    ttl = maybe(control, "ttl", str, f"{at}.cache_control") or "5m"
    if ttl not in {"5m", "1h"}:
        raise wrong(f"{at}.cache_control.ttl", "must be `5m` or `1h`")
    return ttl


def cache_control(cache: str | None) -> dict[str, Any]:
    """The breakpoint as a member to merge into a block or tool."""
    if cache is None:
        return {}
    return {"cache_control": {"type": "ephemeral", "ttl": "1h"} if cache == "1h" else {"type": "ephemeral"}}
