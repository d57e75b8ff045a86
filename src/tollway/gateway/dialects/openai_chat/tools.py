"""Tools and the rule for their use, in both directions."""

from typing import Any

from tollway.core.chat import ChoiceMode, Tool, ToolChoice, ToolKind
from tollway.core.errors import BadRequest, Unsupported
from tollway.core.places import Noted
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

_MODES = {"auto": ChoiceMode.AUTO, "required": ChoiceMode.REQUIRED, "none": ChoiceMode.NONE, "any": ChoiceMode.REQUIRED}
WEB_SEARCH = "web_search"


def read_tools(tools: Any, functions: Any, search: Any, noted: list[Noted]) -> tuple[Tool, ...]:
    """`tools`, legacy `functions` and `web_search_options` as one list; the place of each is noted."""
    found: list[tuple[Tool, str]] = []
    for index, wire in enumerate(_listed(tools, "tools")):
        tool = _read_tool(wire, f"tools[{index}]")
        found.append((tool, f"tools[{index}].{tool.kind.value}"))
    for index, function in enumerate(_listed(functions, "functions")):
        found.append((_read_function(function, f"functions[{index}]", None), f"functions[{index}]"))
    if search is not None:
        found.append((_read_search(search, "web_search_options"), "web_search_options"))
    noted += found
    return tuple(tool for tool, _ in found)


def _listed(value: Any, path: str) -> list[Any]:
    return [] if value is None else a_list(value, path)


def _read_tool(value: Any, path: str) -> Tool:
    tool = an_object(value, path)
    kind = text(tool.get("type", "function"), f"{path}.type")
    if kind == "function":
        return _read_function(tool.get("function"), f"{path}.function", cache_hint(tool))
    if kind == "custom":
        custom = an_object(tool.get("custom"), f"{path}.custom")
        return Tool(
            name=text(custom.get("name"), f"{path}.custom.name"),
            description=text_or_none(custom.get("description"), f"{path}.custom.description"),
            kind=ToolKind.CUSTOM,
            settings=object_or_none(custom.get("format"), f"{path}.custom.format"),
        )
    raise BadRequest(f"{path}.type: unknown kind of tool {kind!r}", field=f"{path}.type")


def _read_function(value: Any, path: str, cache: str | None) -> Tool:
    function = an_object(value, path)
    return Tool(
        name=text(function.get("name"), f"{path}.name"),
        description=text_or_none(function.get("description"), f"{path}.description"),
        schema=object_or_none(function.get("parameters"), f"{path}.parameters"),
        strict=flag_or_none(function.get("strict"), f"{path}.strict"),
        cache=cache or cache_hint(function),
    )


def _read_search(value: Any, path: str) -> Tool:
    search = an_object(value, path)
    settings: dict[str, Any] = {}
    size = text_or_none(search.get("search_context_size"), f"{path}.search_context_size")
    if size is not None:
        settings["context_size"] = size
    place = object_or_none(search.get("user_location"), f"{path}.user_location")
    if place is not None:
        near = an_object(place.get("approximate", {}), f"{path}.user_location.approximate")
        settings["user_location"] = {"type": "approximate", **near}
    return Tool(name=WEB_SEARCH, kind=ToolKind.SERVER, settings=settings)


def read_choice(choice: Any, legacy: Any) -> tuple[ToolChoice | None, frozenset[str] | None]:
    """The rule, and the names of the only tools to offer (None: all of them)."""
    if choice is None and legacy is not None:
        if isinstance(legacy, dict):
            return ToolChoice(ChoiceMode.NAMED, (text(legacy.get("name"), "function_call.name"),)), None
        return ToolChoice(_mode(legacy, "function_call")), None
    if choice is None:
        return None, None
    if not isinstance(choice, dict):
        return ToolChoice(_mode(choice, "tool_choice")), None
    kind = text(choice.get("type"), "tool_choice.type")
    if kind in ("function", "custom"):
        return ToolChoice(ChoiceMode.NAMED, (_named(choice, "tool_choice"),)), None
    if kind == "allowed_tools":
        return _read_allowed(choice)
    raise BadRequest(f"tool_choice.type: unknown {kind!r}", field="tool_choice.type")


