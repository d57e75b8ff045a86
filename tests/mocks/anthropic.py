"""A stand-in for api.anthropic.com: strict about what it is asked, exact in what it answers."""

import base64
import hashlib
import json
from typing import Any

from tests.mocks import script
from tests.mocks.anthropic_rules import VERSIONS, Refused, check, check_version
from tests.mocks.exchange import MockAnswer, MockRequest
from tests.mocks.server import run

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_STOPS = {"stop": "end_turn", "tool": "tool_use", "length": "max_tokens"}
REDACTED = "mock-redacted:"
"""How this mock's own redacted thoughts begin."""


def app(request: MockRequest) -> MockAnswer:
    """Answer one request as the vendor would."""
    if request.demand:
        return _error(request.demand, "the mock was told to fail")
    counts = request.path == "/v1/messages/count_tokens"
    if request.method != "POST" or not (counts or request.path == "/v1/messages"):
        return _error(404, "Not found")
    key = request.headers.get("x-api-key") or request.headers.get("authorization", "").removeprefix("Bearer ")
    if not key:
        return _error(401, "x-api-key header is required")
    if key.startswith("bad"):
        return _error(401, "invalid x-api-key")
    if request.headers.get("anthropic-version") not in VERSIONS:
        return _error(400, "anthropic-version: header is required")
    try:
        body = request.json
        check(body, counts, request.headers.get("anthropic-beta", ""))
        check_version(body, request.headers["anthropic-version"])
    except Refused as refusal:
        return _error(refusal.status, str(refusal))
    except ValueError:
        return _error(400, "The request body is not valid JSON")
    except (KeyError, TypeError, AttributeError) as error:
        return _error(400, f"messages: a field is missing or of the wrong type: {error!r}")
    return _answer(body, counts)


def _error(status: int, message: str) -> MockAnswer:
    kind = _TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
    value = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_mock"}
    return MockAnswer.of_json(value, status, {"request-id": "req_mock"})


def _answer(body: dict[str, Any], counts: bool) -> MockAnswer:
    question = _question(body)
    scene = script.play(question)
    if counts:
        return MockAnswer.of_json({"input_tokens": scene.usage.input if scene.usage else 1})
    _obey_tool_choice(body, question, scene)
    prefill = _prefill(body)
    if prefill and scene.text.startswith(prefill):
        scene.text = scene.text[len(prefill) :]
    message = _message(body, scene)
    if not body.get("stream"):
        answer = MockAnswer.of_json(message, headers={"request-id": "req_mock"})
        answer.delay_s = scene.delay_s
        return answer
    return MockAnswer.of_stream([_frame(event) for event in _events(message, scene)], scene.delay_s)


def _question(body: dict[str, Any]) -> script.Question:
    turns = [turn for turn in body["messages"] if turn["role"] != "system"]
    last: list[dict[str, Any]] = []
    for turn in reversed(turns):
        if turn["role"] == "assistant" and (last or turn is not turns[-1]):
            break
        if turn["role"] == "user":
            last = _blocks(turn["content"]) + last
    everything = [block for turn in turns for block in _blocks(turn["content"])]
    results = [_result(block) for block in last if block["type"] == "tool_result"]
    form = body.get("output_config", {}).get("format")
    return script.Question(
        last_user="\n".join(block["text"] for block in last if block["type"] == "text"),
        texts=[text for block in everything for text in _texts(block)],
        media=[_medium(block) for block in last if block["type"] in {"image", "document"}],
        results=results,
        tools=[tool["name"] for tool in body.get("tools", [])],
        schema=form["schema"] if form else {} if _prefill(body) == "{" else None,
        reasoning=body.get("thinking", {}).get("type") in {"enabled", "adaptive"},
        limit=body.get("max_tokens"),
    )


