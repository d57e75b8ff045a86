"""What api.anthropic.com refuses, in its own words."""

import base64
import binascii
import re
from typing import Any

from tests.mocks import script

VERSIONS = ("2023-06-01", "2026-10-21")
_FIELDS = {
    "model", "messages", "system", "max_tokens", "stream", "temperature", "top_p", "top_k", "stop_sequences",
    "metadata", "service_tier", "tools", "tool_choice", "thinking", "output_config", "cache_control", "container",
    "inference_geo", "speed", "diagnostics",
}  # fmt: skip
_COUNT_FIELDS = _FIELDS - {"max_tokens", "stream", "temperature", "top_p", "top_k", "stop_sequences", "metadata"}
_BETA_FIELDS = {"mcp_servers", "context_management", "output_format"}
_BLOCK_FIELDS: dict[str, set[str]] = {
    "text": {"text", "citations"},
    "image": {"source", "transformations"},
    "document": {"source", "title", "context", "citations"},
    "thinking": {"thinking", "signature"},
    "redacted_thinking": {"data"},
    "tool_use": {"id", "name", "input", "caller"},
    "tool_result": {"tool_use_id", "content", "is_error"},
    "search_result": {"source", "title", "content", "citations"},
    "server_tool_use": {"id", "name", "input", "caller"},
    "web_search_tool_result": {"tool_use_id", "content"},
}
_TOOL_FIELDS = {
    "name", "description", "input_schema", "type", "cache_control", "strict", "defer_loading", "input_examples",
    "eager_input_streaming", "allowed_callers",
}  # fmt: skip
_PICTURES = {"image/jpeg", "image/png", "image/gif", "image/webp"}
_ID = re.compile(r"^[a-zA-Z0-9_-]+$")
_NAME = re.compile(r"^[a-zA-Z0-9_-]{1,128}$")
_VERSION = re.compile(r"(?:opus|sonnet|haiku|fable|mythos)-(\d)(?:-(\d)(?!\d))?")


