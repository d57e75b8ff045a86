"""Asks local engines which models they serve."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

import msgspec

from tollway.core.ids import ChannelId
from tollway.core.model import Channel
from tollway.gateway.catalog import Catalog
from tollway.gateway.provider import Provider
from tollway.gateway.routing.candidate import split_base
from tollway.kit.http1.wire import Outbound, UpstreamError
from tollway.ports import Upstream

log = logging.getLogger("tollway.local")
NAME_MAX = 256


class _Row(msgspec.Struct):
    id: str


class _List(msgspec.Struct):
    data: list[_Row]


class LocalEngines:
    """What each local engine said it serves when it was last heard; one that falls silent keeps its last word."""

    def __init__(
        self, catalog: Catalog, channels: Sequence[Channel], providers: Mapping[str, Provider], upstream: Upstream
    ) -> None:
        """`catalog` and `channels` are those stated, without anything an engine said."""
        self._catalog, self._every, self._providers, self._upstream = catalog, channels, providers, upstream
        self.channels = [one for one in channels if providers[one.provider].local_price and one.models is None]
        """Those whose models need no row in the catalog."""
        self.asked = asyncio.Event()
        """Set once every engine has answered or failed to."""
        self._told: dict[ChannelId, list[str]] = {}

    def sell_from(self, catalog: Catalog) -> None:
        """`catalog` replaces what was stated; what the engines said is kept."""
        self._catalog = catalog

    async def ask(self, changed: Callable[[], None]) -> None:
        """Ask all engines at once; `changed` is called for each that says something new, without awaiting others."""
        try:
            await asyncio.gather(*(self._ask(channel, changed) for channel in self.channels))
        finally:
            self.asked.set()

    async def _ask(self, channel: Channel, changed: Callable[[], None]) -> None:
        names = await served(channel, self._providers[channel.provider], self._upstream)
        if names is not None and names != self._told.get(channel.id):
            self._told[channel.id] = names
            changed()

    def on_sale(self) -> tuple[Catalog, list[Channel]]:
        """Catalog and channels as the engines say: each channel serves what its own engine lists, nothing else.

        Where no engine of a provider has said anything, any `<provider>/<name>` may be asked for, as before.
        """
        catalog, listed = self._catalog, self._listed()
        for provider, names in listed.items():
            everyone = [one for one in self._every if one.provider == provider]
            catalog = catalog.with_local(provider, names, others=any(one.id not in self._told for one in everyone))
        local = {one.id for one in self.channels}
        return catalog, [
            msgspec.structs.replace(one, models=self._models(one, listed[one.provider]))
            if one.id in local and one.provider in listed
            else one
            for one in self._every
        ]

    def _listed(self) -> dict[str, list[str]]:
        """All that the engines of each provider list; providers nobody heard of are left out."""
        listed: dict[str, list[str]] = {}
        for channel in self.channels:
            if channel.id in self._told:
                listed.setdefault(channel.provider, []).extend(self._told[channel.id])
        return listed

    def _models(self, channel: Channel, siblings: list[str]) -> dict[str, str]:
        """Model id → upstream name: the engine's own list, and rows of the catalog that no other engine lists."""
        names = self._told.get(channel.id, [])
        stated = {model.id: model.served_by.get(channel.provider, "") for model in self._catalog}
        rows = {name: up for name, up in stated.items() if up and (up in names or up not in siblings)}
        return {f"{channel.provider}/{name}": name for name in names} | rows


async def served(channel: Channel, provider: Provider, upstream: Upstream) -> list[str] | None:
    """The names in the engine's own `/models` list; None when it cannot be asked now."""
    headers = tuple((name.lower().encode(), value.encode()) for name, value in provider.authorize(channel.key))
    origin, base_path = split_base(channel.base_url)
    outbound = Outbound(
        origin,
        f"{base_path}/models".encode(),
        headers,
        b"",
        method=b"GET",
        connect_timeout_s=3.0,
        first_byte_timeout_s=5.0,
    )
    try:
        inbound = await upstream.send(outbound)
        try:
            data = await inbound.read() if inbound.status == 200 else b""
        finally:
            inbound.close()
        return [row.id for row in msgspec.json.decode(data, type=_List).data if _is_speakable(row.id)]
    except (UpstreamError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        log.info("%s does not say which models it serves: %s", channel.id, error)
        return None


def _is_speakable(name: str) -> bool:
    """A name becomes part of paths, response headers and receipts."""
    return 0 < len(name) <= NAME_MAX and name.isascii() and name.isprintable()
