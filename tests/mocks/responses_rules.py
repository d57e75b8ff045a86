"""What api.openai.com refuses of a request for a response, and how it says so."""

import re
from collections.abc import Mapping
from typing import Any

from tests.mocks import script
from tests.mocks.openai_rules import NAME, NUMBER, Refused, need, reasons, strict, typed

FIELDS: Mapping[str, Any] = {
    **dict.fromkeys(
        ("model", "instructions", "previous_response_id", "user", "safety_identifier", "service_tier"), str
    ),
    **dict.fromkeys(("prompt_cache_key", "truncation"), str),
    **dict.fromkeys(("tools", "include"), list),
    **dict.fromkeys(("temperature", "top_p"), NUMBER),
    **dict.fromkeys(("max_output_tokens", "max_tool_calls", "top_logprobs"), int),
    **dict.fromkeys(("stream", "store", "parallel_tool_calls", "background"), bool),
    **dict.fromkeys(("stream_options", "text", "reasoning", "metadata", "prompt"), dict),
    "input": (str, list),
    "tool_choice": (str, dict),
}
ENCRYPTED = "reasoning.encrypted_content"
INCLUDABLE = {ENCRYPTED, "message.output_text.logprobs", "web_search_call.action.sources", "file_search_call.results"}
SAID_BY = {"assistant": ("output_text", "refusal")}
ASKED_WITH = ("input_text", "input_image", "input_file", "input_audio")
CALLS = {"function_call": "arguments", "custom_tool_call": "input"}
OUTPUTS = {"function_call_output": "function_call", "custom_tool_call_output": "custom_tool_call"}
SERVER_ITEMS = ("web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call")


def encrypted(item_id: str) -> str:
    """The mock's encrypted thought: good for the item of this id only."""
    return "gAAAAA" + script.sign(item_id)


def check(body: Any) -> None:
    """Raise Refused for the first thing the vendor would not take; fields named `tomorrow…` are not invented yet."""
    if not isinstance(body, dict):
        raise Refused("We could not parse the JSON body of your request. (It must be an object.)")
    need(body.get("model"), str, "model")
    for name, value in body.items():
        if name.startswith("tomorrow"):
            continue
        if name not in FIELDS:
            raise Refused(f"Unknown parameter: '{name}'.", name, "unknown_parameter")
        typed(name, value, FIELDS[name])
    _limits(body)
    _model_rules(body)
    _tools(body)
    _form(body.get("text") or {})
    if body.get("previous_response_id"):
        raise Refused("Previous response not found.", "previous_response_id", "previous_response_not_found", 404)
    if not body.get("input"):
        raise Refused("Missing required parameter: 'input'.", "input", "missing_required_parameter")
    if isinstance(body["input"], list):
        _items(body["input"])


def _limits(body: dict[str, Any]) -> None:
    for name, (least, most) in {"temperature": (0, 2), "top_p": (0, 1), "top_logprobs": (0, 20)}.items():
        value = body.get(name)
        if value is not None and not least <= value <= most:
            raise Refused(f"Invalid '{name}': {value} is not between {least} and {most}.", name, "out_of_range")
    limit = body.get("max_output_tokens")
    if limit is not None and limit < 16:
        message = f"Invalid 'max_output_tokens': integer below minimum value. Expected >= 16, but got {limit} instead."
        raise Refused(message, "max_output_tokens", "integer_below_min_value")
    for name in ("user", "safety_identifier", "prompt_cache_key"):
        if len(body.get(name) or "") > 64:
            raise Refused(f"Invalid '{name}': string too long.", name, "string_above_max_length")
    if body.get("stream_options") is not None and not body.get("stream"):
        raise Refused("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options")


def _model_rules(body: dict[str, Any]) -> None:
    thinks = reasons(body["model"])
    for one in body.get("include") or []:
        if one not in INCLUDABLE:
            raise Refused(f"Invalid value: '{one}'.", "include", "invalid_value")
        if one == ENCRYPTED and not thinks:
            raise Refused("Encrypted content is not supported with this model.", "include")
    asked = body.get("reasoning") or {}
    if asked and not thinks:
        raise Refused("Unsupported parameter: 'reasoning.effort' is not supported with this model.", "reasoning.effort")
    if asked.get("effort") not in (None, "none", "minimal", "low", "medium", "high", "xhigh", "max"):
        raise Refused(f"Invalid value: '{asked['effort']}'.", "reasoning.effort", "invalid_value")
    if asked.get("summary") not in (None, "auto", "concise", "detailed"):
        raise Refused(f"Invalid value: '{asked['summary']}'.", "reasoning.summary", "invalid_value")
    for name in ("temperature", "top_p"):
        if thinks and asked.get("effort") != "none" and body.get(name) is not None:
            message = f"Unsupported parameter: '{name}' is not supported with this model."
            raise Refused(message, name, "unsupported_parameter")