class Refused(Exception):
    """A 400 (or another status) with the vendor's message."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def check(body: Any, counts: bool, beta: str) -> None:
    """Raises Refused for a body the vendor would refuse. The beta `tomorrow` permits fields not invented yet."""
    _must(isinstance(body, dict), "The request body must be a JSON object")
    known = _COUNT_FIELDS if counts else _FIELDS
    for name in body:
        future = (name in _BETA_FIELDS and beta) or "tomorrow" in beta
        _must(name in known or bool(future), f"{name}: Extra inputs are not permitted")
    for name in ["model", "messages"] + ["max_tokens"] * (not counts):
        _must(body.get(name) is not None, f"{name}: Field required")
    _must(isinstance(body["model"], str) and body["model"] != "", "model: Input should be a valid string")
    version = _version(body["model"])
    if not counts:
        _limit(body)
    _sampling(body, version)
    _tools(body)
    _thinking(body, version)
    _output(body, version)
    _system(body.get("system"))
    _Conversation(body, version, "tomorrow" in beta).check()


def check_version(body: dict[str, Any], version: str) -> None:
    """Raises Refused for what the newer API version took away."""
    if version == VERSIONS[0]:
        return
    for name in ("temperature", "top_p", "top_k"):
        _must(name not in body, f"{name}: Extra inputs are not permitted")
    for turn in body["messages"]:
        blocks = turn["content"] if isinstance(turn["content"], list) else []
        for block in blocks:
            misplaced = block["type"] == "document" if turn["role"] == "assistant" else bool(block.get("citations"))
            _must(not misplaced or block["type"] == "document", "messages: `citations` are not permitted here")


def _must(right: bool, message: str) -> None:
    if not right:
        raise Refused(message)


def _version(model: str) -> tuple[int, int]:
    found = _VERSION.search(model)
    if found is None:
        if model.startswith("claude-3"):
            return (3, 0)
        raise Refused(f"model: {model}", 404)
    return int(found[1]), int(found[2] or 0)


def _limit(body: dict[str, Any]) -> None:
    limit, most = body["max_tokens"], 64_000 if "haiku" in body["model"] else 128_000
    _must(type(limit) is int, "max_tokens: Input should be a valid integer")
    _must(limit >= 1, "max_tokens: Input should be greater than or equal to 1")
    _must(limit <= most, f"max_tokens: {limit} > {most}, which is the maximum allowed number of output tokens")


def _sampling(body: dict[str, Any], version: tuple[int, int]) -> None:
    for name in ("temperature", "top_p"):
        if name in body:
            _must(type(body[name]) in (int, float), f"{name}: Input should be a valid number")
            _must(0 <= body[name] <= 1, f"{name}: range: 0..1")
    if version >= (4, 7):
        for name in ("temperature", "top_p", "top_k"):
            _must(name not in body, f"{name}: this parameter is not supported on this model")
    both = "temperature" in body and "top_p" in body
    _must(not both or version < (4, 1), "`temperature` and `top_p` cannot both be specified for this model")
    for stop in body.get("stop_sequences", []):
        _must(bool(stop.strip()), "stop_sequences: each stop sequence must contain non-whitespace")
    for name in body.get("metadata", {}):
        _must(name == "user_id", f"metadata.{name}: Extra inputs are not permitted")
    _must(body.get("service_tier", "auto") in {"auto", "standard_only"}, "service_tier: Input should be 'auto'")


def _tools(body: dict[str, Any]) -> None:
    tools, choice = body.get("tools", []), body.get("tool_choice")
    names = []
    for number, tool in enumerate(tools):
        at = f"tools.{number}"
        if tool.get("type", "custom") == "custom":
            for field in tool:
                _must(field in _TOOL_FIELDS, f"{at}.custom.{field}: Extra inputs are not permitted")
            _must("input_schema" in tool, f"{at}.custom.input_schema: Field required")
            _must(tool["input_schema"].get("type") == "object", f"{at}.custom.input_schema.type: Field required")
            _must(bool(_NAME.match(tool["name"])), f"{at}.custom.name: String should match pattern '{_NAME.pattern}'")
            if tool.get("strict"):
                _closed(tool["input_schema"], f"{at}.custom")
        names.append(tool["name"])
    _must(len(names) == len(set(names)), "tools: Tool names must be unique.")
    if choice is None:
        return
    _must(bool(tools), "tool_choice: may only be specified while providing tools")
    _must(choice.get("type") in {"auto", "any", "tool", "none"}, "tool_choice: Input tag is not valid")
    _must(choice["type"] != "tool" or choice.get("name") in names, "tool_choice: Tool not found in provided tools")
    none = choice["type"] == "none" and "disable_parallel_tool_use" in choice
    _must(not none, "tool_choice.none.disable_parallel_tool_use: Extra inputs are not permitted")


def _thinking(body: dict[str, Any], version: tuple[int, int]) -> None:
    thinking = body.get("thinking")
    if thinking is None:
        return
    kind = thinking.get("type")
    _must(kind in {"enabled", "adaptive", "disabled"}, "thinking: Input tag is not valid")
    if kind == "disabled":
        _must(version < (5, 5), '"thinking.type.disabled" is not supported for this model.')
        return
    if kind == "adaptive":
        _must(version >= (4, 6), "adaptive thinking is not supported on this model")
    else:
        _must(version < (4, 7), '"thinking.type.enabled" is not supported for this model.')
        budget = thinking.get("budget_tokens")
        _must(type(budget) is int, "thinking.enabled.budget_tokens: Field required")
        low = "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024"
        _must(budget >= 1024, low)
        _must(
            body.get("max_tokens", budget + 1) > budget, "`max_tokens` must be greater than `thinking.budget_tokens`."
        )
    _must(body.get("temperature", 1) == 1, "`temperature` may only be set to 1 when thinking is enabled.")
    _must("top_k" not in body, "`top_k` must be unset when thinking is enabled.")
    _must(body.get("top_p", 1) >= 0.95, "`top_p` must be greater than or equal to 0.95 when thinking is enabled.")
    forced = body.get("tool_choice", {}).get("type") in {"any", "tool"}
    _must(not forced, "Thinking may not be enabled when tool_choice forces tool use.")


def _output(body: dict[str, Any], version: tuple[int, int]) -> None:
    config = body.get("output_config", {})
    for name in config:
        _must(name in {"effort", "format"}, f"output_config.{name}: Extra inputs are not permitted")
    if "effort" in config:
        levels = {"low", "medium", "high"} | ({"max"} if version >= (4, 6) else set())
        levels |= {"xhigh"} if version >= (4, 7) else set()
        _must(version >= (4, 5) and config["effort"] in levels, "output_config.effort: not supported by this model")
    form = config.get("format")
    if form is not None:
        _must(version >= (4, 5), "output_config.format: structured outputs are not supported by this model")
        _must(form.get("type") == "json_schema", "output_config.format: Input tag is not valid")
        _closed(form["schema"], "output_config.format.schema")


def _closed(schema: Any, at: str) -> None:
    if isinstance(schema, list):
        for one in schema:
            _closed(one, at)
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "object":
        right = schema.get("additionalProperties") is False
        _must(right, f"{at}: For 'object' type, 'additionalProperties' must be explicitly set to false")
    for keyword in ("minimum", "maximum", "minLength", "maxLength", "multipleOf", "maxItems"):
        _must(
            keyword not in schema or isinstance(schema[keyword], dict), f"{at}: property '{keyword}' is not supported"
        )
    for name, value in schema.items():
        _closed(list(value.values()) if name in {"properties", "$defs"} else value, at)


def _system(system: Any) -> None:
    if system is None or isinstance(system, str):
        return
    for number, block in enumerate(system):
        _must(block.get("type") == "text", f"system.{number}: Input should be a text block")
        _must(bool(block["text"].strip()), "system: text content blocks must contain non-whitespace text")


class _Conversation:
    """The rules that look at several turns."""

    def __init__(self, body: dict[str, Any], version: tuple[int, int], lenient: bool) -> None:
        self.body, self.version, self.lenient = body, version, lenient
        self.turns: list[tuple[str, list[dict[str, Any]]]] = []
        self.breakpoints = sum("cache_control" in tool for tool in body.get("tools", []))
        system = body.get("system")
        self.breakpoints += sum("cache_control" in block for block in system) if isinstance(system, list) else 0

    def check(self) -> None:
        """Raises Refused."""
        messages = self.body["messages"]
        _must(isinstance(messages, list) and bool(messages), "messages: at least one message is required")
        for number, message in enumerate(messages):
            self._message(message, number)
        _must(self.turns[0][0] == "user", 'messages: first message must use the "user" role')
        limit = f"A maximum of 4 blocks with cache_control may be provided. Found {self.breakpoints}."
        _must(self.breakpoints <= 4, limit)
        self._tool_pairs()
        self._ending()

    def _message(self, message: dict[str, Any], number: int) -> None:
        role, content = message.get("role"), message.get("content")
        for name in message:
            _must(name in {"role", "content"}, f"messages.{number}.{name}: Extra inputs are not permitted")
        if role == "system":
            _must(self.version >= (4, 8), "role 'system' is not supported on this model")
            return
        _must(role in {"user", "assistant"}, f"messages.{number}.role: Input should be 'user' or 'assistant'")
        last = number == len(self.body["messages"]) - 1 and role == "assistant"
        _must(bool(content) or last, f"messages.{number}: all messages must have non-empty content")
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        for place, block in enumerate(blocks):
            self._block(block, f"messages.{number}.content.{place}", str(role))
        if self.turns and self.turns[-1][0] == role:
            self.turns[-1][1].extend(blocks)
        else:
            self.turns.append((str(role), list(blocks)))

    def _block(self, block: dict[str, Any], at: str, role: str) -> None:
        kind = block.get("type", "")
        known = _BLOCK_FIELDS.get(kind)
        _must(known is not None or self.lenient, f"{at}: Input tag '{kind}' found using 'type' does not match")
        for field in block:
            fits = known is None or field in known or field in {"type", "cache_control"} or self.lenient
            _must(fits, f"{at}.{kind}.{field}: Extra inputs are not permitted")
        self.breakpoints += "cache_control" in block
        if kind == "text":
            _must(block["text"] != "", "messages: text content blocks must be non-empty")
            _must(bool(block["text"].strip()), "messages: text content blocks must contain non-whitespace text")
        elif kind in {"image", "document"}:
            _must(role == "user", f"{at}: `{kind}` blocks are only permitted in user messages")
            _source(block["source"], kind, at)
        elif kind == "thinking":
            right = block["signature"] == script.sign(block["thinking"])
            _must(role == "assistant" and right, f"{at}: Invalid `signature` in `thinking` block")
        elif kind == "redacted_thinking":
            _must(block["data"].startswith("mock-redacted:"), f"{at}: Invalid `data` in `redacted_thinking` block")
        elif kind == "tool_use":
            right = bool(_ID.match(block["id"]))
            _must(right, f"{at}.tool_use.id: String should match pattern '{_ID.pattern}'")
            _must(bool(_NAME.match(block["name"])), f"{at}.tool_use.name: String should match pattern")
            _must(isinstance(block["input"], dict), f"{at}.tool_use.input: Input should be a valid dictionary")
        elif kind == "tool_result" and isinstance(block.get("content"), list):
            for place, part in enumerate(block["content"]):
                self._block(part, f"{at}.tool_result.content.{place}", "user")

    def _tool_pairs(self) -> None:
        asked: list[str] = []
        for number, (role, blocks) in enumerate(self.turns):
            if role == "assistant":
                asked = [block["id"] for block in blocks if block["type"] == "tool_use"]
                _must(len(asked) == len(set(asked)), "messages: `tool_use` ids must be unique")
                continue
            told = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
            lead = [block["tool_use_id"] for block in blocks[: len(told)] if block["type"] == "tool_result"]
            for name in told:
                _must(
                    name in asked, f"messages.{number}: unexpected `tool_use_id` found in `tool_result` blocks: {name}."
                )
            missing = [name for name in asked if name not in lead]
            why = f"messages.{number - 1}: `tool_use` ids were found without `tool_result` blocks immediately after: "
            _must(not missing, why + ", ".join(missing))
            asked = []

    def _ending(self) -> None:
        role, blocks = self.turns[-1]
        thinking = self.body.get("thinking", {}).get("type")
        if role == "assistant":
            whole = not any(block["type"] == "tool_use" for block in blocks)
            _must(whole, "messages: `tool_use` ids were found without `tool_result` blocks immediately after")
            ready = self.version < (4, 6)
            _must(
                ready,
                "This model does not support assistant message prefill. The conversation must end with a user message.",
            )
            _must(thinking not in {"enabled", "adaptive"}, "prefill is not supported when thinking is enabled")
            end = str(blocks[-1].get("text", "")) if blocks else ""
            _must(end == end.rstrip(), "messages: final assistant content cannot end with trailing whitespace")
        elif thinking == "enabled" and any(block["type"] == "tool_result" for block in blocks):
            first = self.turns[-2][1][0]["type"]
            right = first in {"thinking", "redacted_thinking"}
            _must(right, f"messages: Expected `thinking` or `redacted_thinking`, but found `{first}`.")


def _source(source: dict[str, Any], kind: str, at: str) -> None:
    place = f"{at}.{kind}.source"
    if source["type"] == "base64":
        known = _PICTURES if kind == "image" else {"application/pdf"}
        _must(source["media_type"] in known, f"{place}.base64.media_type: Input should be one of {sorted(known)}")
        try:
            base64.b64decode(source["data"], validate=True)
        except (binascii.Error, ValueError):
            raise Refused(f"{place}.base64.data: Invalid base64 data") from None
    elif source["type"] == "url":
        _must(source["url"].startswith(("https://", "http://")), f"{place}.url: Only HTTP(S) URLs are supported")
    elif source["type"] == "text":
        _must(kind == "document" and bool(source["data"]), f"{place}.text.data: Input should have at least 1 character")
    else:
        _must(source["type"] in {"file", "content"}, f"{place}: Input tag is not valid")
