"""Asks local engines which models they serve."""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence

import msgspec

from tollway.core.ids import ChannelId
from tollway.core.model import Channel
from tollway.gateway.catalog import Catalog
from tollway.gateway.engine import Served
from tollway.gateway.engines.asking import ask
from tollway.gateway.provider import Provider
from tollway.kit.http1.wire import UpstreamError
from tollway.ports import Upstream

log = logging.getLogger("tollway.local")
ASK_S = 5.0


class LocalEngines:
    """What each local engine said it serves when it was last heard; one that falls silent keeps its last word."""

    def __init__(
        self, catalog: Catalog, channels: Sequence[Channel], providers: Mapping[str, Provider], upstream: Upstream
    ) -> None:
        """`catalog` and `channels` are those stated, without anything an engine said."""
        self._catalog, self._every, self._providers, self._upstream = catalog, channels, providers, upstream
        self.channels = self._local(channels)
        """Those whose models need no row in the catalog."""
        self.asked = asyncio.Event()
        """Set once every engine has answered or failed to."""
        self._told: dict[ChannelId, list[Served]] = {}

    def _local(self, channels: Sequence[Channel]) -> list[Channel]:
        return [one for one in channels if self._providers[one.provider].local_price and one.models is None]

    def sell_from(self, catalog: Catalog, channels: Sequence[Channel] | None = None) -> None:
        """`catalog` and `channels` replace those stated; what the engines said is kept."""
        self._catalog = catalog
        if channels is not None:
            self._every, self.channels = channels, self._local(channels)

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
        for provider, models in listed.items():
            everyone = [one for one in self._every if one.provider == provider]
            engine, others = self._providers[provider].engine, any(one.id not in self._told for one in everyone)
            catalog = catalog.with_local(provider, models, others, engine.usual_tag if engine is not None else "")
        local = {one.id for one in self.channels}
        return catalog, [
            msgspec.structs.replace(one, models=self._models(one, listed[one.provider]))
            if one.id in local and one.provider in listed
            else one
            for one in self._every
        ]

    def _listed(self) -> dict[str, dict[str, int | None]]:
        """All that the engines of each provider list; providers nobody heard of are left out.

        Name → context length: the shortest of the engines that say one.
        """
        listed: dict[str, dict[str, int | None]] = {}
        for channel in self.channels:
            if channel.id in self._told:
                models = listed.setdefault(channel.provider, {})
                for one in self._told[channel.id]:
                    models[one.name] = min((n for n in (one.context, models.get(one.name)) if n), default=None)
        return listed

    def _models(self, channel: Channel, siblings: Collection[str]) -> dict[str, str]:
        """Model id → upstream name: the engine's own list, and rows of the catalog that no other engine lists."""
        names = [one.name for one in self._told.get(channel.id, [])]
        stated = {model.id: model.served_by.get(channel.provider, "") for model in self._catalog}
        rows = {name: up for name, up in stated.items() if up and (up in names or up not in siblings)}
        return {f"{channel.provider}/{name}": name for name in names} | rows


async def served(channel: Channel, provider: Provider, upstream: Upstream) -> list[Served] | None:
    """What the engine's own list names; None when it cannot be asked now."""
    engine = provider.engine
    if engine is None:
        return None
    try:
        return engine.read_list(await ask(channel, provider, engine.lists, upstream, ASK_S))
    except (UpstreamError, msgspec.DecodeError, ValueError, RecursionError) as error:
        log.info("%s does not say which models it serves: %s", channel.id, error)
        return None
