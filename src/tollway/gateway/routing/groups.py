"""The router of each group of callers: the channels that serve it, at its prices."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal

import msgspec

from tollway.core.caller import Caller
from tollway.core.errors import Forbidden
from tollway.core.groups import AUTO, DEFAULT, ONE, Groups
from tollway.core.ids import ModelId
from tollway.core.model import Channel, Model, price_in
from tollway.gateway.provider import Provider
from tollway.gateway.routing.observations import Signals
from tollway.gateway.routing.router import Router

MOST_KEPT = 1024
"""Pairs of groups whose way is remembered."""


class UnknownGroup(Forbidden):
    """A key, or its owner, is in a group that does not exist or that he may not use."""

    code = "group_not_allowed"


class GroupWay:
    """How calls of one group are routed, and what they cost."""

    __slots__ = ("_priced", "_usual", "group", "ratio", "router")

    def __init__(self, group: str, ratio: Decimal, router: Router, priced: dict[ModelId, Model]) -> None:
        self.group, self.ratio, self.router = group, ratio, router
        self._priced = priced
        self._usual = not priced and group == DEFAULT and ratio == ONE
        """Models cost here what they cost anywhere."""

    def sold(self, model: Model) -> Model:
        """The model at this group's price."""
        if self._usual:
            return model
        return self._priced.get(model.id) or _at(model, self.group, self.ratio)


class GroupRoutes:
    """A snapshot, as the router itself is: another one is made when channels, prices or groups change.

    Where no channel serves only some groups and the usual group pays the usual price, its way is the router itself.
    """

    def __init__(
        self,
        groups: Groups,
        models: Iterable[Model],
        channels: Iterable[Channel],
        providers: Mapping[str, Provider],
        signals: Signals | None = None,
    ) -> None:
        """Raises ValueError naming a model whose strategy is none."""
        self.groups = groups
        self._models, self._channels = tuple(models), tuple(channels)
        self._providers, self._signals = providers, signals
        self.every = self._router(self._models, self._channels, DEFAULT)
        """All channels at the usual prices, whatever groups they serve: for whoever looks after channels."""
        self._by_group: dict[tuple[str, Decimal], GroupWay] = {}
        self._by_caller: dict[tuple[str, str], tuple[GroupWay, ...]] = {}

    def of(self, caller: Caller) -> tuple[GroupWay, ...]:
        """The ways a caller's calls may go, in order; usually one. Raises UnknownGroup."""
        name = caller.user_group, caller.key_group
        found = self._by_caller.get(name)
        if found is None:
            found = self._found(*name)
            if len(self._by_caller) >= MOST_KEPT:
                self._by_caller.clear()
            self._by_caller[name] = found
        return found

    def offers(self, caller: Caller) -> Callable[[ModelId], bool]:
        """Whether a model is there for the caller: not where all the channels that serve it serve other groups only.

        Raises UnknownGroup.
        """
        ways = self.of(caller)

        def offered(model: ModelId) -> bool:
            return not self.every.serves(model) or any(way.router.serves(model) for way in ways)

        return offered

    def _found(self, user_group: str, key_group: str) -> tuple[GroupWay, ...]:
        tried = self.groups.tried(user_group, key_group)
        if not tried:
            using = key_group or user_group
            if using == AUTO:
                raise UnknownGroup(f"none of the automatic groups may be used by the group {user_group[:100]!r}")
            there = "may not be used by this key" if self.groups.knows(using) else "does not exist"
            raise UnknownGroup(f"the group {using[:100]!r} {there}")
        return tuple(self._way(group, self.groups.ratio(user_group, group)) for group in tried)

    def _way(self, group: str, ratio: Decimal) -> GroupWay:
        way = self._by_group.get((group, ratio))
        if way is None:
            way = self._by_group[group, ratio] = self._made(group, ratio)
        return way

    def _router(self, models: Iterable[Model], channels: Iterable[Channel], group: str) -> Router:
        return Router(models, channels, self._providers, self._signals, group)

    def _made(self, group: str, ratio: Decimal) -> GroupWay:
        channels = tuple(one for one in self._channels if not one.groups or group in one.groups)
        if group == DEFAULT and ratio == ONE:
            router = self.every if len(channels) == len(self._channels) else self._router(self._models, channels, group)
            return GroupWay(group, ratio, router, {})
        priced = {model.id: _at(model, group, ratio) for model in self._models}
        return GroupWay(group, ratio, self._router(priced.values(), channels, group), priced)


def way_for(model: Model, ways: Sequence[GroupWay]) -> GroupWay:
    """The first of the ways on which some channel serves the model; the first of all when none does."""
    return next((way for way in ways if way.router.serves(model.id)), ways[0])


def _at(model: Model, group: str, ratio: Decimal) -> Model:
    return msgspec.structs.replace(model, price=price_in(model.price, group, ratio))
