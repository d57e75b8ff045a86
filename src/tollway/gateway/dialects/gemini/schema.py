"""JSON Schema as Gemini's smaller Schema object, and back (relay.md 6.18)."""

from collections.abc import Mapping
from typing import Any

import msgspec

from tollway.core.errors import Unsupported
from tollway.gateway.gemini_family.spelling import fields, items, text, whole, wrong

Schema = dict[str, Any]

DEPTH = 64
"""Levels kept; what lies deeper becomes a plain object."""
NODES = 10_000
"""Most subschemas after inlining, so that references which double at each level cannot fill the memory."""

_COUNTS = ("maxItems", "maxLength", "maxProperties", "minItems", "minLength", "minProperties")
_SAME = ("title", "description", "default", "maximum", "minimum", "pattern", "additionalProperties")
_KEPT = ("title", "description", "default", "example", "maximum", "minimum", "nullable", "pattern", *_COUNTS)
_FORMATS = frozenset({"enum", "date-time"})
_HINTS = (
    ("OBJECT", ("properties", "required", "additionalProperties", "minProperties", "maxProperties")),
    ("ARRAY", ("items", "prefixItems", "minItems", "maxItems")),
    ("NUMBER", ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")),
)
_encode = msgspec.json.Encoder().encode


def clean(schema: Mapping[str, Any], field: str = "schema") -> Schema:
    """The schema in Gemini's words. Raises Unsupported naming `field` when inlining makes it too large."""
    return _Cleaner(dict(schema), field).clean(dict(schema), 0, ())


class _Cleaner:
    """One pass over one schema: it knows the root for references and counts what it made."""

    def __init__(self, root: Schema, field: str) -> None:
        self._root, self._field, self._made = root, field, 0

    def clean(self, given: Any, depth: int, inside: tuple[str, ...]) -> Schema:
        """`inside` holds the references being inlined, outermost first: one that comes again is a cycle."""
        self._spend()
        if depth >= DEPTH:
            return {"type": "OBJECT"}
        if not isinstance(given, dict):
            return {"type": "STRING"}
        node, inside, cyclic = self._inlined(given, inside)
        if cyclic:
            return {"type": "OBJECT"}
        node, inside = self._merged(node, inside, depth)
        out = {name: node[name] for name in _KEPT if node.get(name) is not None}
        if "example" not in out and _list(node.get("examples")):
            out["example"] = node["examples"][0]
        variants = self._variants(node, depth, inside, out)
        if variants is not None:
            return variants
        _set_type(node, out)
        if out["type"] == "OBJECT":
            self._object(node, out, depth, inside)
        elif out["type"] == "ARRAY":
            out["items"] = self.clean(_first_item(node), depth + 1, inside)
        return out

    def _spend(self) -> None:
        self._made += 1
        if self._made > NODES:
            raise Unsupported(f"{self._field}: the schema is too large for Gemini", field=self._field)

    def _inlined(self, node: Schema, inside: tuple[str, ...]) -> tuple[Schema, tuple[str, ...], bool]:
        """The node with its reference replaced by what it means; True when that never ends."""
        while isinstance(reference := node.get("$ref"), str):
            if reference in inside:
                return node, inside, True
            inside = (*inside, reference)
            rest = {name: value for name, value in node.items() if name != "$ref"}
            node = self._lookup(reference) | rest
        return node, inside, False

    def _lookup(self, reference: str) -> Schema:
        """What a pointer such as `#/$defs/Node` points to; an empty schema when there is nothing."""
        if reference != "#" and not reference.startswith("#/"):
            return {}
        found: Any = self._root
        for step in reference.split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            found = found.get(name) if isinstance(found, dict) else None
        return dict(found) if isinstance(found, dict) else {}

    def _merged(self, node: Schema, inside: tuple[str, ...], depth: int) -> tuple[Schema, tuple[str, ...]]:
        """The node with its `allOf` members joined into it; its own words win."""
        members = _list(node.get("allOf"))
        whole = {name: value for name, value in node.items() if name != "allOf"}
        for given in members if depth < DEPTH else []:
            self._spend()
            member, deeper, cyclic = self._inlined(given if isinstance(given, dict) else {}, inside)
            if cyclic:
                continue
            member, inside = self._merged(member, deeper, depth + 1)
            whole = _joined(member, whole)
        return whole, inside

    def _variants(self, node: Schema, depth: int, inside: tuple[str, ...], out: Schema) -> Schema | None:
        """The node as a choice between schemas; None when it is a plain one."""
        given = node.get("anyOf") if isinstance(node.get("anyOf"), list) else node.get("oneOf")
        if not isinstance(given, list) or "properties" in node:
            return None
        real = [variant for variant in given if not _is_null(variant)]
        nullable = len(real) < len(given) or out.get("nullable") is True
        if len(real) <= 1:
            only = self.clean(real[0] if real else {}, depth + 1, inside) | out
            return only | {"nullable": True} if nullable else only
        variants = [self.clean(variant, depth + 1, inside) for variant in real]
        if nullable:
            variants = [variant | {"nullable": True} for variant in variants]
        kept = {name: out[name] for name in ("title", "description") if name in out}
        return kept | {"anyOf": variants}

    def _object(self, node: Schema, out: Schema, depth: int, inside: tuple[str, ...]) -> None:
        """Properties, and only such required and ordered names as are among them."""
        properties = _dict(node.get("properties"))
        if not properties:
            return
        out["properties"] = {name: self.clean(item, depth + 1, inside) for name, item in properties.items()}
        for word in ("required", "propertyOrdering"):
            names = [name for name in dict.fromkeys(map(str, _list(node.get(word)))) if name in properties]
            if names:
                out[word] = names


def _set_type(node: Schema, out: Schema) -> None:
    """Type, enum, format and nullability."""
    given = node.get("type")
    names = [name for name in (given if isinstance(given, list) else [given]) if isinstance(name, str)]
    real = [name.upper() for name in names if name.lower() != "null"]
    if len(real) < len(names):
        out["nullable"] = True
    out["type"] = real[0] if real else _guess(node)
    values = [node["const"]] if "const" in node else node.get("enum")
    if isinstance(values, list) and values:
        if None in values:
            out["nullable"] = True
        told = [_as_text(value) for value in values if value is not None]
        if told:
            out |= {"type": "STRING", "enum": list(dict.fromkeys(told))}
    if out["type"] == "STRING" and node.get("format") in _FORMATS:
        out["format"] = node["format"]


def _joined(member: Schema, node: Schema) -> Schema:
    """Two schemas that hold at once, as one; `node` wins."""
    joined = member | node
    properties = _dict(member.get("properties")) | _dict(node.get("properties"))
    required = [*_list(node.get("required")), *_list(member.get("required"))]
    if properties:
        joined["properties"] = properties
    if required:
        joined["required"] = required
    return joined


def lowered(value: Any, path: str, depth: int = 0) -> Schema:
    """Gemini's Schema as JSON Schema: lower-case types, `nullable` as a type, ordering as the order itself."""
    if depth > DEPTH:
        raise wrong(path, "is nested too deeply")
    node = fields(value, path)
    nullable = node.get("nullable") is True
    out = _lowered_words(node, nullable, path)
    if "items" in node:
        out["items"] = lowered(node["items"], f"{path}.items", depth + 1)
    if "properties" in node:
        out["properties"] = _lowered_properties(node, path, depth)
    if "required" in node:
        out["required"] = items(node["required"], f"{path}.required")
    if "anyOf" in node:
        variants = items(node["anyOf"], f"{path}.anyOf")
        out["anyOf"] = [lowered(item, f"{path}.anyOf[{at}]", depth + 1) for at, item in enumerate(variants)]
        if nullable and "type" not in node:
            out["anyOf"].append({"type": "null"})
    return out


def _lowered_words(node: Schema, nullable: bool, path: str) -> Schema:
    """All of a schema that holds no other schema."""
    out: Schema = {}
    if "type" in node:
        kind = text(node["type"], f"{path}.type").lower()
        out["type"] = [kind, "null"] if nullable and kind != "null" else kind
    out |= {name: node[name] for name in _SAME if name in node}
    out |= {name: whole(node[name], f"{path}.{name}") for name in _COUNTS if name in node}
    if node.get("format") not in (None, "enum"):
        out["format"] = node["format"]
    if "example" in node:
        out["examples"] = [node["example"]]
    if "enum" in node:
        out["enum"] = [*items(node["enum"], f"{path}.enum"), *([None] if nullable else [])]
    return out


def _lowered_properties(node: Schema, path: str, depth: int) -> Schema:
    given = node["properties"]
    if not isinstance(given, dict):
        raise wrong(f"{path}.properties", "must be an object")
    ordering = node.get("propertyOrdering")
    first = [name for name in ordering if name in given] if isinstance(ordering, list) else []
    names = dict.fromkeys([*first, *given])
    return {name: lowered(given[name], f"{path}.properties.{name}", depth + 1) for name in names}


def _guess(node: Schema) -> str:
    """A type for a schema that states none, which Gemini refuses."""
    for name, hints in _HINTS:
        if any(hint in node for hint in hints):
            return name
    return "STRING"


def _first_item(node: Schema) -> Any:
    """The schema of an array's items; of a tuple, its first."""
    given = node.get("items")
    for candidates in (node.get("prefixItems"), given):
        if isinstance(candidates, list):
            return candidates[0] if candidates else {}
    return given if isinstance(given, dict) else {}


def _is_null(variant: Any) -> bool:
    return isinstance(variant, dict) and (variant.get("type") == "null" or variant.get("const", 0) is None)


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else _encode(value).decode()


def _dict(value: Any) -> Schema:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
