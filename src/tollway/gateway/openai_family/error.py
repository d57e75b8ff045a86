"""Errors: an upstream's understood, and ours said in OpenAI's envelope."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec

from tollway.core.errors import Fault, TollwayError
from tollway.core.stream import Failed
from tollway.gateway.remedy import masked, remedy_of, retry_after_s

_dump = msgspec.json.Encoder().encode
_MOST_TEXT = 500
_TYPES = {
    "invalid_request": "invalid_request_error",
    "authentication": "authentication_error",
    "permission": "permission_error",
    "not_found": "invalid_request_error",
    "too_large": "invalid_request_error",
    "rate_limited": "rate_limit_error",
    "credits_exhausted": "insufficient_quota",
}
_STATUS_OF_TYPE = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "overloaded_error": 503,
    "server_is_overloaded": 503,
    "service_unavailable_error": 503,
    "slow_down": 503,
    "usage_limit_reached": 429,
    "context_length_exceeded": 400,
    "invalid_prompt": 400,
    "image_content_policy_violation": 400,
}


class _Told(msgspec.Struct):
    """What an error body says, whatever its shape."""

    message: str = ""
    code: str = ""
    field: str | None = None
    status: int = 0
    """The status the body itself states; 0 when it states none."""


def read_error(status: int, headers: Mapping[bytes, bytes], body: bytes) -> Fault:
    """An upstream's error as a fault; its message is kept, without hosts and keys."""
    told = _told(body)
    message = masked(told.message) or f"the provider answered {status} {_phrase(status)}".rstrip()
    return Fault(
        message,
        status=status if status >= 400 else 502,
        remedy=remedy_of(status, told.message, told.code),
        code=told.code or "upstream_error",
        field=told.field,
        retry_after_s=retry_after_s(headers),
    )


def read_fault(body: bytes) -> Fault | None:
    """The fault that an answer with status 200 really is; None when it tells of none."""
    told = _told(body)
    if not told.message and not told.status:
        return None
    status = told.status or 502
    return Fault(
        masked(told.message) or "the provider reported an error",
        status=status,
        remedy=remedy_of(status, told.message, told.code),
        code=told.code or "upstream_error",
        field=told.field,
    )


def read_failure(data: bytes) -> Failed:
    """An error inside a stream; bytes that are no error at all are garbage."""
    told = _told(data)
    if not told.message and not told.status:
        return Failed(502, "bad_response", "the provider sent something that is not a chunk")
    return Failed(told.status or 502, told.code or "upstream_error", masked(told.message) or "the provider failed")


def _told(body: bytes) -> _Told:
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Told(_as_text(body))
    if isinstance(said, list) and said:
        said = said[0]
    if not isinstance(said, dict):
        return _Told()
    error = said.get("error", said.get("errors"))
    if isinstance(error, list) and error:
        error = error[0]
    if isinstance(error, dict):
        return _of_object(error)
    if isinstance(error, str):
        return _Told(error, _word(said.get("code")), status=_status(said.get("code"), ""))
    if "detail" in said or said.get("object") == "error" or ("message" in said and "choices" not in said):
        return _of_object({"message": said.get("detail"), **said})
    return _Told()


def _of_object(error: dict[str, Any]) -> _Told:
    code, kind = error.get("code"), _word(error.get("type"))
    word = _word(code) or kind or _word(error.get("status"))
    message = _sentence(error.get("message")) or _sentence(error.get("detail"))
    metadata = error.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    if isinstance(raw, str) and raw and message.lower() in ("", "provider returned error"):
        message = f"{message}: {raw[:_MOST_TEXT]}".lstrip(": ")  # OpenRouter hides the real reason here
    field = error.get("param")
    return _Told(message, word, field if isinstance(field, str) else None, _status(code, kind))


def _sentence(value: Any) -> str:
    """A message; FastAPI's `detail` and Mistral's nested `message` are lists of places and reasons."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return _sentence(value.get("message") or value.get("detail") or value.get("msg"))
    if isinstance(value, list):
        return "; ".join(_place(item) for item in value[:5] if isinstance(item, dict))
    return ""


def _place(item: dict[str, Any]) -> str:
    where = item.get("loc")
    path = ".".join(str(step) for step in where) if isinstance(where, list) else ""
    return f"{path}: {item.get('msg', '')}".removeprefix(": ")


def _word(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _status(code: Any, kind: str) -> int:
    if isinstance(code, str) and code.isdecimal():
        code = int(code)
    if isinstance(code, int) and 400 <= code <= 599:
        return code
    return _STATUS_OF_TYPE.get(code if isinstance(code, str) else "", _STATUS_OF_TYPE.get(kind, 0))


def _as_text(body: bytes) -> str:
    """A body that is not JSON, if it is a short sentence; a page of HTML says nothing to a caller."""
    text = body[:_MOST_TEXT].decode("utf-8", "replace").strip()
    return "" if text.startswith(("<", "{", "[")) else " ".join(text.split())


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def write_error(error: TollwayError, request_id: str) -> tuple[int, bytes]:
    """(status, body) in OpenAI's envelope."""
    return error.status, _dump(
        {"error": envelope(error.kind, error.code, error.message, error.field, request_id) | error.details}
    )


def envelope(kind: str, code: str, message: str, field: str | None, request_id: str) -> dict[str, Any]:
    """What stands under `error`; the request id ends the message."""
    return {
        "message": f"{message} (request id: {request_id})",
        "type": _TYPES.get(kind, "server_error"),
        "param": field,
        "code": code,
    }
