"""Asks a provider nothing, to hear whether it would answer: costs no tokens."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from tollway.core.model import Channel
from tollway.gateway.catalog import Catalog
from tollway.gateway.provider import Aim, Provider
from tollway.kit.http1.tunnel import through
from tollway.kit.http1.wire import Outbound
from tollway.ports import Upstream

_TIMEOUT_S = 8.0


class Prober:
    """`await prober(channel)`: what is wrong with the channel, empty when nothing is."""

    def __init__(self, upstream: Upstream, providers: Mapping[str, Provider], catalog: Catalog) -> None:
        self._upstream, self._providers, self._catalog = upstream, providers, catalog

    async def __call__(self, channel: Channel) -> str:
        """Send an empty question. A provider checks the key first, so a complaint about the question is good news."""
        provider = self._providers[channel.provider]
        if (
            provider.inside or provider.subscription is not None or channel.advanced_routes
        ):  # an account lends its token to calls only
            return ""
        inbound = await self._upstream.send(self._question(channel, provider))
        try:
            body = await inbound.read()
        finally:
            inbound.close()
        if inbound.status < 400:
            return ""
        fault = provider.dialect.read_error(inbound.status, dict(inbound.headers), body)
        if inbound.status in (401, 403) or "api key" in fault.message.lower():
            return f"refuses the key: {fault.message}"
        return "" if inbound.status in (400, 422) else f"answers {inbound.status}: {fault.message}"

    def _question(self, channel: Channel, provider: Provider) -> Outbound:
        bare = "" if urlsplit(channel.base_url).path else provider.bare_path
        url = urlsplit(channel.base_url + bare + provider.path(Aim(self._model(channel), False)))
        query = f"?{url.query}" if url.query else ""
        lines = (*provider.authorize(channel.key), *provider.headers, *channel.headers)
        headers = [(name.lower().encode(), value.encode()) for name, value in lines]
        return Outbound(
            origin=through(f"{url.scheme}://{url.netloc}", channel.proxy),
            target=f"{url.path}{query}".encode(),
            headers=((b"content-type", b"application/json"), *headers),
            body=b"{}",
            connect_timeout_s=_TIMEOUT_S,
            first_byte_timeout_s=_TIMEOUT_S,
            idle_timeout_s=_TIMEOUT_S,
            total_timeout_s=_TIMEOUT_S,
            max_body=1 << 20,
        )

    def _model(self, channel: Channel) -> str:
        """The name of some model at this provider, for addresses that hold one."""
        if channel.models:
            return next(iter(channel.models.values()))
        names = (model.served_by[channel.provider] for model in self._catalog if channel.provider in model.served_by)
        return next(names, "none")