def _read_allowed(choice: dict[str, Any]) -> tuple[ToolChoice, frozenset[str] | None]:
    path = "tool_choice.allowed_tools"
    allowed = an_object(choice.get("allowed_tools"), path)
    tools = a_list(allowed.get("tools"), f"{path}.tools")
    names = tuple(_named(an_object(tool, f"{path}.tools[{i}]"), f"{path}.tools[{i}]") for i, tool in enumerate(tools))
    mode = _mode(allowed.get("mode", "auto"), f"{path}.mode")
    if mode is ChoiceMode.REQUIRED:
        return ToolChoice(ChoiceMode.NAMED, names), None
    return ToolChoice(mode), frozenset(names)


def _mode(value: Any, path: str) -> ChoiceMode:
    mode = _MODES.get(value) if isinstance(value, str) else None
    if mode is None:
        raise wrong(path, "`auto`, `required`, `none` or an object")
    return mode


def _named(tool: dict[str, Any], path: str) -> str:
    kind = text(tool.get("type", "function"), f"{path}.type")
    return text(an_object(tool.get(kind, tool), f"{path}.{kind}").get("name"), f"{path}.{kind}.name")


def write_tools(tools: tuple[Tool, ...], keep_cache: bool) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """(`tools`, `web_search_options`). Raises Unsupported for tools that only another provider can run."""
    said: list[dict[str, Any]] = []
    search = None
    for index, tool in enumerate(tools):
        if tool.kind is ToolKind.SERVER:
            search = _write_search(tool, f"tools[{index}]")
        elif tool.kind is ToolKind.CUSTOM:
            custom = {"name": tool_name(tool.name), "description": tool.description, "format": tool.settings}
            said.append({"type": "custom", "custom": _present(custom)})
        else:
            function = {"name": tool_name(tool.name), "description": tool.description, "parameters": tool.schema}
            written: dict[str, Any] = {"type": "function", "function": _present(function | {"strict": tool.strict})}
            if keep_cache and tool.cache:
                written["cache_control"] = {"type": "ephemeral"}
            said.append(written)
    return said, search


def _write_search(tool: Tool, path: str) -> dict[str, Any]:
    if tool.name != WEB_SEARCH or tool.family is not None:
        raise Unsupported(f"{path}: the server tool {tool.name!r} runs at its own provider only", field=path)
    settings = tool.settings or {}
    for limit in ("allowed_domains", "blocked_domains"):
        if settings.get(limit):
            raise Unsupported(f"{path}.{limit}: chat completions cannot limit a web search", field=f"{path}.{limit}")
    search: dict[str, Any] = {}
    if settings.get("context_size"):
        search["search_context_size"] = settings["context_size"]
    place = settings.get("user_location")
    if isinstance(place, dict):
        near = {name: value for name, value in place.items() if name != "type" and value is not None}
        search["user_location"] = {"type": "approximate", "approximate": near}
    return search


def write_choice(choice: ToolChoice, tools: tuple[Tool, ...]) -> Any:
    """`tool_choice`."""
    if choice.mode is not ChoiceMode.NAMED:
        return choice.mode.value
    kinds = {tool.name: tool.kind for tool in tools}
    named = [_choice_of(name, kinds.get(name, ToolKind.FUNCTION)) for name in choice.names]
    if len(named) == 1:
        return named[0]
    return {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": named}}


def _choice_of(name: str, kind: ToolKind) -> dict[str, Any]:
    if kind is ToolKind.SERVER:
        raise Unsupported(f"tool_choice: a web search cannot be demanded by name here ({name})", field="tool_choice")
    return {"type": kind.value, kind.value: {"name": tool_name(name)}}


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
