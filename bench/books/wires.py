"""How the mock provider says an answer in each dialect, whole and streamed; an account of its own of what it tells."""

import json
from collections.abc import Iterator
from typing import Any

from bench.books.story import PIECE, Deed, Tokens

CREATED = 1_763_683_200
GARBAGE = b"<html><body>upstream connect error</body></html>"


def told_by(dialect: str, tokens: Tokens) -> Tokens:
    """What a dialect can say of them: Gemini has no word for cache writes."""
    return tokens._replace(cache_write=0) if dialect == "gemini" else tokens


def usage_of(dialect: str, tokens: Tokens) -> dict[str, Any]:
    """Usage as the dialect writes it."""
    asked, said, read, wrote = told_by(dialect, tokens)
    if dialect == "openai":
        return {
            "prompt_tokens": asked,
            "completion_tokens": said,
            "total_tokens": asked + said,
            "prompt_tokens_details": {"cached_tokens": read, "cache_write_tokens": wrote},
        }
    if dialect == "anthropic":
        return {
            "input_tokens": asked - read - wrote,
            "output_tokens": said,
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": wrote,
        }
    return {
        "promptTokenCount": asked,
        "candidatesTokenCount": said,
        "totalTokenCount": asked + said,
        "cachedContentTokenCount": read,
    }


def whole(dialect: str, model: str, deed: Deed) -> bytes:
    """The answer in one piece."""
    text, usage = PIECE * deed.pieces, None if deed.told is None else usage_of(dialect, deed.told)
    said: dict[str, Any]
    if dialect == "openai":
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        said = {"id": "chatcmpl-b", "object": "chat.completion", "created": CREATED, "model": model}
        said |= {"choices": [choice], "usage": usage}
    elif dialect == "anthropic":
        blocks = [{"type": "text", "text": text}] if text else []
        said = {"id": "msg_b", "type": "message", "role": "assistant", "model": model, "content": blocks}
        said |= {"stop_reason": "end_turn", "stop_sequence": None, "usage": usage}
    else:
        parts = [{"text": text}] if text else []
        candidate = {"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}
        said = {"candidates": [candidate], "modelVersion": model, "responseId": "b", "usageMetadata": usage}
    return json.dumps(
        {name: value for name, value in said.items() if value is not None or name == "stop_sequence"}
    ).encode()


def error(dialect: str, status: int, message: str) -> bytes:
    """An error answer."""
    if dialect == "openai":
        return json.dumps({"error": {"message": message, "type": "server_error", "param": None, "code": None}}).encode()
    if dialect == "anthropic":
        kind = {429: "rate_limit_error", 529: "overloaded_error"}.get(status, "api_error")
        return json.dumps({"type": "error", "error": {"type": kind, "message": message}}).encode()
    word = {429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE"}.get(status, "INTERNAL")
    return json.dumps({"error": {"code": status, "message": message, "status": word}}).encode()


def first(dialect: str, model: str, deed: Deed) -> bytes:
    """What a stream says before its first word; Anthropic tells the prompt's size there."""
    if dialect == "openai":
        return _chunk(model, {"role": "assistant", "content": ""}, None)
    if dialect == "gemini":
        return b""
    message: dict[str, Any] = {"id": "msg_b", "type": "message", "role": "assistant", "model": model, "content": []}
    message |= {"stop_reason": None, "stop_sequence": None}
    if deed.told is not None:
        message["usage"] = usage_of(dialect, deed.told._replace(said=1))
    start = _event({"type": "message_start", "message": message})
    return start + _event({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})


def piece(dialect: str, model: str) -> bytes:
    """One piece of a stream; always the same."""
    if dialect == "openai":
        return _chunk(model, {"content": PIECE}, None)
    if dialect == "anthropic":
        delta = {"type": "text_delta", "text": PIECE}
        return _event({"type": "content_block_delta", "index": 0, "delta": delta})
    content = {"content": {"role": "model", "parts": [{"text": PIECE}]}, "index": 0}
    return _data({"candidates": [content], "modelVersion": model, "responseId": "b"}, b"\r\n\r\n")


def last(dialect: str, model: str, deed: Deed) -> bytes:
    """The end of a stream, usage and all, in one write."""
    return b"".join(_last(dialect, model, deed))


def _last(dialect: str, model: str, deed: Deed) -> Iterator[bytes]:
    usage = None if deed.told is None else usage_of(dialect, deed.told)
    if dialect == "openai":
        yield _chunk(model, {}, "stop")
        if usage is not None:
            yield _data({**_head(model), "choices": [], "usage": usage})
        yield b"data: [DONE]\n\n"
    elif dialect == "anthropic":
        yield _event({"type": "content_block_stop", "index": 0})
        delta: dict[str, Any] = {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}}
        yield _event(delta if usage is None else delta | {"usage": {"output_tokens": usage["output_tokens"]}})
        yield _event({"type": "message_stop"})
    else:
        end = {"content": {"role": "model", "parts": [{"text": ""}]}, "finishReason": "STOP", "index": 0}
        said: dict[str, Any] = {"candidates": [end], "modelVersion": model, "responseId": "b"}
        yield _data(said if usage is None else said | {"usageMetadata": usage}, b"\r\n\r\n")


def failure(dialect: str) -> bytes:
    """An error in the middle of a stream."""
    body = error(dialect, 529 if dialect == "anthropic" else 503, "the model is overloaded")
    return (b"event: error\n" if dialect == "anthropic" else b"") + b"data: " + body + b"\n\n"


def _head(model: str) -> dict[str, Any]:
    return {"id": "chatcmpl-b", "object": "chat.completion.chunk", "created": CREATED, "model": model}


def _chunk(model: str, delta: dict[str, Any], finish: str | None) -> bytes:
    return _data({**_head(model), "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def _data(value: dict[str, Any], end: bytes = b"\n\n") -> bytes:
    return b"data: " + json.dumps(value).encode() + end


def _event(value: dict[str, Any]) -> bytes:
    return b"event: " + str(value["type"]).encode() + b"\n" + _data(value)
