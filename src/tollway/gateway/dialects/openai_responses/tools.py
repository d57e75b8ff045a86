"""Tools and the rule for their use, in both directions (relay.md 6.14)."""

from collections import Counter
from typing import Any

import msgspec

from tollway.core.chat import ChoiceMode, Tool, ToolChoice, ToolKind
from tollway.core.errors import BadRequest, Unsupported
from tollway.core.places import Noted
from tollway.gateway.dialects.openai_responses.namespaces import NAMESPACE, flat
from tollway.gateway.dialects.openai_responses.parts import RAW, listed
from tollway.gateway.openai_family.fields import (
    a_list,
    an_object,
    flag_or_none,
    object_or_none,
    text,
    text_or_none,
    wrong,
)
from tollway.gateway.openai_family.media import cache_hint
from tollway.gateway.openai_family.names import tool_name

WEB_SEARCH = "web_search"
_MODES = {"auto": ChoiceMode.AUTO, "required": ChoiceMode.REQUIRED, "none": ChoiceMode.NONE}
_NO_ARGUMENTS: dict[str, Any] = {"type": "object", "properties": {}}
Wire = dict[str, Any]


def read_tools(value: Any, noted: list[Noted]) -> tuple[Tool, ...]:
    """`tools`; the place of each is noted. Raises BadRequest."""
    if value is None:
        return ()
    found: list[tuple[Tool, str]] = []
    for at, wire in enumerate(listed(value, "tools")):
        path = f"tools[{at}]"
        found += _read_group(wire, path) if wire.get("type") == NAMESPACE else [(_read_tool(wire, path), path)]
    _only_once(found)
    noted += found
    return tuple(tool for tool, _ in found)


def _read_group(wire: Wire, path: str) -> list[tuple[Tool, str]]:
    """The tools of a namespace under their flat names."""
    name = text(wire.get("name"), f"{path}.name")
    members = listed(wire.get("tools"), f"{path}.tools")
    found: list[tuple[Tool, str]] = []
    for at, member in enumerate(members):
        place = f"{path}.tools[{at}]"
        tool = _read_tool(member, place)
        if tool.kind is ToolKind.SERVER:
            raise wrong(f"{place}.type", "`function` or `custom`")
        found.append((msgspec.structs.replace(tool, name=flat(name, tool.name)), place))
    return found


def _only_once(found: list[tuple[Tool, str]]) -> None:
    """Refuse a group's tool whose flat name is another tool's, too: calls of the two could not be told apart."""
    names = Counter(tool.name for tool, _ in found)
    for tool, place in found:
        if names[tool.name] > 1 and ".tools[" in place:
            raise BadRequest(f"{place}.name: another tool is called {tool.name!r}, too", field=f"{place}.name")


def _read_tool(wire: Wire, path: str) -> Tool:
    kind = text(wire.get("type"), f"{path}.type")
    if kind == "function":
        return Tool(
            name=text(wire.get("name"), f"{path}.name"),
            description=text_or_none(wire.get("description"), f"{path}.description"),
            schema=object_or_none(wire.get("parameters"), f"{path}.parameters"),
            strict=flag_or_none(wire.get("strict"), f"{path}.strict"),
            cache=cache_hint(wire),
        )
    if kind == "custom":
        return Tool(
            name=text(wire.get("name"), f"{path}.name"),
            description=text_or_none(wire.get("description"), f"{path}.description"),
            kind=ToolKind.CUSTOM,
            settings=_nested(object_or_none(wire.get("format"), f"{path}.format")),
        )
    if kind.startswith(WEB_SEARCH):
        return Tool(name=WEB_SEARCH, kind=ToolKind.SERVER, settings=_read_search(wire, path))
    return Tool(name=kind, kind=ToolKind.SERVER, family=RAW, settings=wire)


def _nested(form: Wire | None) -> Wire | None:
    """The format of a custom tool as chat completions nest it: a grammar under its own name."""
    if form is None or form.get("type") != "grammar":
        return form
    return {"type": "grammar", "grammar": {name: value for name, value in form.items() if name != "type"}}


def _flat(form: Wire | None) -> Wire | None:
    grammar = form.get("grammar") if form is not None else None
    return {"type": "grammar", **grammar} if isinstance(grammar, dict) else form


