"""What an import has found: rows of channels, groups, and all that could not be taken over."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tollway.gateway.provider import Provider

Values = dict[str, Any]
_UNFIT = re.compile(r"[^A-Za-z0-9._-]+")


class Note(NamedTuple):
    """Something that is not, or not quite, as it was."""

    where: str
    """The place in the old configuration."""
    what: str


@dataclass(frozen=True, slots=True)
class World:
    """What an import may look at."""

    providers: Mapping[str, Provider]
    model_id: Callable[[str], str | None]
    """The id of the model that is sold under a name; None when there is none."""
    variable: Callable[[str], str]
    """The environment, for references to it."""


@dataclass(slots=True)
class Found:
    """The result of reading one configuration."""

    rows: list[Values] = field(default_factory=list)
    groups: Values = field(default_factory=dict)
    """Fields of `Groups` that the old hub had."""
    notes: list[Note] = field(default_factory=list)
    _taken: set[str] = field(default_factory=set)
    _numbers: dict[str, int] = field(default_factory=dict)
    """The last number that was put behind a name."""

    def note(self, where: str, what: str) -> None:
        """Tell the operator."""
        self.notes.append(Note(where, what))

    def add(self, row: Values, wanted_id: str) -> Values:
        """Keep a row under a free id made of the wanted one."""
        base = slug(wanted_id) or "channel"
        number, name = self._numbers.get(base, 1), base
        while name in self._taken:
            number += 1
            name = f"{base}-{number}"
        self._numbers[base] = number
        self._taken.add(name)
        self.rows.append({"id": name, **row})
        return self.rows[-1]

    def check_models(self, row: Values, world: World, where: str) -> None:
        """Name each model by its id here, and tell of those that are not on sale."""
        models = row.get("models")
        if not isinstance(models, dict):
            return
        named: dict[str, str] = {}
        for name, upstream in models.items():
            known = world.model_id(name)
            if known is None:
                self.note(
                    where, f"the model {name!r} has no price here: add a [[models]] row to tollway.toml to sell it"
                )
            named[known or name] = upstream
        row["models"] = named


def slug(name: str) -> str:
    """The name as an id."""
    return _UNFIT.sub("-", name).strip("-._")[:80]
