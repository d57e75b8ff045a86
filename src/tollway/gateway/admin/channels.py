"""Shows the channels and how they are, their keys masked."""

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from tollway.core.ids import ChannelId
from tollway.core.model import Channel


def show_channels(
    channels: Iterable[Channel], rests_until: Callable[[ChannelId], float], now_s: float
) -> list[dict[str, Any]]:
    """Every channel; `rests_until` and `now_s` are in monotonic seconds."""
    return [_show(channel, max(0.0, rests_until(channel.id) - now_s)) for channel in channels]


def mask(key: str) -> str:
    """Enough of a key to recognise it, too little to use it."""
    return f"{key[:3]}...{key[-4:]}" if len(key) >= 16 else "***" if key else ""


def bare_url(url: str) -> str:
    """The URL without user, password, query or fragment."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _show(channel: Channel, rests_for_s: float) -> dict[str, Any]:
    return {
        "id": channel.id,
        "provider": channel.provider,
        "base_url": bare_url(channel.base_url),
        "key": mask(channel.key),
        "priority": channel.priority,
        "weight": channel.weight,
        "models": None if channel.models is None else sorted(channel.models),
        "headers": [name for name, _ in channel.headers],
        "state": "cooling_down" if rests_for_s else "ready",
        "rests_for_s": round(rests_for_s, 3),
    }
