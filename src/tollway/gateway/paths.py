"""Which surface owns a path."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

from tollway.gateway.surface import Route, Surface


@dataclass(frozen=True, slots=True)
class Found:
    """A path's owner and what the path said."""

    surface: Surface
    route: Route
    options: Mapping[str, str]


class Paths:
    """Every route of every surface. Plain paths are one look-up; `{model}` paths match by what surrounds it."""

    def __init__(self, surfaces: Iterable[Surface]) -> None:
        self._plain: dict[str, Found] = {}
        self._patterns: list[tuple[str, str, Surface, Route]] = []
        self.surfaces = tuple(surfaces)
        for surface in self.surfaces:
            for route in surface.routes:
                if "{model}" in route.path:
                    before, _, after = route.path.partition("{model}")
                    self._patterns.append((before, after, surface, route))
                elif route.path in self._plain:
                    raise ValueError(f"{route.path} is claimed by two surfaces")
                else:
                    self._plain[route.path] = Found(surface, route, dict(route.options))

    def find(self, path: str, query: str) -> Found | None:
        """The owner of `path`, None when no surface claims it. Options: the route's own, `model`, and the query's."""
        found = self._plain.get(path)
        if found is not None:
            return found
        for before, after, surface, route in self._patterns:
            model = path[len(before) : len(path) - len(after)]
            if path.startswith(before) and path.endswith(after) and model:
                asked = dict(parse_qsl(query, keep_blank_values=True))
                return Found(surface, route, _options(route, unquote(model), asked))
        return None


def _options(route: Route, model: str, query: Mapping[str, str]) -> Mapping[str, str]:
    """A route that answers with `framing: array` does so unless the query asks for `alt=sse`."""
    options = {**route.options, "model": model, "alt": query.get("alt", "")}
    if options.get("framing") == "array" and options["alt"] == "sse":
        options["framing"] = "sse"
    return options