def _read_search(wire: Wire, path: str) -> Wire:
    settings: Wire = {}
    size = text_or_none(wire.get("search_context_size"), f"{path}.search_context_size")
    if size is not None:
        settings["context_size"] = size
    place = object_or_none(wire.get("user_location"), f"{path}.user_location")
    if place is not None:
        settings["user_location"] = {"type": "approximate", **place}
    filters = object_or_none(wire.get("filters"), f"{path}.filters") or {}
    domains = filters.get("allowed_domains")
    if domains is not None:
        at = f"{path}.filters.allowed_domains"
        settings["allowed_domains"] = [text(one, f"{at}[{n}]") for n, one in enumerate(a_list(domains, at))]
    return settings


def read_choice(choice: Any) -> tuple[ToolChoice | None, frozenset[str] | None]:
    """The rule, and the names of the only tools to offer (None: all of them)."""
    if choice is None:
        return None, None
    if isinstance(choice, str):
        return ToolChoice(_mode(choice, "tool_choice")), None
    wire = an_object(choice, "tool_choice")
    if wire.get("type") != "allowed_tools":
        return ToolChoice(ChoiceMode.NAMED, (_named(wire, "tool_choice"),)), None
    tools = listed(wire.get("tools"), "tool_choice.tools")
    names = tuple(_named(tool, f"tool_choice.tools[{at}]") for at, tool in enumerate(tools))
    mode = _mode(wire.get("mode", "auto"), "tool_choice.mode")
    if mode is ChoiceMode.REQUIRED:
        return ToolChoice(ChoiceMode.NAMED, names), None
    return ToolChoice(mode), frozenset(names)


def _mode(value: Any, path: str) -> ChoiceMode:
    mode = _MODES.get(value) if isinstance(value, str) else None
    if mode is None:
        raise wrong(path, "`auto`, `required`, `none` or an object")
    return mode


def _named(wire: Wire, path: str) -> str:
    kind = text(wire.get("type"), f"{path}.type")
    if kind in ("function", "custom"):
        return flat(wire.get(NAMESPACE), text(wire.get("name"), f"{path}.name"))
    return WEB_SEARCH if kind.startswith(WEB_SEARCH) else kind


def write_tools(tools: tuple[Tool, ...]) -> list[Wire]:
    """`tools`. Raises Unsupported for tools that only another provider can run."""
    return [_write_tool(tool, f"tools[{at}]") for at, tool in enumerate(tools)]


def _write_tool(tool: Tool, path: str) -> Wire:
    if tool.kind is ToolKind.CUSTOM:
        custom = {"name": tool_name(tool.name), "description": tool.description, "format": _flat(tool.settings)}
        return {"type": "custom", **_present(custom)}
    if tool.kind is ToolKind.SERVER:
        return _write_server_tool(tool, path)
    said: Wire = {"type": "function", "name": tool_name(tool.name)}
    if tool.description is not None:
        said["description"] = tool.description
    # what is left open means strict here, and a schema that was not written for it would be refused
    return said | {"parameters": tool.schema or _NO_ARGUMENTS, "strict": bool(tool.strict)}


def _write_server_tool(tool: Tool, path: str) -> Wire:
    if tool.family == RAW:
        return dict(tool.settings or {"type": tool.name})
    if tool.name != WEB_SEARCH or tool.family is not None:
        raise Unsupported(f"{path}: the server tool {tool.name!r} runs at its own provider only", field=path)
    settings = tool.settings or {}
    if settings.get("blocked_domains"):
        at = f"{path}.blocked_domains"
        raise Unsupported(f"{at}: this provider's search can only be told where to look, not where not to", field=at)
    said: Wire = {"type": WEB_SEARCH}
    if settings.get("context_size"):
        said["search_context_size"] = settings["context_size"]
    if isinstance(settings.get("user_location"), dict):
        said["user_location"] = {"type": "approximate", **settings["user_location"]}
    if settings.get("allowed_domains"):
        said["filters"] = {"allowed_domains": settings["allowed_domains"]}
    return said


def write_choice(choice: ToolChoice, tools: tuple[Tool, ...]) -> Any:
    """`tool_choice`. Raises Unsupported for a choice that names no tool of these."""
    if choice.mode is not ChoiceMode.NAMED:
        return choice.mode.value
    kinds = {tool.name: tool.kind for tool in tools}
    if not choice.names or not kinds.keys() >= set(choice.names):
        raise Unsupported("tool_choice: names a tool that is not among the tools", field="tool_choice")
    named = [_choice_of(name, kinds[name]) for name in choice.names]
    if len(named) == 1:
        return named[0]
    return {"type": "allowed_tools", "mode": "required", "tools": named}


def _choice_of(name: str, kind: ToolKind) -> Wire:
    return {"type": name} if kind is ToolKind.SERVER else {"type": kind.value, "name": tool_name(name)}


def _present(fields: Wire) -> Wire:
    return {name: value for name, value in fields.items() if value is not None}
