"""Every surface has addresses of its own, and a way to be let in."""

from collections import Counter

import pytest

from tests.laws.plugins import DIALECTS, SURFACES
from tollway.core.model import EMBEDDING
from tollway.gateway.surface import CHAT, COUNT, EMBED, Surface

CARRIERS = {"bearer", "x-api-key", "x-goog-api-key", "query:key"}

every = pytest.mark.parametrize("surface", SURFACES.values(), ids=SURFACES)


def test_no_two_routes_are_the_same() -> None:
    paths = Counter(route.path for surface in SURFACES.values() for route in surface.routes)
    assert not [path for path, count in paths.items() if count > 1]


@every
def test_routes_are_paths_that_do_something_we_know(surface: Surface) -> None:
    assert surface.routes
    for route in surface.routes:
        assert route.path.startswith("/")
        assert not route.path.endswith("/")
        assert route.does in (CHAT, COUNT, EMBED)
        assert (route.does == EMBED) == (surface.dialect.type == EMBEDDING)


@every
def test_a_surface_that_counts_can_say_the_count(surface: Surface) -> None:
    if any(route.does == COUNT for route in surface.routes):
        assert surface.dialect.write_count is not None


@every
def test_there_is_a_way_to_be_let_in(surface: Surface) -> None:
    assert surface.credentials
    assert set(surface.credentials) <= CARRIERS


@every
def test_its_dialect_is_one_that_is_found(surface: Surface) -> None:
    assert surface.dialect in DIALECTS.values()
