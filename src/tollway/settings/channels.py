"""The channels: those the file states, and those that appear because a provider's key is at hand."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tollway.core.ids import ChannelId
from tollway.core.model import Channel
from tollway.kit.sendable import bad_base_url, bad_header, is_sendable
from tollway.kit.toml import Place
from tollway.settings.sections import ChannelRow, Upstream
from tollway.settings.sources import SettingsError, Sources

_UNSENDABLE = "the key holds characters that no header can carry"
_INHERITED = (
    *("connect_timeout_s", "first_byte_timeout_s", "idle_timeout_s", "total_timeout_s"),
    *("drain_s", "drain_tokens"),
)
"""What a channel takes from `[upstream]` unless it states its own."""


class Vendor(NamedTuple):
    """What settings must know of a provider, told by whoever discovered the plug-ins."""

    name: str
    key_env: str = ""
    base_env: str = ""
    base_url: str = ""
    needs_key: bool = True


def channels_of(sources: Sources, vendors: Sequence[Vendor], upstream: Upstream) -> tuple[Channel, ...]:
    """Stated channels, then one for each other provider whose key (or, for local engines, base URL) is at hand."""
    known = {vendor.name: vendor for vendor in vendors}
    sheet = sources.sheet
    rows = sheet.convert(sheet.values.get("channels", []), list[ChannelRow], ("channels",))
    channels: dict[str, Channel] = {}
    for at, row in enumerate(rows):
        place = ("channels", at)
        if row.provider not in known:
            raise sheet.error((*place, "provider"), f"no such provider; known are {', '.join(sorted(known))}")
        if row.id in channels or not row.id:
            raise sheet.error((*place, "id"), "must be there, and only once")
        channels[row.id] = _stated(row, place, known[row.provider], sources, upstream)
    stated = {row.provider for row in rows}
    for vendor in vendors:
        channel = _by_itself(vendor, sources.variables, upstream) if vendor.name not in stated else None
        if channel is not None:
            channels.setdefault(channel.id, channel)
    return tuple(channels.values())


def _stated(row: ChannelRow, place: Place, vendor: Vendor, sources: Sources, upstream: Upstream) -> Channel:
    error = sources.sheet.error
    variable = row.key_env or ("" if row.key else vendor.key_env)
    key = (row.key or sources.variables.get(variable, "")).strip()
    at_key = (*place, "key_env" if row.key_env else "key")
    if not key and (vendor.needs_key or row.key_env):
        raise error(at_key, f"no key: set it, or the variable {variable}")
    if not is_sendable(key):
        raise error(at_key, _UNSENDABLE)
    base_url = row.base_url or sources.variables.get(vendor.base_env, "") or vendor.base_url
    problem = bad_base_url(base_url) if base_url else "this provider has no address of its own: state one"
    if problem:
        raise error((*place, "base_url"), problem)
    for name, value in row.headers.items():
        problem = bad_header(name, value)
        if problem:
            raise error((*place, "headers", name), problem)
    models = {name: name for name in row.models} if isinstance(row.models, list) else row.models
    if models and not all(name and is_sendable(name) for name in models.values()):
        raise error((*place, "models"), "an upstream's name must be printable ASCII")
    own = {name: value for name in _INHERITED if (value := getattr(row, name)) is not None}
    return Channel(
        id=ChannelId(row.id),
        provider=row.provider,
        base_url=base_url.rstrip("/"),
        key=key,
        priority=row.priority,
        weight=row.weight,
        models=models,
        headers=tuple((name.lower(), value) for name, value in row.headers.items()),
        on_disconnect=row.on_disconnect,
        **(_inherited(upstream) | own),
    )


def _by_itself(vendor: Vendor, environ: Mapping[str, str], upstream: Upstream) -> Channel | None:
    """The channel that appears without being stated; None when its key or address is missing."""
    key = environ.get(vendor.key_env, "").strip() if vendor.key_env else ""
    moved = environ.get(vendor.base_env, "").strip() if vendor.base_env else ""
    base_url = moved or vendor.base_url
    if not base_url or (vendor.needs_key and not key):
        return None
    problem = bad_base_url(base_url)
    if problem:
        raise SettingsError(f"{vendor.base_env}: {problem}")
    if not is_sendable(key):
        raise SettingsError(f"{vendor.key_env}: {_UNSENDABLE}")
    return Channel(
        id=ChannelId(vendor.name),
        provider=vendor.name,
        base_url=base_url.rstrip("/"),
        key=key,
        **_inherited(upstream),
    )


def _inherited(upstream: Upstream) -> dict[str, Any]:
    return {name: getattr(upstream, name) for name in _INHERITED}
