"""Where the pieces of a question stood in the caller's own body."""

from collections.abc import Sequence

Noted = tuple[object, str]
"""A piece (message, part or tool) and its path in the caller's body, e.g. `contents[0].parts[1]`."""


class Places:
    """Paths by piece. No part of what was asked: any two are equal, so that equal questions are."""

    __slots__ = ("_noted",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, noted: Sequence[Noted] = ()) -> None:
        self._noted = noted

    def of(self, piece: object) -> str | None:
        """The path of this very piece; None when its reader did not note it. Walks the list: refusals are rare."""
        return next((path for one, path in self._noted if one is piece), None)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Places)

    def __repr__(self) -> str:
        return f"Places({len(self._noted)})"


NOWHERE = Places()


def numbered(pieces: Sequence[object], path: str) -> list[Noted]:
    """The elements of one list on the wire, each under its number."""
    return [(piece, f"{path}[{at}]") for at, piece in enumerate(pieces)]
