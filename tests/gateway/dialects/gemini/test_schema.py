"""JSON Schema in Gemini's words: relay.md 6.18."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.core.errors import BadRequest, Unsupported
from tollway.gateway.dialects.gemini.schema import DEPTH, clean, lowered

KEYWORDS = {
    "anyOf", "default", "description", "enum", "example", "format", "items", "maxItems", "maxLength", "maxProperties",
    "maximum", "minItems", "minLength", "minProperties", "minimum", "nullable", "pattern", "properties",
    "propertyOrdering", "required", "title", "type",
}  # fmt: skip
TYPES = {"STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT"}


def check(schema: Any, depth: int = 0) -> None:
    """What Gemini accepts, checked at every level."""
    assert depth <= DEPTH + 1
    assert schema.keys() <= KEYWORDS
    assert ("type" in schema) != ("anyOf" in schema)
    assert schema.get("type", "STRING") in TYPES
    assert schema.get("format", "enum") in ("enum", "date-time")
    assert all(isinstance(value, str) for value in schema.get("enum", []))
    assert "enum" not in schema or schema["type"] == "STRING"
    assert set(schema.get("required", [])) <= schema.get("properties", {}).keys()
    assert ("items" in schema) == (schema.get("type") == "ARRAY")
    for child in [*schema.get("properties", {}).values(), *schema.get("anyOf", []), schema.get("items")]:
        if child is not None:
            check(child, depth + 1)


@pytest.mark.parametrize(
    ("given_schema", "cleaned"),
    [
        ({"type": "string", "format": "uuid"}, {"type": "STRING"}),
        ({"type": "string", "format": "date-time"}, {"type": "STRING", "format": "date-time"}),
        ({"type": ["null", "integer", "string"]}, {"type": "INTEGER", "nullable": True}),
        ({"const": 3}, {"type": "STRING", "enum": ["3"]}),
        ({"enum": ["a", 1, True, None]}, {"type": "STRING", "enum": ["a", "1", "true"], "nullable": True}),
        ({"oneOf": [{"type": "string"}, {"type": "null"}]}, {"type": "STRING", "nullable": True}),
        (
            {"oneOf": [{"type": "string"}, {"type": "integer"}], "description": "d"},
            {"description": "d", "anyOf": [{"type": "STRING"}, {"type": "INTEGER"}]},
        ),
        ({"type": "array", "items": [{"type": "number"}]}, {"type": "ARRAY", "items": {"type": "NUMBER"}}),
        ({"type": "array", "prefixItems": [{"type": "number"}]}, {"type": "ARRAY", "items": {"type": "NUMBER"}}),
        ({"type": "array"}, {"type": "ARRAY", "items": {"type": "STRING"}}),
        (
            {
                "allOf": [
                    {"properties": {"a": {"type": "string"}}, "required": ["a"]},
                    {"properties": {"b": {}}, "required": ["b", "zzz"]},
                ]
            },
            {
                "type": "OBJECT",
                "properties": {"b": {"type": "STRING"}, "a": {"type": "STRING"}},
                "required": ["a", "b"],
            },
        ),
        ({"$ref": "#/$defs/no"}, {"type": "STRING"}),
        ({"type": "object", "properties": {}}, {"type": "OBJECT"}),
        ({"type": "string", "examples": ["x"], "$comment": "c"}, {"type": "STRING", "example": "x"}),
    ],
)
def test_each_rule(given_schema: Any, cleaned: Any) -> None:
    assert clean(given_schema) == cleaned


def test_references_are_inlined_and_cycles_end_in_a_plain_object() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}, "name": {"$ref": "#/$defs/Na~1me"}}}
    schema = {"$ref": "#/$defs/Node", "$defs": {"Node": node, "Na/me": {"type": "string", "maxLength": 9}}}
    assert clean(schema) == {
        "type": "OBJECT",
        "properties": {"next": {"type": "OBJECT"}, "name": {"type": "STRING", "maxLength": 9}},
    }
    assert clean({"properties": {"me": {"$ref": "#"}}})["properties"]["me"]["properties"] == {"me": {"type": "OBJECT"}}
    assert clean({"$ref": "#/$defs/A", "$defs": {"A": {"allOf": [{"$ref": "#/$defs/A"}]}}})["type"] in TYPES


def test_properties_named_like_keywords_survive() -> None:
    names = ["type", "enum", "$ref", "properties", "const"]
    schema = {"type": "object", "properties": {name: {"type": "boolean"} for name in names}, "required": names}
    assert clean(schema) == {
        "type": "OBJECT",
        "properties": {name: {"type": "BOOLEAN"} for name in names},
        "required": names,
    }


def test_a_deep_schema_is_cut_off() -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(500):
        schema = {"type": "array", "items": schema}
    check(clean(schema))
    for word in ("allOf", "anyOf"):
        nested: dict[str, Any] = {"type": "string"}
        for _ in range(500):
            nested = {word: [nested]}
        check(clean(nested))


def test_references_that_double_at_each_level_are_refused_instead_of_filling_the_memory() -> None:
    twice = {f"L{n}": {"properties": {k: {"$ref": f"#/$defs/L{n + 1}"} for k in "ab"}} for n in range(40)}
    with pytest.raises(Unsupported, match="too large"):
        clean({"$ref": "#/$defs/L0", "$defs": twice})


words = st.sampled_from(["a", "b", "type", "$ref"])
leaves = st.one_of(
    st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["string", "integer", "null", ["string", "null"], ["null"], 3, "OBJECT"]),
            "format": st.sampled_from(["enum", "date", "int32"]),
            "const": st.one_of(st.none(), st.integers(), st.text(max_size=3)),
            "enum": st.lists(st.one_of(st.none(), st.integers(), st.booleans(), st.text(max_size=3)), max_size=3),
            "nullable": st.booleans(),
            "description": st.text(max_size=3),
        },
    ),
    st.fixed_dictionaries(
        {"$ref": st.sampled_from(["#", "#/$defs/a", "#/$defs/b", "#/$defs/zz", "x.json", "#anchor"])}
    ),
    st.booleans(),
)
schemas = st.recursive(
    leaves,
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["object", "array", ["object", "null"]]),
            "properties": st.dictionaries(words, inner, max_size=3),
            "required": st.lists(words, max_size=3),
            "items": st.one_of(inner, st.lists(inner, max_size=2)),
            "anyOf": st.lists(inner, max_size=3),
            "oneOf": st.lists(inner, max_size=2),
            "allOf": st.lists(inner, max_size=2),
            "$defs": st.dictionaries(words, inner, max_size=2),
            "additionalProperties": st.booleans(),
        },
    ),
    max_leaves=12,
)


@given(schemas.filter(lambda schema: isinstance(schema, dict)), st.dictionaries(words, schemas, max_size=2))
def test_whatever_comes_in_gemini_accepts_what_goes_out(schema: Any, defs: Any) -> None:
    try:
        cleaned = clean(schema | {"$defs": defs})
    except Unsupported:
        return
    check(cleaned)
    again = clean(lowered(cleaned, "schema"))
    assert again == clean(lowered(again, "schema"))


plain = st.recursive(
    st.one_of(
        st.fixed_dictionaries({"type": st.sampled_from(["number", "boolean", ["integer", "null"]])}),
        st.fixed_dictionaries({"type": st.just("string")}, optional={"pattern": st.text(max_size=3)}),
        st.fixed_dictionaries({"type": st.just("string"), "enum": st.just(["x", "y"])}),
    ),
    lambda inner: st.one_of(
        st.fixed_dictionaries({"type": st.just("array"), "items": inner}, optional={"minItems": st.integers(0, 9)}),
        st.dictionaries(words, inner, min_size=1, max_size=3).map(
            lambda properties: {"type": "object", "properties": properties, "required": sorted(properties)}
        ),
        st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=2, max_size=3)}),
    ),
    max_leaves=10,
)


@given(plain)
def test_a_schema_gemini_can_say_comes_back_as_it_was(schema: Any) -> None:
    assert lowered(clean(schema), "schema") == schema


def test_lowering_names_the_place_of_a_mistake() -> None:
    with pytest.raises(BadRequest, match=r"^s\.properties\.a\.items"):
        lowered({"type": "OBJECT", "properties": {"a": {"type": "ARRAY", "items": 3}}}, "s")


def test_ordering_becomes_the_order_of_the_properties() -> None:
    schema = {"type": "OBJECT", "properties": {"a": {}, "b": {}}, "propertyOrdering": ["b", "a", "zz"]}
    assert list(lowered(schema, "s")["properties"]) == ["b", "a"]
