"""Makes a Claude model answer in JSON, by the best means its generation has."""

from typing import Any

import msgspec

from tollway.core.chat import ChatRequest
from tollway.gateway.dialect import Body
from tollway.gateway.dialects.anthropic_messages.traits import Traits

Block = dict[str, Any]
JSON_TOOL = "json_response"
_NOTE = "Answer with one JSON object and nothing else: no prose, no code fence."
_KEPT_OUT = frozenset(
    [
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "maxItems",
        "uniqueItems",
        "minProperties",
        "maxProperties",
    ]
)
"""Keywords that the vendor's structured output refuses; they go on as words in the description."""


class Wish(msgspec.Struct, frozen=True):
    """What must be undone in the answer."""

    unwrap_tool: str | None = None
    prefill: str = ""


def demand_json(request: ChatRequest, body: Body, traits: Traits, system: list[Block]) -> Wish:
    """Write the wish for JSON into `body` and the system blocks."""
    wanted = request.output_format
    if wanted is None:
        return Wish()
    if wanted.schema is None:
        return _ask_for_any(body, traits, system)
    schema = closed(wanted.schema) if traits.structured else None
    if schema is not None:
        form = {"type": "json_schema", "schema": schema}
        body["output_config"] = body.get("output_config", {}) | {"format": form}
        return Wish()
    if wanted.schema.get("type") != "object" or _busy(body):
        _note(system, f"{_NOTE} It must fit this JSON Schema: {msgspec.json.encode(wanted.schema).decode()}")
        return Wish()
    tool = {"name": JSON_TOOL, "description": wanted.description or "Give the answer.", "input_schema": wanted.schema}
    choice = {"type": "any"} if body.get("tools") else {"type": "tool", "name": JSON_TOOL}
    body["tools"] = [*body.get("tools", []), tool]
    body["tool_choice"] = choice
    return Wish(unwrap_tool=JSON_TOOL)


def closed(schema: Any) -> Any:
    """The schema as structured output wants it, every object closed; None when an object must stay open."""
    if isinstance(schema, list):
        items = [closed(one) for one in schema]
        return None if None in items and None not in schema else items
    if not isinstance(schema, dict):
        return schema
    extra = schema.get("additionalProperties")
    if extra is not None and extra is not False:
        return None
    return _closed_object(schema)


def _closed_object(schema: dict[str, Any]) -> dict[str, Any] | None:
    told: dict[str, Any] = {}
    notes: list[str] = []
    for name, value in schema.items():
        if name in _KEPT_OUT:
            notes.append(f"{name}: {value}")
            continue
        told[name] = _closed_member(name, value)
        if told[name] is None and value is not None:
            return None
    if notes:
        told["description"] = " ".join([*([told["description"]] if told.get("description") else []), *notes])
    if told.get("type") == "object" or "properties" in told:
        told["additionalProperties"] = False
    return told


def _closed_member(name: str, value: Any) -> Any:
    if name in {"properties", "$defs", "definitions"} and isinstance(value, dict):
        members = {key: closed(one) for key, one in value.items()}
        return None if any(one is None for one in members.values()) else members
    if name in {"items", "anyOf", "allOf", "oneOf"}:
        return closed(value)
    return value


def _ask_for_any(body: Body, traits: Traits, system: list[Block]) -> Wish:
    _note(system, _NOTE)
    ready = body["messages"][-1]["role"] == "user" and not body.get("tools")
    if not traits.prefill or not ready or _busy(body):
        return Wish()
    body["messages"].append({"role": "assistant", "content": [{"type": "text", "text": "{"}]})
    return Wish(prefill="{")


def _note(system: list[Block], text: str) -> None:
    system.append({"type": "text", "text": text})


def _busy(body: Body) -> bool:
    """Whether thinking is on: it allows neither a forced tool nor a prefill."""
    return body.get("thinking", {}).get("type") in {"enabled", "adaptive"}
