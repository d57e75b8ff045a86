"""Tools and tool choice, both ways (relay.md 6.2, 6.5, 6.18)."""

import hashlib
import re
from typing import Any

import msgspec

from tollway.core.chat import ChatRequest, ChoiceMode, Tool, ToolChoice, ToolKind
from tollway.core.errors import Unsupported
from tollway.gateway.dialects.anthropic_messages.breakpoints import cache_control, cache_of
from tollway.gateway.dialects.anthropic_messages.citations import FAMILY
from tollway.gateway.dialects.anthropic_messages.shape import maybe, need, record, wrong

WEB_SEARCH = "web_search"
_WEB_SEARCH_TYPE = "web_search_20250305"
_USES = {"low": 1, "medium": 5, "high": 10}
_WEB_SETTINGS = ("max_uses", "allowed_domains", "blocked_domains")
_PLACE = ("city", "region", "country", "timezone")
_GOOD_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_MODES = {"auto": ChoiceMode.AUTO, "any": ChoiceMode.REQUIRED, "none": ChoiceMode.NONE, "tool": ChoiceMode.NAMED}
_WORDS = {ChoiceMode.AUTO: "auto", ChoiceMode.REQUIRED: "any", ChoiceMode.NONE: "none"}


def read_tools(wire: Any) -> tuple[Tool, ...]:
    """The tools of a question."""
    if wire is None:
        return ()
    if not isinstance(wire, list):
        raise wrong("tools", "must be an array")
    return tuple(_read_tool(record(one, f"tools[{n}]"), f"tools[{n}]") for n, one in enumerate(wire))


def read_choice(wire: dict[str, Any] | None) -> tuple[ToolChoice | None, bool | None]:
    """(the caller's rule, whether several calls at once are welcome)."""
    if wire is None:
        return None, None
    mode = _MODES.get(need(wire, "type", str, "tool_choice"))
    if mode is None:
        raise wrong("tool_choice.type", "must be `auto`, `any`, `tool` or `none`")
    names = (need(wire, "name", str, "tool_choice"),) if mode is ChoiceMode.NAMED else ()
    disabled = maybe(wire, "disable_parallel_tool_use", bool, "tool_choice")
    return ToolChoice(mode, names), None if disabled is None else not disabled


def good_name(name: str, renamed: dict[str, str]) -> str:
    """The tool's name as the vendor accepts it; what had to change is noted in `renamed`."""
    if _GOOD_NAME.fullmatch(name):
        return name
    short = re.sub(r"[^a-zA-Z0-9_-]", "_", name)[:119] + "_" + hashlib.sha256(name.encode()).hexdigest()[:8]
    renamed[short] = name
    return short


def write_tools(request: ChatRequest, structured: bool, renamed: dict[str, str]) -> list[dict[str, Any]]:
    """The tools, limited to those the caller's choice allows. Raises Unsupported for another vendor's own tools."""
    choice = request.tool_choice
    few = choice.names if choice and choice.mode is ChoiceMode.NAMED and len(choice.names) > 1 else None
    chosen = [(n, tool) for n, tool in enumerate(request.tools) if few is None or tool.name in few]
    return [_write_tool(tool, f"tools[{n}]", structured, renamed) for n, tool in chosen]


def write_choice(request: ChatRequest, renamed: dict[str, str]) -> dict[str, Any] | None:
    """`tool_choice` for a request that has tools."""
    choice, parallel = request.tool_choice, request.parallel_tools
    if choice is None and parallel is None:
        return None
    choice = choice or ToolChoice(ChoiceMode.AUTO)
    if choice.mode is ChoiceMode.NAMED and len(choice.names) == 1:
        said: dict[str, Any] = {"type": "tool", "name": good_name(choice.names[0], renamed)}
    else:
        said = {"type": _WORDS.get(choice.mode, "any")}
    if parallel is not None and choice.mode is not ChoiceMode.NONE:
        said["disable_parallel_tool_use"] = not parallel
    return said


def _read_tool(wire: dict[str, Any], at: str) -> Tool:
    kind = maybe(wire, "type", str, at) or "custom"
    if kind.startswith("web_search_"):
        return Tool(name=WEB_SEARCH, kind=ToolKind.SERVER, settings=_read_search(wire, at), cache=cache_of(wire, at))
    if kind != "custom":
        name = maybe(wire, "name", str, at) or kind
        return Tool(name=name, kind=ToolKind.SERVER, family=FAMILY, settings=wire, cache=cache_of(wire, at))
    return Tool(
        name=need(wire, "name", str, at),
        description=maybe(wire, "description", str, at),
        schema=need(wire, "input_schema", dict, at),
        strict=maybe(wire, "strict", bool, at),
        cache=cache_of(wire, at),
    )


def _read_search(wire: dict[str, Any], at: str) -> dict[str, Any]:
    settings = {name: wire[name] for name in _WEB_SETTINGS if wire.get(name) is not None}
    place = maybe(wire, "user_location", dict, at)
    if place:
        settings["user_location"] = {name: place[name] for name in _PLACE if place.get(name) is not None}
    return settings


def _write_tool(tool: Tool, at: str, structured: bool, renamed: dict[str, str]) -> dict[str, Any]:
    if tool.kind is ToolKind.SERVER:
        return _write_server_tool(tool, at)
    said: dict[str, Any] = {"name": good_name(tool.name, renamed)}
    if tool.description:
        said["description"] = tool.description
    said["input_schema"] = _free_text() if tool.kind is ToolKind.CUSTOM else object_schema(tool.schema)
    if tool.strict and structured and tool.kind is ToolKind.FUNCTION:
        said["strict"] = True
    return said | cache_control(tool.cache)


def _write_server_tool(tool: Tool, at: str) -> dict[str, Any]:
    settings = tool.settings or {}
    if tool.family == FAMILY:
        return settings
    if tool.name != WEB_SEARCH or tool.family is not None:
        raise Unsupported(f"{at}: the tool `{tool.name}` runs at another provider", field=at)
    said: dict[str, Any] = {"type": _WEB_SEARCH_TYPE, "name": WEB_SEARCH}
    said |= {name: settings[name] for name in _WEB_SETTINGS if settings.get(name) is not None}
    if "max_uses" not in said and settings.get("context_size") in _USES:
        said["max_uses"] = _USES[settings["context_size"]]
    place = settings.get("user_location") or {}
    place = place.get("approximate") or place
    place = {name: place[name] for name in _PLACE if place.get(name) is not None}
    if place:
        said["user_location"] = {"type": "approximate"} | place
    return said | cache_control(tool.cache)


def object_schema(schema: dict[str, Any] | None) -> dict[str, Any]:
    """A schema the vendor takes: one of an object, also when the caller gave none."""
    if not schema:
        return {"type": "object", "properties": {}}
    return schema if "type" in schema else {"type": "object"} | schema


def _free_text() -> dict[str, Any]:
    return {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}


_decode = msgspec.json.Decoder().decode


def input_of(args_json: str, kind: ToolKind = ToolKind.FUNCTION) -> dict[str, Any]:
    """A call's arguments as the object Messages wants; text that is no JSON object is kept under `_raw`."""
    if kind is ToolKind.CUSTOM:
        return {"input": args_json}
    if not args_json.strip():
        return {}
    try:
        value = _decode(args_json)
    except (ValueError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {"_raw": args_json}
