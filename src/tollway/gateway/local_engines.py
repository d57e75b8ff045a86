"""Asks local engines which models they serve."""

import logging
from collections.abc import Iterable, Mapping

import msgspec

from tollway.core.model import Channel
from tollway.gateway.provider import Provider
from tollway.gateway.routing.router import split_base
from tollway.kit.http1.wire import Outbound, UpstreamError
from tollway.ports import Upstream

log = logging.getLogger("tollway.local")
NAME_MAX = 256


class _Row(msgspec.Struct):
    id: str


class _List(msgspec.Struct):
    data: list[_Row]


def local_channels(channels: Iterable[Channel], providers: Mapping[str, Provider]) -> list[Channel]:
    """The channels whose models need no row in the catalog."""
    return [one for one in channels if providers[one.provider].local_price and one.models is None]


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
