"""Tools and the rule for using them, both directions."""

import hashlib
import re
from typing import Any

from tollway.core.chat import ChatRequest, ChoiceMode, Tool, ToolChoice, ToolKind
from tollway.core.errors import Unsupported
from tollway.core.places import Noted
from tollway.gateway.dialects.gemini.schema import clean, lowered
from tollway.gateway.dialects.gemini.seals import FAMILY
from tollway.gateway.gemini_family.spelling import fields, items, text, texts, wrong

WEB_SEARCH = "web_search"
_SEARCH_TOOLS = frozenset({"googleSearch", "googleSearchRetrieval"})
_BUILT_IN = frozenset({"googleSearch", "codeExecution", "urlContext"})
_MODES = {"AUTO": ChoiceMode.AUTO, "VALIDATED": ChoiceMode.AUTO, "ANY": ChoiceMode.REQUIRED, "NONE": ChoiceMode.NONE}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,63}")
_FREE_TEXT = {"type": "OBJECT", "properties": {"input": {"type": "STRING"}}, "required": ["input"]}


def read_tools(value: Any, noted: list[Noted]) -> tuple[Tool, ...]:
    """Function declarations as function tools, anything else as the server tool it is; each place is noted."""
    found: list[tuple[Tool, str]] = []
    for at, item in enumerate(items(value, "tools")):
        for name, settings in fields(item, f"tools[{at}]").items():
            here = f"tools[{at}].{name}"
            if name == "functionDeclarations":
                declared = enumerate(items(settings, here))
                found += [(_read_function(each, f"{here}[{nth}]"), f"{here}[{nth}]") for nth, each in declared]
            else:
                found.append((_read_built_in(name, settings, here), here))
    noted += found
    return tuple(tool for tool, _ in found)


def _read_built_in(name: str, settings: Any, path: str) -> Tool:
    if name in _SEARCH_TOOLS:
        return Tool(name=WEB_SEARCH, kind=ToolKind.SERVER, settings=_read_search(settings))
    if not isinstance(settings, dict):
        raise wrong(path, "must be an object")
    return Tool(name=name, kind=ToolKind.SERVER, family=FAMILY, settings=settings or None)


def _read_search(settings: Any) -> dict[str, Any] | None:
    domains = settings.get("excludeDomains") if isinstance(settings, dict) else None
    return {"blocked_domains": domains} if domains else None


def _read_function(value: Any, path: str) -> Tool:
    declared = fields(value, path)
    if not declared.get("name"):
        raise wrong(f"{path}.name", "is missing")
    schema = declared.get("parametersJsonSchema")
    if schema is not None and not isinstance(schema, dict):
        raise wrong(f"{path}.parametersJsonSchema", "must be an object")
    if schema is None and "parameters" in declared:
        schema = lowered(declared["parameters"], f"{path}.parameters")
    description = declared.get("description")
    return Tool(
        name=text(declared["name"], f"{path}.name"),
        description=None if description is None else text(description, f"{path}.description"),
        schema=schema,
    )


def read_choice(value: Any, path: str = "toolConfig") -> ToolChoice | None:
    """The rule in a toolConfig; None when it states none."""
    config = fields(value, path)
    if "functionCallingConfig" not in config:
        return None
    path = f"{path}.functionCallingConfig"
    config = fields(config["functionCallingConfig"], path)
    mode = text(config.get("mode", "AUTO"), f"{path}.mode").upper()
    if mode == "MODE_UNSPECIFIED":
        return None
    if mode not in _MODES:
        raise wrong(f"{path}.mode", f"unknown mode {mode}")
    names = texts(config.get("allowedFunctionNames", []), f"{path}.allowedFunctionNames")
    return ToolChoice(ChoiceMode.NAMED, names) if names and mode == "ANY" else ToolChoice(_MODES[mode])


class ToolNames:
    """Names as Gemini takes them: what is too long or oddly spelt is shortened, and remembered."""

    def __init__(self) -> None:
        self.renamed: dict[str, str] = {}

    def write(self, name: str) -> str:
        """The upstream's name for the tool the caller calls `name`."""
        if _NAME.fullmatch(name):
            return name
        plain = re.sub(r"[^A-Za-z0-9_.:-]", "_", name)[:52].lstrip("0123456789.:-")
        short = f"{plain or 'tool'}_{hashlib.sha256(name.encode()).hexdigest()[:10]}"
        self.renamed[short] = name
        return short


def write_tools(tools: tuple[Tool, ...], names: ToolNames, dropped: list[str]) -> list[dict[str, Any]]:
    """Gemini's tools: all functions in one entry, one entry for each built-in tool."""
    functions, built_in = [], []
    for at, tool in enumerate(tools):
        if tool.kind is ToolKind.SERVER:
            built_in.append(_write_server(tool, f"tools[{at}]", dropped))
        elif tool.name in _BUILT_IN:
            built_in.append({tool.name: {}})
        else:
            functions.append(_write_function(tool, f"tools[{at}]", names, dropped))
    return ([{"functionDeclarations": functions}] if functions else []) + built_in


def _write_function(tool: Tool, path: str, names: ToolNames, dropped: list[str]) -> dict[str, Any]:
    declared: dict[str, Any] = {"name": names.write(tool.name)}
    if tool.description:
        declared["description"] = tool.description
    if tool.kind is ToolKind.CUSTOM:
        declared["parameters"] = _FREE_TEXT
        if tool.settings:
            dropped.append("tools.format")
        return declared
    if tool.strict:
        dropped.append("tools.strict")
    if tool.cache:
        dropped.append("cache_control")
    if tool.schema:
        parameters = clean(tool.schema, f"{path}.schema")
        if parameters.get("properties") or parameters.get("type") != "OBJECT":
            declared["parameters"] = parameters
    return declared


def _write_server(tool: Tool, path: str, dropped: list[str]) -> dict[str, Any]:
    if tool.family == FAMILY:
        return {tool.name: tool.settings or {}}
    if tool.family is not None or tool.name != WEB_SEARCH:
        raise Unsupported(f"{path}: Gemini has no tool {tool.name}", field=path)
    settings = tool.settings or {}
    if settings.get("allowed_domains"):
        path = f"{path}.allowed_domains"
        raise Unsupported(f"{path}: Gemini cannot limit web search to domains", field=path)
    dropped += [f"web_search.{name}" for name in settings if name not in ("allowed_domains", "blocked_domains")]
    domains = settings.get("blocked_domains")
    return {"googleSearch": {"excludeDomains": domains} if domains else {}}


def write_choice(request: ChatRequest, names: ToolNames) -> dict[str, Any] | None:
    """The functionCallingConfig for the caller's rule; None without one, or without functions to call."""
    choice = request.tool_choice
    functions = [tool for tool in request.tools if tool.kind is not ToolKind.SERVER and tool.name not in _BUILT_IN]
    if choice is None or not functions:
        return None
    if choice.mode is ChoiceMode.NAMED:
        return {"mode": "ANY", "allowedFunctionNames": [names.write(name) for name in choice.names]}
    modes = {ChoiceMode.AUTO: "AUTO", ChoiceMode.REQUIRED: "ANY", ChoiceMode.NONE: "NONE"}
    return {"mode": modes[choice.mode]}
