"""Where settings come from, strongest first, and how one table is put together from all of them."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from tollway.kit.toml import Sheet
from tollway.settings.sections import Plans, Server

T = TypeVar("T", bound=msgspec.Struct)
PREFIX = "TOLLWAY_"
OTHER_NAMES = {
    "TOLLWAY_HEALTH_ALPHA": "ROUTER_HEALTH_EWMA_ALPHA",
    "TOLLWAY_HEALTH_FAILURE_THRESHOLD": "CIRCUIT_FAILURE_THRESHOLD",
    "TOLLWAY_HEALTH_MIN_AVAILABILITY": "CIRCUIT_MIN_AVAILABILITY",
    "TOLLWAY_HEALTH_COOLDOWN_S": "CIRCUIT_COOLDOWN_SECONDS",
    "TOLLWAY_METRICS_ENABLED": "METRICS_ENABLED",
    "TOLLWAY_METRICS_MODEL_LABEL": "METRICS_MODEL_LABEL",
    "TOLLWAY_METRICS_TOKEN": "METRICS_TOKEN",
}
"""Variables that go by a second name, too; our own name is stronger."""


class SettingsError(ValueError):
    """A setting that cannot be used, named by its variable or option. Errors in the file are TomlError."""


class Sources(NamedTuple):
    """Where settings come from, strongest first."""

    argv: Mapping[str, Any]
    variables: Mapping[str, str]
    sheet: Sheet


def section(kind: type[T], name: str, sources: Sources) -> T:
    """One table of the file, changed by the environment and, for `[server]`, by the command line."""
    table = sources.sheet.values.get(name, {})
    stated = dict(sources.sheet.convert(table, dict[str, Any], (name,)))
    if kind is Plans:
        stated = {field: value for field, value in stated.items() if not isinstance(value, dict)}
    sources.sheet.convert(stated, kind, (name,))
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    for field in fields.values():
        variable = variable_of(name, field.name)
        other = OTHER_NAMES.get(variable, "")
        if other and not sources.variables.get(variable):
            variable = other
        text = sources.variables.get(variable, "")
        if text:
            stated[field.name] = _from_text(kind, field, text, variable)
        elif isinstance(stated.get(field.name), int | Decimal) and stated[field.name] < 0:
            raise sources.sheet.error((name, field.name), "must not be negative")
    if kind is Server:
        for option, value in sources.argv.items():
            text = str(value) if isinstance(value, Path) else value
            stated[option] = getattr(_converted(kind, {option: text}, f"--{option.replace('_', '-')}"), option)
    return msgspec.convert(stated, kind)


def variable_of(section: str, field: str) -> str:
    """`TOLLWAY_PORT`, `TOLLWAY_LIMITS_MAX_BODY`."""
    return PREFIX + (field if section == "server" else f"{section}_{field}").upper()


def _from_text(kind: type[Any], field: msgspec.structs.FieldInfo, text: str, variable: str) -> Any:
    """The value a variable states; a list is separated by commas."""
    value: Any = text
    if "tuple" in str(field.type):
        value = [item.strip() for item in text.split(",") if item.strip()]
    converted = getattr(_converted(kind, {field.name: value}, variable), field.name)
    if isinstance(converted, int | float) and converted < 0:
        raise SettingsError(f"{variable}: must not be negative")
    return converted


def _converted(kind: type[T], value: Mapping[str, Any], source: str) -> T:
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        problem = str(error).partition(" - at ")[0]
        raise SettingsError(f"{source}: {problem[:1].lower()}{problem[1:]}") from None
