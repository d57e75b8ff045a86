"""A stand-in for api.openai.com's newer address: strict about what it is asked, exact in what it answers."""

import base64
import hashlib
import json
from typing import Any

from tests.mocks import script
from tests.mocks.exchange import MockAnswer, MockRequest
from tests.mocks.openai_rules import Refused, reasons
from tests.mocks.responses_rules import CALLS, ENCRYPTED, OUTPUTS, check, encrypted
from tests.mocks.server import run

_TYPES = {429: "rate_limit_error"}
_CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}
CREATED = 1_760_000_000
Fields = dict[str, Any]


def app(request: MockRequest) -> MockAnswer:
    """Answer one request as the vendor would."""
    if request.demand:
        return _error(request.demand, "the mock was told to fail", code=_CODES.get(request.demand))
    if request.method != "POST" or not request.path.endswith("/responses"):
        return _error(404, f"Invalid URL ({request.method} {request.path})")
    key = request.headers.get("authorization", "").removeprefix("Bearer ")
    if not key or key.startswith("bad"):
        return _error(401, f"Incorrect API key provided: {key}.", code="invalid_api_key")
    try:
        body = request.json
        check(body)
    except Refused as refusal:
        return _error(refusal.status, str(refusal), refusal.param, refusal.code)
    except ValueError:
        return _error(400, "We could not parse the JSON body of your request.")
    except (KeyError, TypeError, AttributeError) as error:
        return _error(400, f"A field is missing or of the wrong type: {error!r}")
    return _answer(body)


def _error(status: int, message: str, param: str | None = None, code: str | None = None) -> MockAnswer:
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    error = {"message": message, "type": kind, "param": param, "code": code}
    return MockAnswer.of_json({"error": error}, status, {"x-request-id": "req_mock"})


def _answer(body: Fields) -> MockAnswer:
    scene = script.play(_question(body))
    _obey_tool_choice(body, scene)
    tail = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:40]
    output = _output(body, scene, tail)
    if body.get("stream"):
        return MockAnswer.of_stream(_frames(body, scene, tail, output), scene.delay_s)
    answer = MockAnswer.of_json(_ended(body, scene, tail, output), headers={"x-request-id": "req_mock"})
    answer.delay_s = scene.delay_s
    return answer


def _items(body: Fields) -> list[Fields]:
    asked = body["input"]
    return [{"role": "user", "content": asked}] if isinstance(asked, str) else asked


def _parts(content: Any) -> list[Fields]:
    return content if isinstance(content, list) else [{"type": "input_text", "text": content}]


def _question(body: Fields) -> script.Question:
    items = [item for item in _items(body) if item.get("role") not in ("system", "developer")]
    last: list[Fields] = []
    for item in reversed(items):
        if item.get("role") == "assistant" or item.get("type") in (*CALLS, "reasoning"):
            break
        last.insert(0, item)
    said = [part for item in last if item.get("role") == "user" for part in _parts(item["content"])]
    results = [_result(item) for item in last if item.get("type") in OUTPUTS]
    everything = [part for item in items if "content" in item for part in _parts(item["content"])]
    everything += [part for item in items if item.get("type") in OUTPUTS for part in _parts(item["output"])]
    form = (body.get("text") or {}).get("format") or {"type": "text"}
    schemas = {"json_schema": form.get("schema", {}), "json_object": {}, "text": None}
    return script.Question(
        last_user="\n".join(part["text"] for part in said if part["type"] == "input_text"),
        texts=[part["text"] for part in everything if "text" in part],
        media=[_medium(part) for part in said if part["type"] != "input_text"],
        all_media=sum("text" not in part and part["type"] != "refusal" for part in everything),
        results=results,
        tools=[tool["name"] for tool in body.get("tools") or [] if "name" in tool],
        schema=schemas[form["type"]],
        reasoning=reasons(body["model"]) and (body.get("reasoning") or {}).get("effort") != "none",
        limit=body.get("max_output_tokens"),
    )


def _result(item: Fields) -> script.ToolSaid:
    parts = _parts(item["output"])
    text = " ".join(part["text"] for part in parts if "text" in part)
    media = [_medium(part) for part in parts if "text" not in part]
    return script.ToolSaid(text.removeprefix("Error: "), media, text.startswith("Error: "))


