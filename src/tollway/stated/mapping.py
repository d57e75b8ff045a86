"""Which upstream name a model goes by on a channel: mappings are followed to their end (relay.md 3.4)."""

from collections.abc import Mapping

from tollway.kit.sendable import is_sendable
from tollway.stated.wrong import Wrong


def end_of(name: str, mapping: Mapping[str, str]) -> str:
    """Where a name leads: the last name that is mapped no further. A name that maps to itself is not mapped.

    Raises ValueError naming the way when it leads in a circle.
    """
    way = [name]
    while (further := mapping.get(name, name)) != name:
        name = further
        if name in way:
            raise ValueError(f"leads in a circle: {' → '.join([*way, name])}")
        way.append(name)
    return name


def checked_mapping(mapping: Mapping[str, str]) -> dict[str, str]:
    """The mapping with every name led to its end. Raises Wrong naming the entry."""
    ends: dict[str, str] = {}
    for name, further in mapping.items():
        if not name or not further or not is_sendable(further):
            raise Wrong(("model_mapping", name), "names must be printable ASCII and not empty")
        try:
            end = end_of(name, mapping)
        except ValueError as error:
            raise Wrong(("model_mapping", name), str(error)) from error
        if end != name:
            ends[name] = end
    return ends
