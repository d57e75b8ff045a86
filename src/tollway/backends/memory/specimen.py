"""Makes a value that fits a JSON Schema, always the same one."""

from collections.abc import Mapping
from typing import Any

MAX_DEPTH = 12
MAX_ITEMS = 8
_FORMATS = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "email": "echo@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "192.0.2.1",
    "hostname": "example.com",
}


def specimen(schema: object) -> Any:
    """A value for `schema`; parts that make no sense count as free. Patterns are not heeded."""
    return _value(schema, schema, 0)


def _value(schema: object, root: object, depth: int) -> Any:
    if not isinstance(schema, Mapping) or depth > MAX_DEPTH:
        return None
    for stated in ("const", "default"):
        if stated in schema:
            return schema[stated]
    for stated in ("enum", "examples"):
        if isinstance(schema.get(stated), list) and schema[stated]:
            return schema[stated][0]
    elsewhere = _elsewhere(schema, root)
    return _of_type(schema, root, depth) if elsewhere is None else _value(elsewhere, root, depth + 1)


def _elsewhere(schema: Mapping[str, Any], root: object) -> object:
    """The schema that this one stands for: a reference, or its first branch."""
    if isinstance(schema.get("$ref"), str):
        return _follow(root, schema["$ref"]) or {}
    branches = (schema.get(name) for name in ("anyOf", "oneOf", "allOf"))
    return next((branch[0] for branch in branches if isinstance(branch, list) and branch), None)


def _of_type(schema: Mapping[str, Any], root: object, depth: int) -> Any:
    kind = schema.get("type", "object")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind == "object":
        return _object(schema, root, depth)
    if kind == "array":
        count = min(MAX_ITEMS, max(1, _number(schema, "minItems", 1)))
        return [_value(schema.get("items", {"type": "string"}), root, depth + 1)] * int(count)
    if kind == "string":
        return _string(schema)
    least = _number(schema, "minimum", _number(schema, "exclusiveMinimum", 0) + 1)
    least = min(least, _number(schema, "maximum", least))
    simple: dict[object, Any] = {
        "integer": int(least),
        "number": int(least) if least == int(least) else least,
        "boolean": True,
    }
    return simple.get(kind) if isinstance(kind, str) else None


def _object(schema: Mapping[str, Any], root: object, depth: int) -> dict[str, Any]:
    properties = schema.get("properties")
    required = schema.get("required")
    if not isinstance(properties, Mapping):
        return {}
    must = set(map(str, required)) if isinstance(required, list) else set()
    deep = depth > MAX_DEPTH // 2  # recursive schemas end by leaving out what may be left out
    return {name: _value(part, root, depth + 1) for name, part in properties.items() if name in must or not deep}


def _string(schema: Mapping[str, Any]) -> str:
    text = _FORMATS.get(str(schema.get("format")), "echo")
    text = text.ljust(int(min(1000, _number(schema, "minLength", 0))), "o")
    return text[: int(max(0, _number(schema, "maxLength", len(text))))]


def _number(schema: Mapping[str, Any], name: str, default: float) -> float:
    value = schema.get(name)
    return value if isinstance(value, int | float) and abs(value) < 1e15 else default


def _follow(root: object, reference: str) -> object:
    place = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        if step:
            place = place.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(place, Mapping) else None
    return place
