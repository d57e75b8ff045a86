"""From a model to an ordered plan of channels: by priority, then weight, then the fallback models."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from tollway.core.errors import NoChannelAnswered, RateLimited
from tollway.core.ids import ChannelId, ModelId
from tollway.core.model import Channel, Model
from tollway.gateway.provider import Provider
from tollway.gateway.routing.health import Health


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to get one model: everything about it that can be worked out before a request comes."""

    channel: Channel
    provider: Provider
    model: Model
    upstream_model: str
    origin: str
    base_path: str
    headers: tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The channels that may answer one call, in the order they will be tried."""

    model: Model
    candidates: tuple[Candidate, ...]

    @property
    def single_model(self) -> bool:
        """Whether no fallback model takes part."""
        return all(candidate.model is self.model for candidate in self.candidates)


class Router:
    """Holds the candidates of every model; immutable but for the health it reads."""

    def __init__(
        self,
        models: Iterable[Model],
        channels: Iterable[Channel],
        providers: Mapping[str, Provider],
        health: Health | None = None,
    ) -> None:
        self.health = health or Health()
        known = {model.id: model for model in models}
        self._channels = tuple(channel for channel in channels if channel.provider in providers)
        self._providers = providers
        own = {model.id: _tiers(model, self._channels, providers) for model in known.values()}
        self._plans = {model.id: _with_fallbacks(model, own) for model in known.values()}
        self._single = {
            name: Plan(known[name], tiers[0])
            for name, tiers in self._plans.items()
            if len(tiers) == 1 and len(tiers[0]) == 1
        }

    def serves(self, model: ModelId) -> bool:
        """Whether any channel, fallbacks included, could answer for this model."""
        return bool(self._plans.get(model))

    def plan(self, model: Model, call_id: str, now_s: float) -> Plan:
        """The plan of one call.

        Within a tier the order is a weighted permutation keyed by the call id, so the same call id gives the same
        order. Raises NoChannelAnswered when nothing serves the model, RateLimited when every channel is cooling down.
        """
        single = self._single.get(model.id)
        if single is not None and self.health.usable(single.candidates[0].channel.id, now_s):
            return single
        tiers = self._plans.get(model.id)
        if tiers is None:  # a local engine's model without a row of its own
            tiers = _tiers(model, self._channels, self._providers)
        if not tiers:
            raise NoChannelAnswered(())
        every = [candidate for tier in tiers for candidate in permuted(tier, call_id)]
        ready = tuple(one for one in every if self.health.usable(one.channel.id, now_s))
        if not ready:
            wake_s = min(self.health.rests_until(one.channel.id) for one in every)
            raise RateLimited("every channel for this model is cooling down", retry_after_s=max(1.0, wake_s - now_s))
        return Plan(model, ready)


def _tiers(model: Model, channels: Sequence[Channel], providers: Mapping[str, Provider]) -> list[tuple[Candidate, ...]]:
    found: dict[int, list[Candidate]] = {}
    for channel in channels:
        upstream = channel.models.get(model.id) if channel.models is not None else model.served_by.get(channel.provider)
        if upstream and model.enabled:
            found.setdefault(channel.priority, []).append(
                candidate_of(channel, providers[channel.provider], model, upstream)
            )
    return [tuple(found[priority]) for priority in sorted(found, reverse=True)]


def _with_fallbacks(model: Model, own: Mapping[ModelId, list[tuple[Candidate, ...]]]) -> list[tuple[Candidate, ...]]:
    """The model's own tiers, then those of each fallback model: one hop, never a fallback's fallback."""
    if not own[model.id]:
        return []
    spare = [tier for name in model.fallbacks for tier in own.get(name, [])]
    return own[model.id] + spare


def candidate_of(channel: Channel, provider: Provider, model: Model, upstream: str) -> Candidate:
    """Work out, once, all that a call through this channel will need."""
    origin, base_path = split_base(channel.base_url)
    lines = provider.authorize(channel.key) + provider.headers + channel.headers
    fixed = (
        (b"content-type", b"application/json"),
        *((name.lower().encode(), value.encode()) for name, value in lines),
    )
    return Candidate(
        channel=channel,
        provider=provider,
        model=model,
        upstream_model=upstream,
        origin=origin,
        base_path=base_path,
        headers=fixed,
    )


def split_base(base_url: str) -> tuple[str, str]:
    """A base URL as (origin, path without a trailing slash)."""
    parts = urlsplit(base_url)
    return f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")


def permuted(tier: Sequence[Candidate], call_id: str) -> list[Candidate]:
    """A weighted permutation keyed by the call id (Efraimidis and Spirakis 2006); weight 0 comes last."""
    if len(tier) == 1:
        return list(tier)
    return sorted(tier, key=lambda one: _lot(one.channel.id, one.channel.weight, call_id), reverse=True)


def _lot(channel: ChannelId, weight: int, call_id: str) -> float:
    digest = hashlib.blake2b(f"{call_id}:{channel}".encode(), digest_size=8).digest()
    draw = (int.from_bytes(digest, "big") + 1) / (2**64 + 1)
    return draw ** (1.0 / weight) if weight > 0 else draw - 1.0
