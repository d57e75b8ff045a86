"""Paths at which other channels answer than everywhere else."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from tollway.core.model import Channel
from tollway.gateway.catalog import Catalog
from tollway.gateway.provider import Provider
from tollway.gateway.routing.groups import GroupRoutes
from tollway.gateway.surface import Surface


class Detour(NamedTuple):
    """What is on sale at a path, and who answers there."""

    catalog: Catalog
    groups: GroupRoutes


Detours = Mapping[str, Detour]
"""By the path of a route."""
Routes = Callable[[list[Channel]], GroupRoutes]
"""The routes over some channels."""


def detours_of(
    surfaces: Iterable[Surface],
    channels: list[Channel],
    providers: Mapping[str, Provider],
    catalog: Catalog,
    routes: Routes,
) -> Detours | None:
    """The paths that are kept for accounts, where accounts are there that speak their dialect; None without any."""
    found: dict[str, Detour] = {}
    for surface in surfaces:
        lent = [one for one in channels if _lends(one, surface, providers)]
        kept = [route.path for route in surface.routes if route.for_accounts]
        if lent and kept:
            groups = routes(lent)
            only = catalog.only(model.id for model in catalog if groups.every.serves(model.id))
            found |= {path: Detour(only, groups) for path in kept}
    return found or None


def _lends(channel: Channel, surface: Surface, providers: Mapping[str, Provider]) -> bool:
    provider = providers.get(channel.provider)
    return provider is not None and provider.subscription is not None and provider.dialect is surface.dialect
