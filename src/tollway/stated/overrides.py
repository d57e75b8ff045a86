"""Checks parameter overrides: plain fields, or a list of operations (relay.md 3.5)."""

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from tollway.core.shape import BodyOverride, Condition, Operation
from tollway.kit.sendable import bad_header, is_sendable
from tollway.kit.toml import Place
from tollway.stated.wrong import Wrong, convert

BODY_MODES = (
    *("set", "delete", "move", "copy", "prepend", "append", "trim_prefix", "trim_suffix", "ensure_prefix"),
    *("ensure_suffix", "trim_space", "to_lower", "to_upper", "replace", "regex_replace", "prune_objects"),
)
OTHER_MODES = (
    *("return_error", "set_header", "delete_header", "copy_header", "move_header", "pass_headers", "sync_fields"),
)
MODES = (*BODY_MODES, *OTHER_MODES)
CONDITION_MODES = ("full", "prefix", "suffix", "contains", "gt", "gte", "lt", "lte")
LOGICS = ("OR", "AND")
SIDES = ("header:", "json:")
_NEEDS: dict[str, tuple[str, ...]] = {
    "set": ("path", "value"),
    "delete": ("path",),
    "prepend": ("path", "value"),
    "append": ("path", "value"),
    "trim_prefix": ("path", "value"),
    "trim_suffix": ("path", "value"),
    "ensure_prefix": ("path", "value"),
    "ensure_suffix": ("path", "value"),
    "trim_space": ("path",),
    "to_lower": ("path",),
    "to_upper": ("path",),
    "replace": ("path", "from"),
    "regex_replace": ("path", "from"),
    "move": ("from", "to"),
    "copy": ("from", "to"),
    "prune_objects": ("value",),
    "return_error": ("value",),
    "set_header": ("path", "value"),
    "delete_header": ("path",),
    "copy_header": ("from", "to"),
    "move_header": ("from", "to"),
    "pass_headers": ("value",),
    "sync_fields": ("from", "to"),
}
_TEXTS = ("trim_prefix", "trim_suffix", "ensure_prefix", "ensure_suffix")
_NAMES_OF_HEADERS: dict[str, tuple[str, ...]] = {
    "set_header": ("path",),
    "delete_header": ("path",),
    "copy_header": ("from", "to"),
    "move_header": ("from", "to"),
}
_OF_AN_ERROR = {"message": str, "status_code": int, "code": str, "type": str, "skip_retry": bool}
_OF_A_FILTER = ("type", "where", "conditions", "logic", "recursive")
_STREAM = "whether an answer is streamed is for the caller to say"
_ROOT: Place = ("param_override",)


def checked_override(stated: Mapping[str, Any]) -> BodyOverride | None:
    """An override as stated, checked; None when it is empty. Raises Wrong naming the place."""
    if not stated:
        return None
    if "stream" in stated:
        raise Wrong((*_ROOT, "stream"), _STREAM)
    if "operations" not in stated:
        return BodyOverride(fields={name: plain_value(value, (*_ROOT, name)) for name, value in stated.items()})
    fields = {name: plain_value(value, (*_ROOT, name)) for name, value in stated.items() if name != "operations"}
    rows = stated["operations"]
    if not isinstance(rows, list | tuple):
        raise Wrong((*_ROOT, "operations"), "must be a list")
    operations = tuple(_operation(row, (*_ROOT, "operations", at)) for at, row in enumerate(rows))
    return BodyOverride(fields=fields, operations=operations)


def conditions_of(stated: Any, place: Place) -> tuple[Condition, ...]:
    """Conditions as a list of them, or one alone, or `{path: value}` for plain equality. Raises Wrong."""
    if isinstance(stated, Mapping):
        rows = [stated] if "path" in stated else [{"path": path, "value": value} for path, value in stated.items()]
    elif isinstance(stated, Sequence) and not isinstance(stated, str):
        rows = list(stated)
    else:
        raise Wrong(place, "must be a list of conditions")
    found = []
    for at, row in enumerate(rows):
        condition = convert(plain_value(row, (*place, at)), Condition, (*place, at))
        if not condition.path:
            raise Wrong((*place, at, "path"), "must not be empty")
        if condition.mode not in CONDITION_MODES:
            raise Wrong((*place, at, "mode"), f"{condition.mode!r} is none of {', '.join(CONDITION_MODES)}")
        found.append(condition)
    return tuple(found)


def logic_of(stated: Any, place: Place) -> str:
    """`OR` or `AND`. Raises Wrong."""
    logic = str(stated).upper()
    if logic not in LOGICS:
        raise Wrong(place, f"{stated!r} is neither OR nor AND")
    return logic