def _blocks(content: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _texts(block: dict[str, Any]) -> list[str]:
    if block["type"] == "tool_result":
        return [text for one in _blocks(block.get("content", [])) for text in _texts(one)]
    return [block["text"]] if block["type"] == "text" else []


def _result(block: dict[str, Any]) -> script.ToolSaid:
    parts = _blocks(block.get("content", []))
    text = " ".join(part["text"] for part in parts if part["type"] == "text")
    media = [_medium(part) for part in parts if part["type"] in {"image", "document"}]
    return script.ToolSaid(text, media, bool(block.get("is_error")))


def _medium(block: dict[str, Any]) -> script.Medium:
    source = block["source"]
    kind = "image" if block["type"] == "image" else "file"
    if source["type"] == "base64":
        return script.Medium(kind, source["media_type"], base64.b64decode(source["data"]))
    if source["type"] == "text":
        return script.Medium(kind, "text/plain", source["data"].encode())
    return script.Medium(kind, "", url=source.get("url") or source.get("file_id", ""))


def _prefill(body: dict[str, Any]) -> str:
    last = body["messages"][-1]
    return "".join(_texts(_blocks(last["content"])[-1])) if last["role"] == "assistant" else ""


def _obey_tool_choice(body: dict[str, Any], question: script.Question, scene: script.Scene) -> None:
    """Call a tool when the caller forces one and the marks name none."""
    choice = body.get("tool_choice", {})
    if choice.get("type") == "none":
        scene.calls, scene.finish = [], "stop"
    if choice.get("type") not in {"any", "tool"} or scene.calls or question.results:
        return
    named = [tool for tool in body["tools"] if tool["name"] == choice.get("name", body["tools"][-1]["name"])]
    scene.calls = [script.Call(tool["name"], script.instance(tool.get("input_schema", {}))) for tool in named]
    scene.text, scene.finish = "", "tool"


def _message(body: dict[str, Any], scene: script.Scene) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    if scene.thought:
        content.append({"type": "thinking", "thinking": scene.thought, "signature": scene.signature})
    if scene.redacted:
        content.append({"type": "redacted_thinking", "data": REDACTED + script.sign("redacted")})
    if scene.text or scene.refusal:
        text: dict[str, Any] = {"type": "text", "text": scene.text or scene.refusal}
        content.append(text | {"citations": [_citation(scene)]} if scene.cited else text)
    for number, call in enumerate(scene.calls):
        seed = f"{len(body['messages'])}:{number}:{call.name}:{call.args_json}"
        name = "toolu_" + hashlib.sha256(seed.encode()).hexdigest()[:24]
        content.append({"type": "tool_use", "id": name, "name": call.name, "input": call.args})
    stops = body.get("stop_sequences") or ["STOP"]
    message: dict[str, Any] = {
        "id": "msg_mock",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": content,
        "stop_reason": _STOPS.get(scene.finish, scene.finish),
        "stop_sequence": stops[0] if scene.finish == "stop_sequence" else None,
    }
    if scene.usage:
        message["usage"] = _usage(scene.usage)
    return message


def _citation(scene: script.Scene) -> dict[str, Any]:
    return {
        "type": "web_search_result_location",
        "url": script.CITED_URL,
        "title": script.CITED_TITLE,
        "encrypted_index": "bW9jaw==",
        "cited_text": scene.text[:20],
    }


def _usage(usage: script.Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input - usage.cache_read - usage.cache_write,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation": {"ephemeral_5m_input_tokens": usage.cache_write, "ephemeral_1h_input_tokens": 0},
        "output_tokens": usage.output,
        "output_tokens_details": {"thinking_tokens": usage.reasoning},
        "service_tier": "standard",
    }


def _frame(event: dict[str, Any]) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


def _events(message: dict[str, Any], scene: script.Scene) -> list[dict[str, Any]]:
    usage = message.get("usage")
    first = message | {"content": [], "stop_reason": None, "stop_sequence": None}
    if usage:
        first["usage"] = usage | {"output_tokens": 1}
        first["usage"].pop("output_tokens_details")
    events: list[dict[str, Any]] = [{"type": "message_start", "message": first}]
    for index, block in enumerate(message["content"]):
        call = next((call for call in scene.calls if call.args == block.get("input")), None)
        empty, deltas = _pieces(block, call)
        events.append({"type": "content_block_start", "index": index, "content_block": empty})
        if index == 0:
            events.append({"type": "ping"})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    delta = {"stop_reason": message["stop_reason"], "stop_sequence": message["stop_sequence"]}
    last: dict[str, Any] = {"type": "message_delta", "delta": delta}
    if usage:
        last["usage"] = {
            "output_tokens": usage["output_tokens"],
            "output_tokens_details": usage["output_tokens_details"],
        }
    return [*events, last, {"type": "message_stop"}]


def _pieces(block: dict[str, Any], call: script.Call | None) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The block as it starts, and what is then added to it."""
    if block["type"] == "thinking":
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in script.pieces(block["thinking"])]
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
        return {"type": "thinking", "thinking": "", "signature": ""}, deltas
    if block["type"] == "redacted_thinking":
        return block, []
    if block["type"] == "text":
        added: list[dict[str, Any]] = [{"type": "text_delta", "text": piece} for piece in script.pieces(block["text"])]
        added += [{"type": "citations_delta", "citation": citation} for citation in block.get("citations", [])]
        return {"type": "text", "text": ""}, added
    fragments = call.fragments if call and call.args else []
    added = [{"type": "input_json_delta", "partial_json": fragment} for fragment in ["", *fragments]]
    return block | {"input": {}}, added


if __name__ == "__main__":
    run(app)
