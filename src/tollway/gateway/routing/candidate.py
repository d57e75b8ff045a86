"""Works out, once, all that a call through one lane of a channel will need."""

import math
from urllib.parse import urlsplit

import msgspec

from tollway.core.model import Channel, Lane, Model, Price
from tollway.gateway.dialect import Target
from tollway.gateway.provider import Aim, Provider
from tollway.gateway.routing.advanced import routed
from tollway.gateway.routing.plan import Candidate, Cost
from tollway.gateway.shaping.headers import merged
from tollway.gateway.shaping.shape import shape_of
from tollway.kit.http1.tunnel import through


def patient(channel: Channel, model: Model) -> Channel:
    """The channel as it waits for this model's first word; the very same one for all its lanes."""
    patience_s = model.first_byte_timeout_s
    if patience_s is None or channel.own_patience:
        return channel
    return msgspec.structs.replace(channel, first_byte_timeout_s=patience_s)


def candidate_of(
    channel: Channel, provider: Provider, model: Model, upstream: str, lane: Lane | None = None
) -> Candidate:
    """Work out, once, all that a call through this lane of the channel, its first unless stated, will need.

    Raises ValueError when the provider cannot make what the model makes.
    """
    way = provider.asked_for(model)
    if way is None:
        raise ValueError(f"{provider.name} makes no vectors")
    provider = way
    through = lane or channel.lanes[0]
    if channel.route is not None:
        provider = routed(provider, channel.route, through.key)
    origin, base_path = address_of(channel, provider.bare_path)
    lines = provider.authorize(through.key) + provider.headers + channel.headers
    fixed = (
        (b"content-type", b"application/json"),
        *((name.lower().encode(), value.encode()) for name, value in lines),
    )
    shape = shape_of(channel, through.key, provider.dialect.instruct is not None)
    if shape is not None:
        fixed = merged(fixed, shape.fixed)
    whole, stream = (base_path + provider.path(Aim(upstream, is_stream)) for is_stream in (False, True))
    return Candidate(
        channel=channel,
        provider=provider,
        model=model,
        upstream_model=upstream,
        target=Target(provider.name, upstream, model.max_output, model.abilities),
        origin=origin,
        paths=(whole.encode(), stream.encode()),
        headers=fixed,
        said_by=((b"x-tollway-model", model.id.encode()), (b"x-tollway-provider", provider.name.encode())),
        lane=through.id,
        key=through.id.partition("#")[2],
        weight=channel.weight / len(channel.lanes),
        shape=shape if shape is not None and shape.is_needed else None,
        cost=cost_of(model.price, float(channel.price_factor)),
        limited=channel.is_limited,
    )


def cost_of(price: Price, factor: float) -> Cost:
    """A price card as what a token costs, without our margin: what one address is dearer by than another."""
    usual, long = price.rates, price.long_rates
    over = math.inf if price.long_context_over is None else float(price.long_context_over)
    by, by_long = factor / usual.scale, factor / long.scale
    return Cost(
        usual.input * by,
        usual.cache_read * by,
        usual.output * by,
        over,
        long.input * by_long,
        long.cache_read * by_long,
        long.output * by_long,
    )


def address_of(channel: Channel, bare_path: str = "") -> tuple[str, str]:
    """Where a channel is reached: (origin, through its proxy if it has one; path without a trailing slash)."""
    origin, path = split_base(channel.base_url, bare_path)
    return through(origin, channel.proxy), path


def split_base(base_url: str, bare_path: str = "") -> tuple[str, str]:
    """A base URL as (origin, path without a trailing slash); one without a path gets the `bare_path`."""
    parts = urlsplit(base_url)
    return f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/") or bare_path
