"""A stand-in for the Responses wire that subscription accounts speak: it streams, or refuses."""

import json
from typing import Any

from tests.mocks.exchange import MockAnswer, MockRequest

PATH = "/backend/responses"


def app(request: MockRequest) -> MockAnswer:
    """Answer one request as the vendor would."""
    if request.demand:
        return error(request.demand, "the mock was told to fail")
    if request.method != "POST" or request.path != PATH:
        return error(404, "Not found")
    body = request.json
    if body.get("stream") is not True:
        return error(400, "Stream must be set to true")
    if not isinstance(body.get("input"), list | str) or not body.get("model"):
        return error(400, "input and model are required")
    text = "You said: " + _last_words(body["input"])
    return MockAnswer.of_stream([_frame(event) for event in events(body, text)])


def error(status: int, message: str, **headers: str) -> MockAnswer:
    """The vendor's own error."""
    kind = {401: "authentication_error", 429: "usage_limit_reached"}.get(status, "invalid_request_error")
    value = {"error": {"message": message, "type": kind, "code": kind, "param": None}}
    return MockAnswer.of_json(value, status, {name.replace("_", "-"): text for name, text in headers.items()})


def _last_words(given: Any) -> str:
    if isinstance(given, str):
        return given
    content = [item["content"] for item in given if item.get("role") == "user"][-1]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def events(body: dict[str, Any], text: str, *, bare_end: bool = False) -> list[dict[str, Any]]:
    """The answer, event by event. `bare_end`: the last one leaves out what was said, as some servers do."""
    words = [word + " " for word in text.split(" ")]
    words[-1] = words[-1][:-1]
    item = {"id": "msg_1", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
    part = {"type": "output_text", "text": text, "annotations": []}
    done = item | {"status": "completed", "content": [part]}
    response = {
        "id": "resp_1", "object": "response", "created_at": 1, "status": "in_progress", "model": body["model"],
        "output": [], "error": None, "incomplete_details": None, "usage": None,
    }  # fmt: skip
    usage = {
        "input_tokens": 7, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": len(words),
        "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 7 + len(words),
    }  # fmt: skip
    at = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    made: list[dict[str, Any]] = [
        {"type": "response.created", "response": response},
        {"type": "response.in_progress", "response": response},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.content_part.added", **at, "part": part | {"text": ""}},
        *({"type": "response.output_text.delta", **at, "delta": word} for word in words),
        {"type": "response.output_text.done", **at, "text": text},
        {"type": "response.content_part.done", **at, "part": part},
        {"type": "response.output_item.done", "output_index": 0, "item": done},
        {
            "type": "response.completed",
            "response": response | {"status": "completed", "output": [] if bare_end else [done], "usage": usage},
        },
    ]
    return [event | {"sequence_number": number} for number, event in enumerate(made)]


def _frame(event: dict[str, Any]) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()
