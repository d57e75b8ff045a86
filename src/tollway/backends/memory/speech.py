"""Says the parrot's answers in the bytes of OpenAI's chat format, independently of our own codecs."""

import json
import re
from typing import Any

from tollway.backends.memory.parrot import Call, Refused, Wanted

_PIECES = re.compile(r"\s*\S+\s*$|\s*\S+|\s+$")
_KINDS = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error"}


def whole_body(wanted: Wanted, created_s: int) -> bytes:
    """A `chat.completion`."""
    message: dict[str, Any] = {"role": "assistant", "content": wanted.text, "refusal": None}
    if wanted.calls:
        message |= {"content": None, "tool_calls": [_call(call, call.args) for call in wanted.calls]}
    choices = [
        {"index": index, "message": message, "logprobs": None, "finish_reason": wanted.finish}
        for index in range(wanted.answers)
    ]
    return _json(_frame(wanted, created_s, "chat.completion") | {"choices": choices, "usage": _usage(wanted)})


def stream_pieces(wanted: Wanted, created_s: int) -> list[bytes]:
    """SSE frames of `chat.completion.chunk`, one for each word, the `[DONE]` last."""
    frame = _frame(wanted, created_s, "chat.completion.chunk")
    if wanted.show_usage:
        frame["usage"] = None
    frames: list[dict[str, Any]] = []
    for index in range(wanted.answers):
        frames.append(_chunk(frame, index, {"role": "assistant", "content": None if wanted.calls else ""}))
        frames += [_chunk(frame, index, {"content": piece}) for piece in _PIECES.findall(wanted.text)]
        frames += [
            _chunk(frame, index, delta) for slot, call in enumerate(wanted.calls) for delta in _deltas(slot, call)
        ]
        frames.append(_chunk(frame, index, {}, wanted.finish))
    if wanted.show_usage:
        frames.append(frame | {"choices": [], "usage": _usage(wanted)})
    return [b"data: " + _json(each) + b"\n\n" for each in frames] + [b"data: [DONE]\n\n"]


def error_body(refused: Refused) -> bytes:
    """OpenAI's error envelope."""
    kind = "rate_limit_error" if refused.status == 429 else _KINDS.get(refused.status, "server_error")
    return _json({"error": {"message": refused.message, "type": kind, "param": refused.param, "code": refused.code}})


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _frame(wanted: Wanted, created_s: int, kind: str) -> dict[str, Any]:
    return {"id": wanted.id, "object": kind, "created": created_s, "model": wanted.model, "system_fingerprint": "echo"}


def _chunk(frame: dict[str, Any], index: int, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return frame | {"choices": [{"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}]}


def _call(call: Call, args: str) -> dict[str, Any]:
    field = "input" if call.type == "custom" else "arguments"
    return {"id": call.id, "type": call.type, call.type: {"name": call.name, field: args}}


def _deltas(slot: int, call: Call) -> list[dict[str, Any]]:
    field = "input" if call.type == "custom" else "arguments"
    first = {"tool_calls": [{"index": slot} | _call(call, "")]}
    size = max(1, min(16, len(call.args) // 2))
    cuts = [call.args[start : start + size] for start in range(0, len(call.args), size)]
    return [first, *({"tool_calls": [{"index": slot, call.type: {field: cut}}]} for cut in cuts)]


def _usage(wanted: Wanted) -> dict[str, Any]:
    return {
        "prompt_tokens": wanted.prompt_tokens,
        "completion_tokens": wanted.completion_tokens,
        "total_tokens": wanted.prompt_tokens + wanted.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }
