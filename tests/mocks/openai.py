"""A stand-in for api.openai.com (and its imitators): strict about what it is asked, exact in what it answers."""

import base64
import hashlib
import json
import re
from typing import Any

from tests.mocks import script
from tests.mocks.exchange import MockAnswer, MockRequest
from tests.mocks.openai_rules import Refused, check, ours, reasons
from tests.mocks.responses import app as responses_app
from tests.mocks.server import run
from tests.mocks.vectors import Unfit, openai_vectors

_TYPES = {401: "invalid_request_error", 403: "invalid_request_error", 429: "requests"}
_CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}
_FINISH = {"tool": "tool_calls", "length": "length"}
_ATTACHED = re.compile(r"see attached (?:image|file|audio|video) \d+")
CREATED = 1_760_000_000


def app(request: MockRequest) -> MockAnswer:
    """Answer one request as the vendor would."""
    if request.path.endswith("/responses"):
        return responses_app(request)
    if request.demand:
        return _error(request.demand, "the mock was told to fail", code=_CODES.get(request.demand))
    if request.method != "POST" or not request.path.endswith(("/chat/completions", "/embeddings")):
        return _error(404, f"Invalid URL ({request.method} {request.path})")
    key = request.headers.get("authorization", "").removeprefix("Bearer ")
    if not key:
        return _error(401, "You didn't provide an API key.")
    if key.startswith("bad"):
        return _error(401, f"Incorrect API key provided: {key}.", code="invalid_api_key")
    try:
        body = request.json
        if request.path.endswith("/embeddings"):
            return MockAnswer.of_json(openai_vectors(body), headers={"x-request-id": "req_mock"})
        check(body)
    except Unfit as refusal:
        return _error(400, str(refusal), refusal.param)
    except Refused as refusal:
        return _error(refusal.status, str(refusal), refusal.param, refusal.code)
    except ValueError:
        return _error(400, "We could not parse the JSON body of your request.")
    except (KeyError, TypeError, AttributeError) as error:
        return _error(400, f"A field is missing or of the wrong type: {error!r}")
    if "missing" in body["model"]:
        return _error(404, f"The model `{body['model']}` does not exist.", code="model_not_found")
    return _answer(body)


def _error(status: int, message: str, param: str | None = None, code: str | None = None) -> MockAnswer:
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    error = {"message": message, "type": kind, "param": param, "code": code}
    return MockAnswer.of_json({"error": error}, status, {"x-request-id": "req_mock"})


def _answer(body: dict[str, Any]) -> MockAnswer:
    scene = script.play(_question(body))
    _obey_tool_choice(body, scene)
    answer_id = "chatcmpl-" + hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:24]
    head = {"id": answer_id, "created": CREATED, "model": body["model"], "service_tier": "default"}
    head["system_fingerprint"] = "fp_mock"
    if body.get("stream"):
        return MockAnswer.of_stream(_frames(body, head, scene), scene.delay_s)
    choices = [_choice(body, scene, index) for index in range(body.get("n") or 1)]
    said = {**head, "object": "chat.completion", "choices": choices}
    if scene.usage is not None:
        said["usage"] = _usage(scene.usage)
    answer = MockAnswer.of_json(said, headers={"x-request-id": "req_mock"})
    answer.delay_s = scene.delay_s
    return answer


def _question(body: dict[str, Any]) -> script.Question:
    turns = [turn for turn in body["messages"] if turn["role"] not in ("system", "developer")]
    last: list[dict[str, Any]] = []
    for turn in reversed(turns):
        if turn["role"] == "assistant" and (last or turn is not turns[-1]):
            break
        last.insert(0, turn)
    said = [part for turn in last if turn["role"] == "user" for part in _parts(turn)]
    media = [_medium(part) for part in said if part["type"] not in ("text", "refusal")]
    results = [_result(turn, media) for turn in last if turn["role"] in ("tool", "function")]
    everything = [part for turn in turns for part in _parts(turn)]
    form = body.get("response_format") or {"type": "text"}
    schemas = {"json_schema": form.get("json_schema", {}).get("schema", {}), "json_object": {}, "text": None}
    effort = body.get("reasoning_effort") or (body.get("reasoning") or {}).get("effort")
    asked = bool(effort or body.get("reasoning") or body.get("thinking") or reasons(body["model"]))
    return script.Question(
        last_user="\n".join(part["text"] for part in said if part["type"] == "text"),
        texts=[part["text"] for part in everything if part["type"] == "text"],
        media=media,
        all_media=sum(part["type"] not in ("text", "refusal") for part in everything),
        results=results,
        tools=[tool[tool["type"]]["name"] for tool in body.get("tools") or []],
        schema=schemas[form["type"]],
        reasoning=asked and effort != "none",
        limit=body.get("max_completion_tokens") or body.get("max_tokens"),
    )


def _parts(turn: dict[str, Any]) -> list[dict[str, Any]]:
    content = turn.get("content")
    return content if isinstance(content, list) else [{"type": "text", "text": content}] if content else []


def _result(turn: dict[str, Any], media: list[script.Medium]) -> script.ToolSaid:
    """A tool's answer; what it says is attached is taken from the user message that follows, in order."""
    text = " ".join(part["text"] for part in _parts(turn))
    failed = text.startswith("Error: ")
    attached = [media.pop(0) for _ in _ATTACHED.findall(text) if media]
    words = " ".join(_ATTACHED.sub("", text.removeprefix("Error: ")).split())
    return script.ToolSaid(words, attached, failed)


def _medium(part: dict[str, Any]) -> script.Medium:
    kind = part["type"]
    value = part[kind]
    if kind == "input_audio":
        mime = {"mp3": "audio/mpeg"}.get(value["format"], f"audio/{value['format']}")
        return script.Medium("audio", mime, base64.b64decode(value["data"]))
    name = {"image_url": "image", "video_url": "video"}.get(kind, "file")
    url = value.get("url") or value.get("file_data") or value.get("file_id", "")
    if not url.startswith("data:"):
        return script.Medium(name, "", url=url)
    mime, _, data = url[5:].partition(";base64,")
    return script.Medium(name, mime, base64.b64decode(data))


def _obey_tool_choice(body: dict[str, Any], scene: script.Scene) -> None:
    """Call a tool when the caller forces one and the marks name none."""
    choice = body.get("tool_choice")
    if choice == "none" and scene.calls:
        scene.calls, scene.finish, scene.text = [], "stop", "no tool"
    if choice in (None, "auto", "none") or scene.calls or any(turn["role"] == "tool" for turn in body["messages"][-1:]):
        return
    named = choice.get("function", {}).get("name") if isinstance(choice, dict) else None
    functions = [tool["function"] for tool in body["tools"] if tool["type"] == "function"]
    chosen = [function for function in functions if function["name"] == (named or functions[-1]["name"])]
    scene.calls = [script.Call(one["name"], script.instance(one.get("parameters") or {})) for one in chosen]
    scene.text, scene.finish = "", "tool"


def _thoughts(body: dict[str, Any], scene: script.Scene) -> str:
    """OpenAI keeps its thoughts to itself; its imitators tell them."""
    return "" if ours(body["model"]) else scene.thought


def _pictures(body: dict[str, Any], scene: script.Scene) -> list[dict[str, Any]]:
    if scene.image is None or ours(body["model"]):
        return []
    url = "data:image/png;base64," + base64.b64encode(scene.image).decode()
    return [{"type": "image_url", "image_url": {"url": url}}]


def _annotations(scene: script.Scene) -> list[dict[str, Any]]:
    if not scene.cited:
        return []
    link = {"url": script.CITED_URL, "title": script.CITED_TITLE, "start_index": 0, "end_index": len(scene.text)}
    return [{"type": "url_citation", "url_citation": link}]


def _calls(body: dict[str, Any], scene: script.Scene, choice: int) -> list[dict[str, Any]]:
    custom = {tool["custom"]["name"] for tool in body.get("tools") or [] if tool["type"] == "custom"}
    said = []
    for index, call in enumerate(scene.calls):
        call_id = f"call_mock{choice}{index}" + hashlib.sha256(call.args_json.encode()).hexdigest()[:14]
        if call.name in custom:
            value = {"type": "custom", "custom": {"name": call.name, "input": call.args_json}}
        else:
            value = {"type": "function", "function": {"name": call.name, "arguments": call.args_json}}
        said.append({"id": call_id, **value})
    return said


def _choice(body: dict[str, Any], scene: script.Scene, index: int) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": scene.text, "refusal": scene.refusal or None}
    if scene.refusal or (scene.calls and not scene.text):
        message["content"] = None
    message["annotations"] = _annotations(scene)
    if _thoughts(body, scene):
        message["reasoning_content"] = _thoughts(body, scene)
    if _pictures(body, scene):
        message["images"] = _pictures(body, scene)
    if scene.calls:
        message["tool_calls"] = _calls(body, scene, index)
    finish = _FINISH.get(scene.finish, "stop")
    return {"index": index, "message": message, "logprobs": None, "finish_reason": finish}


def _usage(usage: script.Usage) -> dict[str, Any]:
    prompt = {"cached_tokens": usage.cache_read, "audio_tokens": 0}
    if usage.cache_write:
        prompt["cache_write_tokens"] = usage.cache_write
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": prompt,
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _frames(body: dict[str, Any], head: dict[str, Any], scene: script.Scene) -> list[bytes]:
    counted = bool((body.get("stream_options") or {}).get("include_usage"))
    chunks: list[dict[str, Any]] = []
    for index in range(body.get("n") or 1):
        for delta in _deltas(body, scene, index):
            choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}
            chunks.append({"choices": [choice], "obfuscation": hashlib.sha256(str(delta).encode()).hexdigest()[:9]})
        finish = _FINISH.get(scene.finish, "stop")
        chunks.append({"choices": [{"index": index, "delta": {}, "logprobs": None, "finish_reason": finish}]})
    if counted:
        chunks = [{**chunk, "usage": None} for chunk in chunks]
        if scene.usage is not None:
            chunks.append({"choices": [], "usage": _usage(scene.usage)})
    whole = [{**head, "object": "chat.completion.chunk", **chunk} for chunk in chunks]
    return [f"data: {json.dumps(chunk)}\n\n".encode() for chunk in whole] + [b"data: [DONE]\n\n"]


def _deltas(body: dict[str, Any], scene: script.Scene, index: int) -> list[dict[str, Any]]:
    first = None if scene.calls and not scene.text else ""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": first, "refusal": None}]
    deltas += [{"reasoning_content": piece} for piece in script.pieces(_thoughts(body, scene))]
    deltas += [{"content": piece} for piece in script.pieces(scene.text)]
    deltas += [{"refusal": piece} for piece in script.pieces(scene.refusal)]
    if _annotations(scene):
        deltas.append({"annotations": _annotations(scene)})
    if _pictures(body, scene):
        deltas.append({"images": _pictures(body, scene)})
    for slot, (call, said) in enumerate(zip(scene.calls, _calls(body, scene, index), strict=True)):
        kind, field = said["type"], "arguments" if said["type"] == "function" else "input"
        opening = {"index": slot, "id": said["id"], "type": kind, kind: {"name": call.name, field: ""}}
        deltas.append({"tool_calls": [opening]})
        deltas += [{"tool_calls": [{"index": slot, kind: {field: piece}}]} for piece in call.fragments]
    return deltas


if __name__ == "__main__":
    run(app)
