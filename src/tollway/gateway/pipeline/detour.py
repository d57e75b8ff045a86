"""Paths at which other channels answer than everywhere else."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from tollway.core.model import Channel
from tollway.gateway.catalog import Catalog
from tollway.gateway.provider import Provider
from tollway.gateway.routing.advanced import bound
from tollway.gateway.routing.groups import GroupRoutes
from tollway.gateway.routing.plan import Candidate
from tollway.gateway.surface import CHAT, Surface


class Detour(NamedTuple):
    """What is on sale at a path, and who answers there."""

    catalog: Catalog
    groups: GroupRoutes


Detours = Mapping[str, Detour]
"""By the path of a route."""
Routes = Callable[[list[Channel]], GroupRoutes]
"""The routes over some channels."""


def detours_of(
    surfaces: Sequence[Surface],
    channels: list[Channel],
    providers: Mapping[str, Provider],
    catalog: Catalog,
    routes: Routes,
) -> Detours | None:
    """The paths to which advanced routes lead, and those kept for accounts that are there; None without any."""
    found: dict[str, Detour] = {}
    advanced = [one for one in channels if one.advanced_routes]
    for path in (route.path for surface in surfaces for route in surface.routes if advanced and route.does == CHAT):
        if ways := bound(advanced, path):
            found[path] = Detour(catalog, routes([*channels, *ways]))
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


def every_way(groups: GroupRoutes, detours: Detours | None) -> Iterator[Candidate]:
    """All ways there are to all models, those of single paths among them."""
    yield from groups.every.candidates
    for detour in (detours or {}).values():
        yield from (one for one in detour.groups.every.candidates if one.channel.route is not None)