def _medium(part: Fields) -> script.Medium:
    if part["type"] == "input_audio":
        sound = part["input_audio"]
        return script.Medium("audio", f"audio/{sound['format']}", base64.b64decode(sound["data"]))
    kind = part["type"].removeprefix("input_")
    url = part.get("image_url") or part.get("file_data") or part.get("file_url") or part.get("file_id", "")
    if not url.startswith("data:"):
        return script.Medium(kind, "", url=url)
    mime, _, data = url[5:].partition(";base64,")
    return script.Medium(kind, mime, base64.b64decode(data))


def _obey_tool_choice(body: Fields, scene: script.Scene) -> None:
    """Call a tool when the caller forces one and the marks name none."""
    choice = body.get("tool_choice")
    if choice == "none" and scene.calls:
        scene.calls, scene.finish, scene.text = [], "stop", "no tool"
    if choice in (None, "auto", "none") or scene.calls or _items(body)[-1].get("type") in OUTPUTS:
        return
    named = choice.get("name") if isinstance(choice, dict) else None
    functions = [tool for tool in body["tools"] if tool["type"] == "function"]
    chosen = [tool for tool in functions if tool["name"] == (named or functions[-1]["name"])]
    scene.calls = [script.Call(one["name"], script.instance(one.get("parameters") or {})) for one in chosen]
    scene.text, scene.finish = "", "tool"


def _output(body: Fields, scene: script.Scene, tail: str) -> list[Fields]:
    output: list[Fields] = []
    if scene.thought:
        told = (body.get("reasoning") or {}).get("summary")
        item: Fields = {"id": f"rs_{tail}", "type": "reasoning"}
        item["summary"] = [{"type": "summary_text", "text": scene.thought}] if told else []
        if ENCRYPTED in (body.get("include") or []):
            item["encrypted_content"] = encrypted(item["id"])
        output.append(item)
    if scene.cited and any(tool["type"].startswith("web_search") for tool in body.get("tools") or []):
        action = {"type": "search", "query": "q"}
        output.append({"id": f"ws_{tail}", "type": "web_search_call", "status": "completed", "action": action})
    if scene.text or scene.refusal:
        output.append(_message(scene, tail))
    custom = {tool["name"] for tool in body.get("tools") or [] if tool["type"] == "custom"}
    for index, call in enumerate(scene.calls):
        call_id = f"call_mock{index}" + hashlib.sha256(call.args_json.encode()).hexdigest()[:14]
        if call.name in custom:
            said: Fields = {"id": f"ctc_{tail}{index}", "type": "custom_tool_call", "input": call.args_json}
        else:
            said = {"id": f"fc_{tail}{index}", "type": "function_call", "arguments": call.args_json}
        output.append({**said, "status": "completed", "call_id": call_id, "name": call.name})
    return output


def _message(scene: script.Scene, tail: str) -> Fields:
    notes: list[Fields] = []
    if scene.cited:
        place = {"start_index": 0, "end_index": len(scene.text)}
        notes = [{"type": "url_citation", "url": script.CITED_URL, "title": script.CITED_TITLE, **place}]
    part: Fields = {"type": "output_text", "annotations": notes, "logprobs": [], "text": scene.text}
    if scene.refusal:
        part = {"type": "refusal", "refusal": scene.refusal}
    status = "incomplete" if scene.finish == "length" else "completed"
    return {"id": f"msg_{tail}", "type": "message", "status": status, "content": [part], "role": "assistant"}


def _response(body: Fields, tail: str, status: str, output: list[Fields]) -> Fields:
    repeated = ("instructions", "max_output_tokens", "previous_response_id", "prompt_cache_key", "user")
    return {
        "id": f"resp_{tail}", "object": "response", "created_at": CREATED, "status": status, "background": False,
        "error": None, "incomplete_details": None, "model": body["model"], "output": output,
        **{name: body.get(name) for name in repeated}, "parallel_tool_calls": body.get("parallel_tool_calls", True),
        "reasoning": {"effort": None, "summary": None, **(body.get("reasoning") or {})}, "service_tier": "default",
        "store": body.get("store", True), "temperature": body.get("temperature", 1.0), "text": body.get("text") or {},
        "tool_choice": body.get("tool_choice", "auto"), "tools": body.get("tools") or [], "top_p": 1.0,
        "truncation": "disabled", "usage": None, "metadata": body.get("metadata") or {},
    }  # fmt: skip


