"""A surface: a dialect at an address. No input or output: http.py runs it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tollway.gateway.dialect import Dialect

CHAT = "chat"
COUNT = "count"
EMBED = "embed"


@dataclass(frozen=True, slots=True)
class Route:
    """One path of a surface. `{model}` in the path is a variable; Gemini's `:action` is part of the path."""

    path: str
    does: str = CHAT
    """`chat` relays a conversation, `embed` texts that become vectors; `count` answers a token count locally."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Handed to the codec in `Envelope`-reading path arguments and `Voice.options`."""
    for_accounts: bool = False
    """Where subscription accounts speak the dialect, they alone answer here."""


@dataclass(frozen=True, slots=True)
class Surface:
    """The POST routes of one dialect, and the carriers of a credential it accepts, first match wins."""

    name: str
    dialect: Dialect
    routes: tuple[Route, ...]
    credentials: tuple[str, ...]
    """Of `bearer`, `x-api-key`, `x-goog-api-key`, `query:key` (relay.md 1.3), in order of preference."""

    @property
    def path(self) -> str:
        """The path that stands for all of them."""
        return next(route.path for route in self.routes if route.does != COUNT)
