"""Takes values out of parsed JSON, naming the exact place when one is missing or of the wrong type."""

from typing import Any, TypeVar

from tollway.core.errors import BadRequest

T = TypeVar("T")

_WORDS = {str: "a string", int: "an integer", float: "a number", bool: "a boolean", list: "an array", dict: "an object"}


def wrong(at: str, why: str) -> BadRequest:
    """A BadRequest naming the place."""
    return BadRequest(f"{at}: {why}", field=at)


def record(value: Any, at: str) -> dict[str, Any]:
    """`value` as an object."""
    if not isinstance(value, dict):
        raise wrong(at, "must be an object")
    return value


def maybe(holder: dict[str, Any], key: str, kind: type[T], at: str) -> T | None:
    """The member of `kind`, or None when absent or null."""
    value = holder.get(key)
    if value is None:
        return None
    if kind is float and type(value) is int:
        return float(value)  # type: ignore[return-value]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise wrong(_join(at, key), f"must be {_WORDS[kind]}")
    return value


def need(holder: dict[str, Any], key: str, kind: type[T], at: str) -> T:
    """The member of `kind`; it must be there."""
    value = maybe(holder, key, kind, at)
    if value is None:
        raise wrong(_join(at, key), "Field required")
    return value


def strings(holder: dict[str, Any], key: str, at: str = "") -> tuple[str, ...]:
    """A member that lists strings; empty when absent."""
    values = maybe(holder, key, list, at) or []
    for number, value in enumerate(values):
        if not isinstance(value, str):
            raise wrong(f"{_join(at, key)}[{number}]", "must be a string")
    return tuple(values)


def _join(at: str, key: str) -> str:
    return f"{at}.{key}" if at else key