def _ended(body: Fields, scene: script.Scene, tail: str, output: list[Fields]) -> Fields:
    cut = scene.finish == "length"
    response = _response(body, tail, "incomplete" if cut else "completed", output)
    response["incomplete_details"] = {"reason": "max_output_tokens"} if cut else None
    usage = scene.usage
    if usage is not None:
        response["usage"] = {
            "input_tokens": usage.input,
            "input_tokens_details": {"cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write},
            "output_tokens": usage.output,
            "output_tokens_details": {"reasoning_tokens": usage.reasoning},
            "total_tokens": usage.input + usage.output,
        }
    return response


def _frames(body: Fields, scene: script.Scene, tail: str, output: list[Fields]) -> list[bytes]:
    begun = _response(body, tail, "in_progress", [])
    events: list[tuple[str, Fields]] = [("response.created", {"response": begun})]
    events.append(("response.in_progress", {"response": begun}))
    for index, item in enumerate(output):
        events += [(f"response.{name}", {"output_index": index, **told}) for name, told in _of_item(item)]
    ended = _ended(body, scene, tail, output)
    events.append((f"response.{ended['status']}", {"response": ended}))
    frames = []
    for number, (kind, told) in enumerate(events):
        veil = {"obfuscation": hashlib.sha256(str(told).encode()).hexdigest()[:9]} if "delta" in told else {}
        said = json.dumps({"type": kind, "sequence_number": number, **told, **veil}, ensure_ascii=False)
        frames.append(f"event: {kind}\ndata: {said}\n\n".encode())
    return frames


def _of_item(item: Fields) -> list[tuple[str, Fields]]:
    begun = {**item, **({"status": "in_progress"} if "status" in item else {})}
    told: list[tuple[str, Fields]] = []
    if item["type"] == "message":
        begun["content"], told = [], _of_part(item["content"][0])
    elif item["type"] == "reasoning":
        begun["summary"] = []
        told = [one for at, part in enumerate(item["summary"]) for one in _of_summary(at, part)]
    elif item["type"] in CALLS:
        field = CALLS[item["type"]]
        begun[field] = ""
        name = "custom_tool_call_input" if field == "input" else "function_call_arguments"
        told = [(f"{name}.delta", {"delta": piece}) for piece in script.pieces(item[field])]
        told.append((f"{name}.done", {field: item[field]}))
    else:
        told = [(f"web_search_call.{word}", {}) for word in ("in_progress", "searching", "completed")]
    mine = [(name, {"item_id": item["id"], **fields}) for name, fields in told]
    return [("output_item.added", {"item": begun}), *mine, ("output_item.done", {"item": item})]


def _of_part(part: Fields) -> list[tuple[str, Fields]]:
    at = {"content_index": 0}
    if part["type"] == "refusal":
        empty, name, field = {"type": "refusal", "refusal": ""}, "refusal", "refusal"
    else:
        empty, name, field = {**part, "text": "", "annotations": []}, "output_text", "text"
    logs = {"logprobs": []} if field == "text" else {}
    told = [("content_part.added", {**at, "part": empty})]
    told += [(f"{name}.delta", {**at, "delta": piece, **logs}) for piece in script.pieces(part[field])]
    for number, note in enumerate(part.get("annotations", [])):
        told.append(("output_text.annotation.added", {**at, "annotation_index": number, "annotation": note}))
    return [*told, (f"{name}.done", {**at, field: part[field], **logs}), ("content_part.done", {**at, "part": part})]


def _of_summary(at: int, part: Fields) -> list[tuple[str, Fields]]:
    place = {"summary_index": at}
    told = [("reasoning_summary_part.added", {**place, "part": {"type": "summary_text", "text": ""}})]
    told += [("reasoning_summary_text.delta", {**place, "delta": piece}) for piece in script.pieces(part["text"])]
    told.append(("reasoning_summary_text.done", {**place, "text": part["text"]}))
    return [*told, ("reasoning_summary_part.done", {**place, "part": part})]


if __name__ == "__main__":
    run(app)
