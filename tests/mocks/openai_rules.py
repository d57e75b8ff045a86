"""What api.openai.com refuses of a chat completions request, and how it says so."""

import re
from collections.abc import Mapping
from typing import Any

NUMBER = (int, float)
FIELDS: Mapping[str, Any] = {
    **dict.fromkeys(("model", "reasoning_effort", "user", "safety_identifier", "service_tier", "verbosity"), str),
    **dict.fromkeys(("prompt_cache_key", "prompt_cache_retention"), str),
    **dict.fromkeys(("messages", "tools", "functions", "modalities"), list),
    **dict.fromkeys(("temperature", "top_p", "presence_penalty", "frequency_penalty"), NUMBER),
    **dict.fromkeys(("max_tokens", "max_completion_tokens", "n", "seed", "top_logprobs"), int),
    **dict.fromkeys(("stream", "store", "logprobs", "parallel_tool_calls"), bool),
    **dict.fromkeys(("stream_options", "response_format", "logit_bias", "metadata", "audio", "prediction"), dict),
    **dict.fromkeys(("web_search_options", "prompt_cache_options", "moderation"), dict),
    "stop": (str, list),
    "tool_choice": (str, dict),
    "function_call": (str, dict),
}
OF_OTHERS: Mapping[str, Any] = {"top_k": int, "min_p": NUMBER, "reasoning": dict, "thinking": dict, "usage": dict}
"""Fields of OpenRouter, vLLM and DeepSeek, known when the model is not one of OpenAI's."""
KINDS = {
    int: "an integer",
    str: "a string",
    bool: "a boolean",
    list: "an array",
    dict: "an object",
    NUMBER: "a decimal",
}
PARTS = {"text": "text", "image_url": "image_url", "input_audio": "input_audio", "file": "file", "refusal": "refusal"}
NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}\Z")


