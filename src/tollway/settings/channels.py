"""The channels: those the file states, and those that appear because a provider's key is at hand."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tollway.core.ids import ChannelId
from tollway.core.model import Channel
from tollway.kit.sendable import is_sendable
from tollway.kit.toml import Place
from tollway.settings.addresses import addresses
from tollway.settings.sections import Upstream
from tollway.settings.sources import SettingsError, Sources
from tollway.stated.channels import INHERITED, UNSENDABLE, ChannelRow, channel_of
from tollway.stated.wrong import Wrong


class Vendor(NamedTuple):
    """What settings must know of a provider, told by whoever discovered the plug-ins."""

    name: str
    key_env: str = ""
    base_env: str = ""
    base_url: str = ""
    needs_key: bool = True
    host_env: str = ""
    host_port: int = 0
    lends: bool = False
    """Its credentials are accounts, stated as `[accounts.<name>]`; no key makes a channel to it."""


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
        if known[row.provider].lends:
            raise sheet.error((*place, "provider"), "its credentials are accounts: state them as [accounts.<name>]")
        channels[row.id] = _stated(row, place, known[row.provider], sources, upstream)
    stated = {row.provider for row in rows}
    for vendor in vendors:
        if vendor.name not in stated:
            for channel in _by_themselves(vendor, sources.variables, upstream):
                channels.setdefault(channel.id, channel)
    return tuple(channels.values())


def _stated(row: ChannelRow, place: Place, vendor: Vendor, sources: Sources, upstream: Upstream) -> Channel:
    error = sources.sheet.error
    keys, at_key = _keys(row, vendor, sources.variables)
    if not any(keys) and (vendor.needs_key or row.key_env or row.keys_env):
        variable = row.keys_env or row.key_env or vendor.key_env
        raise error((*place, at_key), f"no key: set it, or the variable {variable}")
    base_url = row.base_url or next(iter(_addresses(vendor, sources.variables)), "")
    try:
        return channel_of(row, keys, base_url, _inherited(upstream))
    except Wrong as wrong:
        at = (at_key, *wrong.place[1:]) if wrong.place[0] in ("key", "keys") else wrong.place
        raise error((*place, *at), wrong.problem) from wrong


def _keys(row: ChannelRow, vendor: Vendor, variables: Mapping[str, str]) -> tuple[Sequence[str], str]:
    """The keys of a row and the field that states them."""
    if row.keys:
        return row.keys, "keys"
    if row.keys_env:
        listed = variables.get(row.keys_env, "").replace(",", "\n").splitlines()
        return [key for key in listed if key.strip()], "keys_env"
    variable = row.key_env or ("" if row.key else vendor.key_env)
    key = (row.key or variables.get(variable, "")).strip()
    return (key,) if key else (), "key_env" if row.key_env else "key"


def _by_themselves(vendor: Vendor, environ: Mapping[str, str], upstream: Upstream) -> list[Channel]:
    """The channels that appear without being stated, one for each address; none when key or address is missing."""
    key = environ.get(vendor.key_env, "").strip() if vendor.key_env else ""
    if vendor.needs_key and not key:
        return []
    listed = _addresses(vendor, environ)
    if listed and not is_sendable(key):
        raise SettingsError(f"{vendor.key_env}: {UNSENDABLE}")
    return [
        Channel(
            id=ChannelId(vendor.name if number == 1 else f"{vendor.name}-{number}"),
            provider=vendor.name,
            base_url=base_url,
            keys=(key,) if key else (),
            **_inherited(upstream),
        )
        for number, base_url in enumerate(listed, 1)
    ]


def _addresses(vendor: Vendor, environ: Mapping[str, str]) -> list[str]:
    host = (vendor.host_env, vendor.host_port)
    return addresses(vendor.name, vendor.base_env, host, vendor.base_url, environ)


def _inherited(upstream: Upstream) -> dict[str, Any]:
    return {name: getattr(upstream, name) for name in INHERITED}
