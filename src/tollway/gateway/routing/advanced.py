"""From the routes of an advanced custom channel to channels as they are at one path (relay.md 3.8)."""

import re
from collections.abc import Iterable
from dataclasses import replace
from urllib.parse import quote, urlsplit

import msgspec

from tollway.core.model import Channel
from tollway.core.shape import AdvancedRoute
from tollway.gateway.provider import Aim, HeaderLines, Provider

PATTERN = "re:"
_WHOLE, _STREAM = ":generateContent", ":streamGenerateContent"


def bound(channels: Iterable[Channel], path: str) -> list[Channel]:
    """The channels that a path of ours leads to: one for each route, with the models that come first to it."""
    found = []
    for channel in channels:
        left = dict(channel.models or {})
        for route in channel.advanced_routes:
            if path not in (route.incoming, route.incoming.replace(_WHOLE, _STREAM)):
                continue
            mine = {name: upstream for name, upstream in left.items() if _serves(route, name, upstream)}
            if mine:
                left = {name: upstream for name, upstream in left.items() if name not in mine}
                found.append(_as_at(channel, route, mine))
    return found


def first_way(channel: Channel, model: str, upstream: str) -> Channel:
    """The channel as its first route for a model has it; itself where none has it."""
    for route in channel.advanced_routes:
        if _serves(route, model, upstream):
            return _as_at(channel, route, {model: upstream})
    return channel


def routed(provider: Provider, route: AdvancedRoute, key: str) -> Provider:
    """The provider as a route reaches it through a lane with this key."""
    value = route.value.replace("{api_key}", key)
    upstream = _path_of(route.upstream)

    def path(aim: Aim) -> str:
        told = upstream.replace("{model}", quote(aim.model, safe=""))
        more = []
        if aim.stream and provider.dialect.family == "gemini":
            told, more = told.replace(_WHOLE, _STREAM), ["alt=sse"] if "alt=sse" not in told else []
        if route.auth == "query":
            more.append(f"{quote(route.name, safe='')}={quote(value, safe='')}")
        return told + ("&" if "?" in told else "?") * bool(more) + "&".join(more)

    def authorize(key: str) -> HeaderLines:
        if route.auth == "usual":
            return provider.authorize(key)
        return ((route.name, value),) if route.auth == "header" else ()

    return replace(provider, name="advanced_custom", path=path, authorize=authorize, bare_path="", models_path="")


def _serves(route: AdvancedRoute, name: str, upstream: str) -> bool:
    if not route.models:
        return True
    for rule in route.models:
        if rule.startswith(PATTERN):
            if re.search(rule.removeprefix(PATTERN), name):
                return True
        elif rule in (name, upstream):
            return True
    return False


def _as_at(channel: Channel, route: AdvancedRoute, models: dict[str, str]) -> Channel:
    base_url = channel.base_url
    if not route.upstream.startswith("/"):
        parts = urlsplit(route.upstream)
        base_url = f"{parts.scheme}://{parts.netloc}"
    return msgspec.structs.replace(
        channel, provider=route.speaks, base_url=base_url, models=models, advanced_routes=(), route=route
    )


def _path_of(upstream: str) -> str:
    if upstream.startswith("/"):
        return upstream
    parts = urlsplit(upstream)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
