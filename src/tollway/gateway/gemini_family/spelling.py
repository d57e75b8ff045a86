"""Reads the fields of Google's JSON: camelCase or snake_case names, numbers as numbers or text."""

import base64
import binascii
import re
from typing import Any

from tollway.core.errors import BadRequest

_WORD_START = re.compile(r"_+([A-Za-z0-9])")


def camel(name: str) -> str:
    """`max_output_tokens` → `maxOutputTokens`; a name without underscores stays as it is."""
    return _WORD_START.sub(lambda match: match[1].upper(), name.lstrip("_"))


def wrong(path: str, problem: str) -> BadRequest:
    """A complaint that names the place in the caller's body."""
    return BadRequest(f"{path}: {problem}", field=path)


def fields(value: Any, path: str) -> dict[str, Any]:
    """An object's fields under their camelCase names, nulls left out. Raises BadRequest for anything else."""
    if not isinstance(value, dict):
        raise wrong(path, "must be an object")
    return {camel(name) if "_" in name else name: item for name, item in value.items() if item is not None}


def items(value: Any, path: str) -> list[Any]:
    """A list, where a lone item stands for a list of one."""
    if isinstance(value, list):
        return value
    if isinstance(value, dict | str):
        return [value]
    raise wrong(path, "must be a list")


def text(value: Any, path: str) -> str:
    """A string."""
    if not isinstance(value, str):
        raise wrong(path, "must be a string")
    return value


def flag(value: Any, path: str) -> bool:
    """A boolean."""
    if not isinstance(value, bool):
        raise wrong(path, "must be a boolean")
    return value


def whole(value: Any, path: str) -> int:
    """A whole number, also as `3.0` or `"3"`, as protobuf's JSON allows."""
    number_found = number(value, path)
    if not number_found.is_integer():
        raise wrong(path, "must be a whole number")
    return int(number_found)


def number(value: Any, path: str) -> float:
    """A finite number, also as text."""
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            found = float(value)
        except (ValueError, OverflowError):
            found = float("inf")
        if abs(found) < float("inf"):
            return found
    raise wrong(path, "must be a number")


def texts(value: Any, path: str) -> tuple[str, ...]:
    """A list of strings."""
    return tuple(text(item, f"{path}[{at}]") for at, item in enumerate(items(value, path)))


def standard_base64(value: Any, path: str) -> str:
    """Base64 in either alphabet, padded or not, as standard base64. Raises BadRequest on other text."""
    data = text(value, path)
    if "-" in data or "_" in data:
        data = data.replace("-", "+").replace("_", "/")
    data += "=" * (-len(data) % 4)
    try:
        binascii.a2b_base64(data, strict_mode=True)
    except (binascii.Error, ValueError) as error:
        raise wrong(path, "must be base64") from error
    return data


def base64_text(value: str) -> str:
    """The text inside base64 of either alphabet; empty when it is no such thing."""
    data = value.replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(data + "=" * (-len(data) % 4), validate=True).decode()
    except ValueError:
        return ""
