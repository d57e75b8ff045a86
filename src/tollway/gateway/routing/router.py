"""From a model to an ordered plan of channels: by priority, then strategy, then the fallback models."""

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from tollway.core.errors import BadRequest, Forbidden, NoChannelAnswered, RateLimited
from tollway.core.groups import DEFAULT
from tollway.core.ids import ModelId
from tollway.core.model import Channel, Model
from tollway.gateway.provider import Provider
from tollway.gateway.routing.affinity import Bond, Bonds
from tollway.gateway.routing.candidate import candidate_of, patient
from tollway.gateway.routing.chain import chain_of
from tollway.gateway.routing.complexity import Wish
from tollway.gateway.routing.observations import Seen, Signals
from tollway.gateway.routing.plan import Candidate, Facts, Lineup, Plan, facts_of, prompts_of
from tollway.gateway.routing.question import Question
from tollway.gateway.routing.route import Route, route_of
from tollway.gateway.routing.strategy import Strategy, arranged
from tollway.gateway.routing.tier import Tier

FOR_AUTO = chain_of("by_complexity,cheapest")


class Ways(NamedTuple):
    """All that may answer for one model."""

    tiers: Sequence[Tier]
    chain: Sequence[Strategy]
    facts: Facts
    remembers: bool
    """Some strategy of the chain goes by where earlier prompts were answered."""
    is_plain: bool
    """One tier, and nobody in it states limits."""