def _tools(body: dict[str, Any]) -> None:
    names = []
    for index, tool in enumerate(body.get("tools") or []):
        path = f"tools[{index}]"
        kind = need(need(tool, dict, path).get("type"), str, f"{path}.type")
        if kind not in ("function", "custom", "web_search", "web_search_preview"):
            raise Refused(f"Invalid value: '{kind}'.", f"{path}.type", "invalid_value")
        if kind not in ("function", "custom"):
            continue
        name = need(tool.get("name"), str, f"{path}.name")
        if not NAME.match(name):
            raise Refused(f"Invalid '{path}.name': does not match '^[a-zA-Z0-9_-]+$'.", f"{path}.name")
        names.append(name)
        if kind == "function" and tool.get("strict", True):
            strict(tool.get("parameters") or {}, f"{path}.parameters")
        elif kind == "function" and (tool.get("parameters") or {}).get("type") != "object":
            raise Refused("schema must be of type 'object'", f"{path}.parameters", "invalid_function_parameters")
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and choice.get("type") == "function" and choice.get("name") not in names:
        raise Refused("Tool choice 'function' not found in 'tools' parameter.", "tool_choice")


def _form(text: dict[str, Any]) -> None:
    form = text.get("format") or {"type": "text"}
    if form["type"] == "json_schema":
        need(form.get("name"), str, "text.format.name")
        schema = need(form.get("schema"), dict, "text.format.schema")
        if form.get("strict", True):
            strict(schema, "text.format.schema")


def _items(items: list[Any]) -> None:
    calls: dict[str, str] = {}
    answered: set[str] = set()
    for index, item in enumerate(items):
        path = f"input[{index}]"
        kind = need(item, dict, path).get("type", "message")
        if kind == "message":
            _message(item, path)
        elif kind == "reasoning":
            _thought(item, path)
        elif kind in CALLS:
            need(item.get("name"), str, f"{path}.name")
            need(item.get(CALLS[kind]), str, f"{path}.{CALLS[kind]}")
            calls[_call_id(item, path)] = kind
        elif kind in OUTPUTS:
            call_id = _call_id(item, path)
            if calls.get(call_id) != OUTPUTS[kind]:
                raise Refused(f"No tool call found for {kind.replace('_', ' ')} with call_id {call_id}.", "input")
            answered.add(call_id)
            _content(item.get("output"), ASKED_WITH[:3], f"{path}.output")
        elif kind not in SERVER_ITEMS:
            raise Refused(f"Invalid value: '{kind}'.", f"{path}.type", "invalid_value")
    for call_id in calls.keys() - answered:
        raise Refused(f"No tool output found for function call {call_id}.", "input")


def _call_id(item: dict[str, Any], path: str) -> str:
    call_id: str = need(item.get("call_id"), str, f"{path}.call_id")
    if len(call_id) > 64:
        raise Refused(f"Invalid '{path}.call_id': string too long.", f"{path}.call_id", "string_above_max_length")
    return call_id


def _message(item: dict[str, Any], path: str) -> None:
    role = need(item.get("role"), str, f"{path}.role")
    if role not in ("user", "system", "developer", "assistant"):
        raise Refused(f"Invalid value: '{role}'.", f"{path}.role", "invalid_value")
    _content(item.get("content"), SAID_BY.get(role, ASKED_WITH), f"{path}.content")


def _content(content: Any, kinds: tuple[str, ...], path: str) -> None:
    need(content, (str, list), path)
    for index, part in enumerate(content if isinstance(content, list) else []):
        place = f"{path}[{index}]"
        kind = need(need(part, dict, place).get("type"), str, f"{place}.type")
        if kind not in kinds:
            message = f"Invalid value: '{kind}'. Supported values are: {', '.join(map(repr, kinds))}."
            raise Refused(message, f"{place}.type", "invalid_value")
        if kind in ("input_text", "output_text"):
            need(part.get("text"), str, f"{place}.text")
        elif kind == "input_image" and not part.get("file_id"):
            url = need(part.get("image_url"), str, f"{place}.image_url")
            if not re.match(r"https?://|data:image/[a-z]+;base64,", url):
                raise Refused("Invalid image URL.", f"{place}.image_url", "invalid_image_url")
        elif kind == "input_file" and not (part.get("file_id") or part.get("file_url")):
            need(part.get("file_data"), str, f"{place}.file_data")
            need(part.get("filename"), str, f"{place}.filename")


def _thought(item: dict[str, Any], path: str) -> None:
    need(item.get("summary"), list, f"{path}.summary")
    sealed, item_id = item.get("encrypted_content"), item.get("id")
    if not sealed:
        message = f"Item with id '{item_id}' not found. Items are not persisted when `store` is set to false."
        raise Refused(message, "input", status=404)
    if item_id is not None and sealed != encrypted(item_id):
        message = f"The encrypted content for item {item_id} could not be verified."
        raise Refused(message, path, "invalid_encrypted_content")
