"""From a model to an ordered plan of channels: by priority, then strategy, then the fallback models."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from tollway.core.errors import NoChannelAnswered, RateLimited
from tollway.core.ids import ModelId
from tollway.core.model import Channel, Model
from tollway.gateway.provider import Provider
from tollway.gateway.routing import strategies
from tollway.gateway.routing.candidate import candidate_of
from tollway.gateway.routing.health import Health
from tollway.gateway.routing.observations import Seen
from tollway.gateway.routing.plan import Candidate, Facts, Lineup, Plan, facts_of, plan_of
from tollway.gateway.routing.strategy import Strategy, arranged
from tollway.gateway.routing.tier import Tier
from tollway.kit.registry import discover

STRATEGIES: Mapping[str, Strategy] = discover(strategies, "strategy", Strategy)
USUAL = (STRATEGIES["weighted"],)


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
        self._facts = {name: _facts_of(tiers) for name, tiers in self._tiers.items()}
        self._fixed = {
            name: Plan(known[name], tuple(tier.every[0] for tier in tiers), self._facts[name])
            for name, tiers in self._tiers.items()
            if tiers and all(len(tier.every) == 1 for tier in tiers)
        }

    def serves(self, model: ModelId) -> bool:
        """Whether any channel, fallbacks included, could answer for this model."""
        return bool(self._tiers.get(model))

    @property
    def candidates(self) -> Iterator[Candidate]:
        """Every way to every model, fallbacks not counted."""
        for name, tiers in self._tiers.items():
            yield from (one for tier in tiers for one in tier.every if one.model.id == name)

    def plan(self, model: Model, call_id: str, now_s: float) -> Plan:
        """The plan of one call.

        Within a tier the order is the strategy's; the same call id gives the same order where chance decides. Raises
        NoChannelAnswered when nothing serves the model, RateLimited when every channel is cooling down.
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
        order = self._ordered(tiers, Seen(call_id), now_s)
        first = next(order, None)
        if first is None:
            return self._last_resort(model, [one for tier in tiers for one in tier.every], now_s)
        return Plan(model, Lineup([first], order), self._facts.get(model.id) or _facts_of(tiers))

    def _ordered(self, tiers: Sequence[Tier], seen: Seen, now_s: float) -> Iterator[Candidate]:
        for tier in tiers:
            ready = tier.look(self.health, now_s)
            if len(ready) > 1:
                seen.enter(tier)
                yield from arranged(ready, USUAL, seen)
            else:
                yield from ready

    def last_resort(self, model: Model, now_s: float) -> Plan:
        """For a caller who may use nothing but channels of the model itself, none of which is well.

        Raises RateLimited when all of them were told to wait.
        """
        tiers = self._tiers.get(model.id) or _tiers(model, self._channels, self._providers)
        return self._last_resort(
            model, [one for tier in tiers for one in tier.every if one.model.id == model.id], now_s
        )

    def _last_resort(self, model: Model, every: Sequence[Candidate], now_s: float) -> Plan:
        """When every circuit is open, one may have recovered unseen: all are tried but those told to wait (429)."""
        left = self.health.ready(every, now_s)
        if left:
            return plan_of(model, left)
        wake_s = min((self.health.rests_until(one) for one in every), default=now_s)
        raise RateLimited("every channel for this model is cooling down", retry_after_s=max(1.0, wake_s - now_s))


def _facts_of(tiers: Iterable[Tier]) -> Facts:
    return facts_of(one.model for tier in tiers for one in tier.every)


def _tiers(model: Model, channels: Sequence[Channel], providers: Mapping[str, Provider]) -> list[Tier]:
    """By priority; within one, those of weight 0 come after all others, whatever the strategy."""
    found: dict[tuple[int, bool], list[Candidate]] = {}
    for channel in channels:
        upstream = channel.name_of(model)
        if upstream and model.enabled and channel.enabled:
            provider = providers[channel.provider]
            found.setdefault((channel.priority, channel.weight > 0), []).extend(
                candidate_of(channel, provider, model, upstream, lane) for lane in channel.lanes
            )
    return [Tier(found[rank]) for rank in sorted(found, reverse=True)]


def _with_fallbacks(model: Model, own: Mapping[ModelId, list[Tier]]) -> list[Tier]:
    """The model's own tiers, then those of each fallback model: one hop, never a fallback's fallback."""
    if not own[model.id]:
        return []
    spare = [tier for name in model.fallbacks for tier in own.get(name, [])]
    return own[model.id] + spare