def plain_value(value: Any, place: Place) -> Any:
    """A value as JSON knows it: TOML's decimals become numbers. Raises Wrong for what JSON cannot say."""
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise Wrong(place, "is no finite number")
        return float(value)
    if isinstance(value, Mapping):
        return {str(name): plain_value(each, (*place, str(name))) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain_value(each, (*place, at)) for at, each in enumerate(value)]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise Wrong(place, f"{type(value).__name__} cannot stand in a body")


def _operation(row: Any, place: Place) -> Operation:
    if not isinstance(row, Mapping):
        raise Wrong(place, "must be an operation: an object with a mode")
    row = plain_value(row, place)
    conditions = conditions_of(row.get("conditions") or [], (*place, "conditions"))
    logic = logic_of(row.get("logic") or "OR", (*place, "logic"))
    rest = {name: value for name, value in row.items() if name not in ("conditions", "logic")}
    operation = convert(rest, Operation, place)
    if operation.mode not in MODES:
        raise Wrong((*place, "mode"), f"{operation.mode!r} is none of {', '.join(MODES)}")
    for name in _NEEDS[operation.mode]:
        if name not in row or (name != "value" and not row[name]):
            raise Wrong((*place, name), f"{operation.mode} needs it")
    for name in ("path", "from", "to"):
        if operation.mode in BODY_MODES and name in row and row[name] == "stream":
            raise Wrong((*place, name), _STREAM)
    _check(operation, place)
    return msgspec.structs.replace(operation, conditions=conditions, logic=logic)


def _check(operation: Operation, place: Place) -> None:
    """What only one mode, or a few, ask of their fields."""
    mode, value, at_value = operation.mode, operation.value, (*place, "value")
    if mode in _TEXTS and not isinstance(value, str):
        raise Wrong(at_value, f"{mode} needs a text")
    if mode == "set_header" and not (isinstance(value, str | int | float) and is_sendable(str(value))):
        raise Wrong(at_value, "a header's value must be a text of printable ASCII")
    for name in _NAMES_OF_HEADERS.get(mode, ()):
        _check_name(operation.path if name == "path" else operation.from_ if name == "from" else operation.to, place)
    if mode == "regex_replace":
        try:
            re.compile(operation.from_)
        except re.error as error:
            raise Wrong((*place, "from"), f"is no regular expression: {error}") from error
    if mode in _CHECKS_OF_VALUES:
        _CHECKS_OF_VALUES[mode](value, at_value)
    if mode == "sync_fields":
        for name, side in (("from", operation.from_), ("to", operation.to)):
            if not side.startswith(SIDES) or not side.partition(":")[2].strip():
                raise Wrong((*place, name), "must be header:<name> or json:<path>")


def passed_names(value: Any, place: Place = ()) -> tuple[str, ...]:
    """The headers that `pass_headers` names: a list, or a text with commas. Raises Wrong."""
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) and name.strip() for name in names):
        raise Wrong(place, "must be names of headers")
    return tuple(name.strip().lower() for name in names)


def _check_name(name: str, place: Place) -> None:
    problem = bad_header(name, "")
    if problem:
        raise Wrong(place, problem)


def _check_error(value: Any, place: Place) -> None:
    if isinstance(value, str) and value:
        return
    if not isinstance(value, Mapping) or not value.get("message"):
        raise Wrong(place, "an error needs a message")
    for name, each in value.items():
        kind = _OF_AN_ERROR.get(name)
        if kind is None:
            raise Wrong((*place, name), f"is no part of an error; known are {', '.join(_OF_AN_ERROR)}")
        if not isinstance(each, kind):
            raise Wrong((*place, name), f"must be {kind.__name__}")


def _check_filter(value: Any, place: Place) -> None:
    if isinstance(value, str) and value:
        return
    if not isinstance(value, Mapping) or not value:
        raise Wrong(place, "must be a type, or an object with type, where or conditions")
    for name in value:
        if name not in _OF_A_FILTER:
            raise Wrong((*place, name), f"is no part of a filter; known are {', '.join(_OF_A_FILTER)}")
    if not value.get("type") and not value.get("where") and not value.get("conditions"):
        raise Wrong(place, "would prune everything: state type, where or conditions")
    for name in ("where", "conditions"):
        if value.get(name):
            conditions_of(value[name], (*place, name))
    logic_of(value.get("logic") or "AND", (*place, "logic"))


def _check_passed(value: Any, place: Place) -> None:
    for name in passed_names(value, place):
        _check_name(name, place)


_CHECKS_OF_VALUES: dict[str, Callable[[Any, Place], None]] = {
    "return_error": _check_error,
    "prune_objects": _check_filter,
    "pass_headers": _check_passed,
}