class Refused(Exception):
    """One of the vendor's 400s (or another status)."""

    def __init__(self, message: str, param: str | None = None, code: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.param, self.code, self.status = param, code, status


def ours(model: str) -> bool:
    """Whether the model is one of OpenAI's own."""
    return bool(re.match(r"(gpt-|o\d|chatgpt|ft:)", model))


def reasons(model: str) -> bool:
    """Whether the model is a reasoning model of OpenAI's."""
    return bool(re.match(r"o\d|gpt-5(?!-chat)", model))


def check(body: Any) -> None:
    """Raise Refused for the first thing the vendor would not take; fields named `tomorrow…` are not invented yet."""
    if not isinstance(body, dict):
        raise Refused("We could not parse the JSON body of your request. (It must be an object.)")
    if not isinstance(body.get("model"), str):
        raise Refused("you must provide a model parameter")
    model = body["model"]
    known = FIELDS if ours(model) else {**FIELDS, **OF_OTHERS}
    for name, value in body.items():
        if name.startswith("tomorrow"):
            continue
        if name not in known:
            raise Refused(f"Unknown parameter: '{name}'.", name, "unknown_parameter")
        typed(name, value, known[name])
    _limits(body)
    _model_rules(body, model)
    _tools(body)
    if not body.get("messages"):
        raise Refused("Missing required parameter: 'messages'.", "messages", "missing_required_parameter")
    _messages(body["messages"])


def typed(path: str, value: Any, kind: Any) -> None:
    """Null, or of this type."""
    if value is None:
        return
    wrong_number = isinstance(value, bool) and kind in (int, NUMBER)
    if not isinstance(value, kind) or wrong_number:
        wanted = KINDS.get(kind, "a valid value")
        got = type(value).__name__
        raise Refused(f"Invalid type for '{path}': expected {wanted}, but got {got} instead.", path, "invalid_type")


def need(value: Any, kind: Any, path: str) -> Any:
    """There, and of this type."""
    if value is None:
        raise Refused(f"Missing required parameter: '{path}'.", path, "missing_required_parameter")
    typed(path, value, kind)
    return value


def _limits(body: dict[str, Any]) -> None:
    ranges = {"temperature": (0, 2), "top_p": (0, 1), "presence_penalty": (-2, 2), "frequency_penalty": (-2, 2)}
    ranges |= {"n": (1, 128), "max_tokens": (1, 10**9), "max_completion_tokens": (1, 10**9), "top_logprobs": (0, 20)}
    for name, (least, most) in ranges.items():
        value = body.get(name)
        if value is not None and not least <= value <= most:
            raise Refused(f"Invalid '{name}': {value} is not between {least} and {most}.", name, "out_of_range")
    if isinstance(body.get("stop"), list) and len(body["stop"]) > 4:
        raise Refused("Invalid 'stop': array too long. Expected at most 4.", "stop", "array_above_max_length")
    for name in ("user", "safety_identifier", "prompt_cache_key"):
        if len(body.get(name) or "") > 64:
            raise Refused(f"Invalid '{name}': string too long.", name, "string_above_max_length")
    if body.get("stream_options") is not None and not body.get("stream"):
        raise Refused("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options")
    if body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None:
        raise Refused("Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.")
    if body.get("metadata") and not body.get("store"):
        raise Refused("The 'metadata' parameter is only allowed when 'store' is enabled.", "metadata")


def _model_rules(body: dict[str, Any], model: str) -> None:
    effort = body.get("reasoning_effort")
    if not reasons(model):
        if effort is not None and ours(model):
            raise Refused("Unrecognized request argument supplied: reasoning_effort")
        return
    if body.get("max_tokens") is not None:
        message = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens'."
        raise Refused(message, "max_tokens", "unsupported_parameter")
    if effort not in (None, "none", "minimal", "low", "medium", "high", "xhigh", "max"):
        raise Refused(f"Invalid value: '{effort}'.", "reasoning_effort", "invalid_value")
    if effort == "none":
        return
    if body.get("temperature") not in (None, 1):
        raise Refused("Unsupported value: 'temperature' must be 1.", "temperature", "unsupported_value")
    for name in ("top_p", "logprobs", "presence_penalty", "frequency_penalty"):
        if body.get(name) not in (None, 1, 0, False):
            raise Refused(f"Unsupported parameter: '{name}'.", name, "unsupported_parameter")


def _tools(body: dict[str, Any]) -> None:
    tools = body.get("tools")
    if not tools:
        for name in ("tool_choice", "parallel_tool_calls"):
            if body.get(name) is not None:
                raise Refused(f"Invalid value for '{name}': only allowed when 'tools' are specified.", name)
        if tools is not None:
            raise Refused("Invalid 'tools': empty array.", "tools", "empty_array")
        return
    for index, tool in enumerate(tools):
        path = f"tools[{index}]"
        kind = need(need(tool, dict, path).get("type"), str, f"{path}.type")
        if kind not in ("function", "custom"):
            raise Refused(f"Invalid value: '{kind}'.", f"{path}.type", "invalid_value")
        said = need(tool.get(kind), dict, f"{path}.{kind}")
        if not NAME.match(need(said.get("name"), str, f"{path}.{kind}.name")):
            raise Refused(f"Invalid '{path}.{kind}.name': does not match '^[a-zA-Z0-9_-]+$'.", f"{path}.{kind}.name")
        if said.get("strict"):
            strict(said.get("parameters") or {}, f"{path}.function.parameters")
        elif said.get("parameters") is not None and said["parameters"].get("type") != "object":
            raise Refused(
                "schema must be of type 'object'", f"{path}.function.parameters", "invalid_function_parameters"
            )
    wanted = body.get("response_format") or {}
    if wanted.get("type") == "json_schema" and wanted["json_schema"].get("strict"):
        strict(wanted["json_schema"].get("schema") or {}, "response_format")


def strict(schema: dict[str, Any], path: str) -> None:
    """Fit for strict adherence: closed, and everything required."""
    if schema.get("type") == "object":
        names = schema.get("properties") or {}
        if schema.get("additionalProperties") is not False:
            raise Refused("'additionalProperties' is required to be supplied and to be false.", path, "invalid_schema")
        if set(schema.get("required") or ()) != set(names):
            raise Refused("'required' must include every key in properties.", path, "invalid_schema")
        for name, part in names.items():
            strict(part, f"{path}.{name}")
    if isinstance(schema.get("items"), dict):
        strict(schema["items"], f"{path}.items")


def _messages(messages: list[Any]) -> None:
    open_calls: set[str] = set()
    for index, message in enumerate(messages):
        path = f"messages[{index}]"
        role = need(need(message, dict, path).get("role"), str, f"{path}.role")
        if role not in ("system", "developer", "user", "assistant", "tool", "function"):
            raise Refused(f"Invalid value: '{role}'.", f"{path}.role", "invalid_value")
        if role != "tool" and open_calls:
            raise Refused("An assistant message with 'tool_calls' must be followed by tool messages.", path)
        calls = message.get("tool_calls")
        if message.get("content") is None and not (
            role == "assistant"
            and any(message.get(name) for name in ("tool_calls", "refusal", "audio", "function_call"))
        ):
            raise Refused("Invalid value for 'content': expected a string, got null.", f"{path}.content")
        _content(message.get("content"), role, f"{path}.content")
        if role == "tool":
            call_id = need(message.get("tool_call_id"), str, f"{path}.tool_call_id")
            if call_id not in open_calls:
                raise Refused("messages with role 'tool' must be a response to a preceding message.", path)
            open_calls.discard(call_id)
        elif calls is not None:
            open_calls = _calls(calls, f"{path}.tool_calls")
    if open_calls:
        raise Refused("An assistant message with 'tool_calls' must be followed by tool messages.", "messages")


def _calls(calls: Any, path: str) -> set[str]:
    if not need(calls, list, path):
        raise Refused(f"Invalid '{path}': empty array.", path, "empty_array")
    for index, call in enumerate(calls):
        kind = need(call.get("type"), str, f"{path}[{index}].type")
        said = need(call.get(kind), dict, f"{path}[{index}].{kind}")
        need(said.get("name"), str, f"{path}[{index}].{kind}.name")
        need(said.get("arguments" if kind == "function" else "input"), str, f"{path}[{index}].{kind}.arguments")
        if len(need(call.get("id"), str, f"{path}[{index}].id")) > 40:
            raise Refused(f"Invalid '{path}[{index}].id': string too long.", path, "string_above_max_length")
    return {call["id"] for call in calls}


def _content(content: Any, role: str, path: str) -> None:
    if not isinstance(content, list):
        typed(path, content, (str, list))
        return
    for index, part in enumerate(content):
        place = f"{path}[{index}]"
        kind = need(need(part, dict, place).get("type"), str, f"{place}.type")
        if kind not in PARTS or (role in ("tool", "system", "developer") and kind != "text"):
            raise Refused(f"Invalid value: '{kind}'.", f"{place}.type", "invalid_value")
        value = need(part.get(PARTS[kind]), str if kind in ("text", "refusal") else dict, f"{place}.{kind}")
        if kind == "image_url" and not re.match(r"https?://|data:image/[a-z]+;base64,", value.get("url", "")):
            raise Refused("Invalid image URL.", f"{place}.image_url.url", "invalid_image_url")
        if kind == "input_audio" and value.get("format") not in ("wav", "mp3"):
            raise Refused("Invalid audio format.", f"{place}.input_audio.format", "invalid_value")
        if kind == "file" and not (value.get("file_id") or (value.get("file_data") and value.get("filename"))):
            raise Refused("Missing file_id or file_data with filename.", f"{place}.file")
