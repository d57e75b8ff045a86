"""Typed access to a parsed request, where every refusal names the exact path."""

from typing import Any

from tollway.core.errors import BadRequest


def wrong(path: str, wanted: str) -> BadRequest:
    """The refusal of a value at `path` that is not what was `wanted`."""
    return BadRequest(f"{path}: expected {wanted}", field=path)


def text(value: Any, path: str) -> str:
    """A string, or BadRequest."""
    if not isinstance(value, str):
        raise wrong(path, "a string")
    return value


def text_or_none(value: Any, path: str) -> str | None:
    """A string or null, or BadRequest."""
    return None if value is None else text(value, path)


def an_object(value: Any, path: str) -> dict[str, Any]:
    """A JSON object, or BadRequest."""
    if not isinstance(value, dict):
        raise wrong(path, "an object")
    return value


def object_or_none(value: Any, path: str) -> dict[str, Any] | None:
    """A JSON object or null, or BadRequest."""
    return None if value is None else an_object(value, path)


def a_list(value: Any, path: str) -> list[Any]:
    """A JSON array, or BadRequest."""
    if not isinstance(value, list):
        raise wrong(path, "an array")
    return value


def integer_or_none(value: Any, path: str) -> int | None:
    """A whole number or null, or BadRequest."""
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise wrong(path, "an integer")
    return value


def number_or_none(value: Any, path: str) -> float | None:
    """A number or null, or BadRequest."""
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise wrong(path, "a number")
    return value


def flag_or_none(value: Any, path: str) -> bool | None:
    """A boolean or null, or BadRequest."""
    if value is not None and not isinstance(value, bool):
        raise wrong(path, "a boolean")
    return value
