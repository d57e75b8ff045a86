"""Asks an engine for the pages in which it tells of itself."""

import asyncio
from collections.abc import Sequence

from tollway.core.model import Channel
from tollway.gateway.engine import Pages
from tollway.gateway.provider import Provider
from tollway.gateway.routing.candidate import address_of
from tollway.kit.http1.wire import Outbound, UpstreamError
from tollway.ports import Upstream

MOST_PAGE = 8 * 1024 * 1024
"""Bytes of a page that are read; vLLM's metrics take some hundred thousand."""


async def ask(channel: Channel, provider: Provider, paths: Sequence[str], upstream: Upstream, limit_s: float) -> Pages:
    """The pages, all asked for at once; None for one that was not answered with 200 within `limit_s` seconds.

    Raises UpstreamError when the engine answered none of them at all.
    """
    origin, base_path = address_of(channel, provider.bare_path)
    lines = provider.authorize(channel.key) + channel.headers
    headers = tuple((name.lower().encode(), value.encode()) for name, value in lines)
    root = base_path.removesuffix("/v1")
    heard = await asyncio.gather(
        *(
            _page(upstream, origin, root + path if path.startswith("/") else f"{base_path}/{path}", headers, limit_s)
            for path in paths
        ),
        return_exceptions=True,
    )
    troubles = [one for one in heard if isinstance(one, BaseException)]
    for trouble in troubles:
        if not isinstance(trouble, UpstreamError) or len(troubles) == len(heard):
            raise trouble
    return [None if isinstance(one, BaseException) else one for one in heard]


async def _page(
    upstream: Upstream, origin: str, path: str, headers: tuple[tuple[bytes, bytes], ...], limit_s: float
) -> bytes | None:
    outbound = Outbound(
        origin,
        path.encode(),
        headers,
        b"",
        method=b"GET",
        connect_timeout_s=limit_s,
        first_byte_timeout_s=limit_s,
        idle_timeout_s=limit_s,
        total_timeout_s=limit_s,
        max_body=MOST_PAGE,
    )
    inbound = await upstream.send(outbound)
    try:
        return await inbound.read() if inbound.status == 200 else None
    finally:
        inbound.close()