class Router:
    """Holds the candidates of every model; immutable but for the signals it reads."""

    def __init__(
        self,
        models: Iterable[Model],
        channels: Iterable[Channel],
        providers: Mapping[str, Provider],
        signals: Signals | None = None,
        group: str = DEFAULT,
    ) -> None:
        """`group`: of the callers it routes. Raises ValueError naming a model whose strategy is none."""
        self.signals = signals or Signals()
        self.group = group
        self.health = self.signals.health
        self._channels = tuple(one for one in channels if one.provider in providers and not one.advanced_routes)
        self._providers = providers
        known = {model.id: model for model in models}
        own = {model.id: self._own_tiers(model) for model in known.values()}
        self._ways = {model.id: self._all_ways(model, own) for model in known.values() if own[model.id]}
        self._fixed = {
            name: Plan(known[name], tuple(tier.every[0] for tier in ways.tiers), ways.facts)
            for name, ways in self._ways.items()
            if all(len(tier.every) == 1 for tier in ways.tiers)
        }

    def serves(self, model: ModelId) -> bool:
        """Whether any channel, fallbacks included, could answer for this model."""
        return model in self._ways

    @property
    def candidates(self) -> Iterator[Candidate]:
        """Every way to every model, fallbacks not counted."""
        for name, ways in self._ways.items():
            yield from (one for tier in ways.tiers for one in tier.every if one.model.id == name)

    def plan(self, model: Model, call_id: str, now_s: float, asked: Question | None = None) -> Plan:
        """The plan of one call.

        Within a tier the order is the strategy's; the same call id gives the same order where chance decides. Raises
        NoChannelAnswered when nothing serves the model, RateLimited when every channel is cooling down, BadRequest or
        Forbidden when the call asks for a route there is not or that its caller may not choose.
        """
        route = route_of(asked) if asked is not None else None
        bonds = self.signals.bonds
        if bonds is not None and asked is not None and (route is None or not route.channel):
            bond = bonds.find(asked, model.id, self.group, now_s)
            if bond is not None:
                return self._bonded(bonds, bond, self._planned(model, call_id, now_s, asked, route), now_s)
        return self._planned(model, call_id, now_s, asked, route)

    def _planned(self, model: Model, call_id: str, now_s: float, asked: Question | None, route: Route | None) -> Plan:
        """By the strategies."""
        if self.health.all_well and (route is None or not route.channel):
            fixed = self._fixed.get(model.id)
            if fixed is not None:
                return fixed
        ways = self.ways(model)
        if route is not None and route.channel:
            return self._pinned(model, route, ways)
        if not ways.tiers:
            raise NoChannelAnswered(())
        chain, remembers = ways.chain, ways.remembers
        if route is not None:
            chain, remembers = route.chain, any(strategy.remembers for strategy in route.chain)
        seen = Seen(self.signals, call_id, now_s, asked)
        if ways.is_plain:
            order = self._of(ways.tiers[0], chain, seen, now_s)
        else:
            order = self.ordered(ways.tiers, chain, seen, now_s)
        first = next(order, None)
        if first is None:
            every = [one for tier in ways.tiers for one in tier.every]
            return Plan(model, self._last_resort(every, now_s), ways.facts)
        return Plan(model, Lineup([first], order), ways.facts, seen.answered if remembers else None)

    def beside(self, signals: Signals) -> "Router":
        """This router, going by other signals."""
        other = copy.copy(self)
        other.signals = signals
        return other

    def ways(self, model: Model) -> Ways:
        """All that may answer for a model."""
        ways = self._ways.get(model.id)
        if ways is None:  # a local engine's model without a row of its own
            ways = self._all_ways(model, {model.id: self._own_tiers(model)})
        return ways

    def ordered(
        self, tiers: Sequence[Tier], chain: Sequence[Strategy], seen: Seen, now_s: float
    ) -> Iterator[Candidate]:
        """Every candidate that can be used, tier by tier, in the order of the chain, but those that are full."""
        for tier in tiers:
            for one in self._of(tier, chain, seen, now_s):
                if not one.limited or self.has_room(one, now_s):
                    yield one

    def _of(self, tier: Tier, chain: Sequence[Strategy], seen: Seen, now_s: float) -> Iterator[Candidate]:
        """The candidates of one tier that are well, in the order of the chain."""
        ready = tier.look(self.health, now_s)
        if len(ready) < 2:
            return iter(ready)
        seen.enter(tier)
        order = arranged(ready, chain, seen)
        return self.signals.turns.arranged(order, ready, seen.caller, now_s) if tier.has_turns else order

    def last_resort(self, model: Model, now_s: float) -> Plan:
        """For a caller who may use nothing but channels of the model itself, none of which is well.

        Raises RateLimited when all of them were told to wait.
        """
        ways = self.ways(model)
        own = [one for tier in ways.tiers for one in tier.every if one.model.id == model.id]
        return Plan(model, self._last_resort(own, now_s), facts_of((model,), ways.facts.prompts))

    def _last_resort(self, every: Sequence[Candidate], now_s: float) -> Sequence[Candidate]:
        """When every circuit is open, one may have recovered unseen: all are tried but those told to wait (429), and
        those that are full. Raises RateLimited when nothing is left."""
        left = [one for one in self.health.ready(every, now_s) if self.has_room(one, now_s)]
        if left:
            return left
        rests = [self.health.rests_until(one) - now_s for one in every]
        why = "is cooling down" if min(rests, default=0.0) > 0 else "has as much to do as it may"
        limits = self.signals.limits
        fulls = [limits.wait_s(one, now_s) if limits is not None and one.limited else 0.0 for one in every]
        wait_s = min((max(rest, full) for rest, full in zip(rests, fulls, strict=True)), default=0.0)
        raise RateLimited(f"every channel for this model {why}", retry_after_s=max(1.0, wait_s))

    def has_room(self, one: Candidate, now_s: float) -> bool:
        """Whether its own limits, if it has any, let it take one more call."""
        limits = self.signals.limits
        return limits is None or not one.limited or limits.headroom(one, now_s) > 0

    def switched_off(self, model: Model) -> list[Candidate]:
        """What could serve the model if its channel were not switched off."""
        return [
            candidate_of(channel, self._providers[channel.provider], model, upstream, lane)
            for channel in self._channels
            if not channel.enabled and (upstream := channel.name_of(model))
            for lane in channel.lanes
        ]

    def for_auto(self, models: Sequence[Model]) -> Sequence[Model]:
        """Those the auto router may choose: what some channel leads out of this process for; where there is no such
        channel at all, the echo model, so that a bare gateway answers, too."""
        bought = [model for model in models if any(not one.provider.inside for one in self._every(model))]
        return bought or [model for model in models if self.serves(model.id)]

    def _every(self, model: Model) -> Iterator[Candidate]:
        return (one for tier in self.ways(model).tiers for one in tier.every)

    def dearest(self, model: Model, input_tokens: int, output_tokens: int) -> int:
        """Nano-dollars that so many tokens cost at most."""
        per_in, per_out = self.ways(model).facts.dearest
        return input_tokens * per_in + output_tokens * per_out

    def best_for(self, wish: Wish, models: Iterable[Model], asked: Question, now_s: float) -> Model | None:
        """The model that suits a question best, of those that some channel could answer for now; the cheaper of two
        that suit it alike."""
        pool: list[Candidate] = []
        for model in models:
            for tier in self.ways(model).tiers:
                ready = [one for one in tier.look(self.health, now_s) if one.model.id == model.id]
                pool += ready[:1]
                if ready:
                    break
        seen = Seen(self.signals, asked.id, now_s, asked)
        seen.wants(wish)
        best = next(arranged(pool, FOR_AUTO, seen), None) if pool else None
        return best.model if best is not None else None

    def _bonded(self, bonds: Bonds, bond: Bond, plan: Plan, now_s: float) -> Plan:
        """The plan with the channel first that has answered the conversation before, while it can be used."""
        if bond.lane is not None:
            every = (one for tier in self.ways(plan.model).tiers for one in tier.every)
            his = next((one for one in every if one.lane == bond.lane and one.model is plan.model), None)
            if his is None:
                bond = bonds.lost(bond)
            elif self.health.usable(his, now_s) and self.has_room(his, now_s):
                rest = iter(()) if bond.is_exclusive else (one for one in plan.candidates if one is not his)
                plan = Plan(plan.model, Lineup([his], rest), plan.facts, plan.answered)
        noted = plan.answered

        def answered(one: Candidate) -> None:
            if noted is not None:
                noted(one)
            bonds.answered(bond, one.lane, now_s)

        return Plan(plan.model, plan.candidates, plan.facts, answered, shape=bond.rule.shape)

    def _pinned(self, model: Model, route: Route, ways: Ways) -> Plan:
        """Only that channel, well or not: whoever pins wants to know.

        Raises BadRequest when it does not serve the model, Forbidden when it is switched off.
        """
        found = [one for tier in ways.tiers for one in tier.every if one.channel.id == route.channel]
        found = [one for one in found if one.model is model]
        if not found:
            name = repr(route.channel[:100])
            if any(channel.id == route.channel and not channel.enabled for channel in self._channels):
                raise Forbidden(f"the channel {name} is switched off", field=route.field)
            raise BadRequest(f"no channel {name} serves the model {model.id}", field=route.field)
        return Plan(model, tuple(found), ways.facts)

    # -- building ----------------------------------------------------------------------------------------------

    def _own_tiers(self, model: Model) -> list[Tier]:
        """By priority; within one, those of weight 0 come after all others, whatever the strategy."""
        found: dict[tuple[int, bool], list[Candidate]] = {}
        for channel in self._channels:
            upstream = channel.name_of(model)
            if upstream and model.enabled and channel.enabled and self._providers[channel.provider].asked_for(model):
                rank = channel.priority if self.signals.rules.tiers else 0, channel.weight > 0
                as_here = patient(channel, model)
                found.setdefault(rank, []).extend(
                    candidate_of(as_here, self._providers[channel.provider], model, upstream, lane)
                    for lane in channel.lanes
                )
        return [Tier(f"{model.id} {at}", found[rank]) for at, rank in enumerate(sorted(found, reverse=True))]

    def _all_ways(self, model: Model, own: Mapping[ModelId, list[Tier]]) -> Ways:
        """The model's own tiers, then those of each fallback model: one hop, never a fallback's fallback."""
        tiers = own[model.id] + [tier for name in model.fallbacks for tier in own.get(name, ())]
        every = [one for tier in tiers for one in tier.every]
        facts = facts_of((one.model for one in every), prompts_of(every))
        chain = self._chain(model)
        is_plain = len(tiers) == 1 and not any(one.limited for one in tiers[0].every)
        return Ways(tiers, chain, facts, any(strategy.remembers for strategy in chain), is_plain)

    def _chain(self, model: Model) -> Sequence[Strategy]:
        try:
            return chain_of(model.strategy or self.signals.rules.strategy)
        except ValueError as error:
            raise ValueError(f"{model.id}: strategy: {error}") from error
