"""Finds plug-ins: one module of a package, one plug-in of the right type."""

import importlib
import pkgutil
from types import ModuleType
from typing import TypeVar

T = TypeVar("T")


def discover(package: ModuleType, attribute: str, kind: type[T]) -> dict[str, T]:
    """Each module's plug-in by its `name`.

    Raises TypeError when a module lacks `attribute`, or holds something else there, or a name comes twice.
    """
    found: dict[str, T] = {}
    for info in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        plugin = getattr(importlib.import_module(info.name), attribute, None)
        if not isinstance(plugin, kind):
            raise TypeError(f"{info.name} must define `{attribute}` of type {kind.__name__}")
        name = getattr(plugin, "name", "")
        if name in found:
            raise TypeError(f"{info.name}: another {kind.__name__} is named {name!r}")
        found[name] = plugin
    return found
