"""Says what of a statement cannot be, and where it stands."""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from tollway.kit.toml import Place, explain

T = TypeVar("T")


class Wrong(ValueError):
    """A statement that cannot be used; whoever knows the file, or the request, it came from names that, too."""

    def __init__(self, place: Place, problem: str) -> None:
        self.place, self.problem = place, problem
        super().__init__(problem)


def convert(value: Mapping[str, Any], kind: type[T], place: Place) -> T:
    """`value`, which stands at `place`, as `kind`. Raises Wrong."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        at, problem = explain(str(error))
        raise Wrong(place + at, problem) from error
