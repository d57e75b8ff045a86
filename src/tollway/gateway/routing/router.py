"""From a model to an ordered plan of channels: by priority, then weight, then the fallback models."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from tollway.core.errors import NoChannelAnswered, RateLimited
from tollway.core.ids import ChannelId, ModelId
from tollway.core.model import Channel, Model
from tollway.core.money import round_up_ratio
from tollway.gateway.dialect import Target
from tollway.gateway.provider import Aim, Provider
from tollway.gateway.routing.health import Health

MOST_PLANS = 4096
"""Orders of candidates remembered at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """One way to get one model: everything about it that can be worked out before a request comes."""

    channel: Channel
    provider: Provider
    model: Model
    upstream_model: str
    target: Target
    origin: str
    paths: tuple[bytes, bytes]
    """Request targets for whole answers and for streams."""
    headers: tuple[tuple[bytes, bytes], ...]
    said_by: tuple[tuple[bytes, bytes], ...]
    """Response headers that tell the caller who answered."""


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """The channels that may answer one call, in the order they will be tried."""

    model: Model
    candidates: tuple[Candidate, ...]
    able: frozenset[str]
    """What every model of the plan can do."""
    most_output: int
    """The largest output limit among the candidates' models."""
    dearest: tuple[int, int]
    """Nano-dollars that one input and one output token cost at most, margin included, rounded upward each."""
    pictured: bool = False
    """Some candidate is paid by the picture."""


def plan_of(model: Model, candidates: tuple[Candidate, ...]) -> Plan:
    """Work out what a plan's worst case rests on."""
    models = {candidate.model.id: candidate.model for candidate in candidates}.values()
    rates = [rates for each in models for rates in (each.price.rates, each.price.long_rates)]
    ins = [round_up_ratio(each.dearest_in * each.charge_numerator, each.charge_denominator) for each in rates]
    outs = [round_up_ratio(each.dearest_out * each.charge_numerator, each.charge_denominator) for each in rates]
    return Plan(
        model,
        candidates,
        frozenset.intersection(*(each.abilities for each in models)) if models else frozenset(),
        max((each.max_output for each in models), default=0),
        (max(ins, default=0), max(outs, default=0)),
        any(each.price.per_image for each in models),
    )


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
        self._tiers = {model.id: _with_fallbacks(model, own) for model in known.values()}
        self._made: dict[tuple[Candidate, ...], Plan] = {}
        self._fixed = {
            name: self._made_of(known[name], tuple(tier[0] for tier in tiers))
            for name, tiers in self._tiers.items()
            if tiers and all(len(tier) == 1 for tier in tiers)
        }

    def _made_of(self, model: Model, candidates: tuple[Candidate, ...]) -> Plan:
        plan = self._made.get(candidates)
        if plan is None:
            if len(self._made) >= MOST_PLANS:
                self._made.clear()
            plan = self._made[candidates] = plan_of(model, candidates)
        return plan

    def serves(self, model: ModelId) -> bool:
        """Whether any channel, fallbacks included, could answer for this model."""
        return bool(self._tiers.get(model))

    def plan(self, model: Model, call_id: str, now_s: float) -> Plan:
        """The plan of one call.

        Within a tier the order is a weighted permutation keyed by the call id, so the same call id gives the same
        order. Raises NoChannelAnswered when nothing serves the model, RateLimited when every channel is cooling down.
        """
        if self.health.all_well:
            fixed = self._fixed.get(model.id)
            if fixed is not None:
                return fixed
        tiers = self._tiers.get(model.id)
        if tiers is None:  # a local engine's model without a row of its own
            tiers = _tiers(model, self._channels, self._providers)
        if not tiers:
            raise NoChannelAnswered(())
        every = [candidate for tier in tiers for candidate in permuted(tier, call_id)]
        ready = tuple(one for one in every if self.health.usable(one.channel.id, now_s))
        if not ready:
            raise self._resting(every, now_s)
        return self._made_of(model, ready) if model.id in self._tiers else plan_of(model, ready)

    def resting(self, model: Model, now_s: float) -> RateLimited:
        """What to tell a caller who may use nothing but channels of the model itself, all of which rest."""
        own = (one for tier in self._tiers.get(model.id, ()) for one in tier if one.model.id == model.id)
        return self._resting(own, now_s)

    def _resting(self, candidates: Iterable[Candidate], now_s: float) -> RateLimited:
        wake_s = min((self.health.rests_until(one.channel.id) for one in candidates), default=now_s)
        return RateLimited("every channel for this model is cooling down", retry_after_s=max(1.0, wake_s - now_s))


def _tiers(model: Model, channels: Sequence[Channel], providers: Mapping[str, Provider]) -> list[tuple[Candidate, ...]]:
    found: dict[int, list[Candidate]] = {}
    for channel in channels:
        upstream = channel.name_of(model)
        if upstream and model.enabled and channel.enabled:
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
