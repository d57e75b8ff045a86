"""Errors of the Messages dialect, both ways."""

from collections.abc import Mapping
from typing import Any

import msgspec

from tollway.core.errors import Fault, TollwayError
from tollway.gateway.remedy import masked, remedy_of, retry_after_s

_TYPE_OF_KIND = {
    "invalid_request": "invalid_request_error",
    "authentication": "authentication_error",
    "permission": "permission_error",
    "not_found": "not_found_error",
    "too_large": "request_too_large",
    "rate_limited": "rate_limit_error",
    "credits_exhausted": "rate_limit_error",
    "overloaded": "overloaded_error",
    "timeout": "timeout_error",
}
_STATUS_OF_TYPE = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_TYPE_OF_STATUS = {status: word for word, status in _STATUS_OF_TYPE.items()} | {503: "overloaded_error"}


class _Detail(msgspec.Struct):
    type: str = "api_error"
    message: str = ""


class _Envelope(msgspec.Struct):
    error: _Detail | None = None


_decode = msgspec.json.Decoder(_Envelope).decode
_encode = msgspec.json.Encoder().encode


def read_error(status: int, headers: Mapping[bytes, bytes], body: bytes) -> Fault:
    """An upstream's error as a fault; keeps the vendor's message, without addresses and keys."""
    detail = _detail(body) or _Detail(message=_excerpt(body, status))
    message = masked(detail.message or f"the upstream answered {status}")
    return Fault(
        message,
        status=status,
        remedy=remedy_of(status, message, detail.type),
        code=detail.type,
        retry_after_s=retry_after_s(headers),
    )


def error_in_answer(body: bytes) -> Fault | None:
    """The fault, when a body that came with status 200 is an error after all."""
    detail = _detail(body)
    if detail is None:
        return None
    status = status_of_type(detail.type)
    message = masked(detail.message or detail.type)
    return Fault(message, status=status, remedy=remedy_of(status, message, detail.type), code=detail.type)


def write_error(error: TollwayError, request_id: str) -> tuple[int, bytes]:
    """(status, body) in the caller's envelope."""
    told: dict[str, Any] = {
        "type": _TYPE_OF_KIND.get(error.kind, "api_error"),
        "message": with_id(error.message, request_id),
    }
    return error.status, _encode({"type": "error", "error": told | error.details, "request_id": request_id})


def stream_error(status: int, message: str, request_id: str) -> bytes:
    """The frame that ends a broken stream."""
    told = {"type": type_of_status(status), "message": with_id(message, request_id)}
    return b"event: error\ndata: " + _encode({"type": "error", "error": told, "request_id": request_id}) + b"\n\n"


def status_of_type(word: str) -> int:
    """The HTTP status an error type stands for."""
    return _STATUS_OF_TYPE.get(word, 500)


def type_of_status(status: int) -> str:
    """The error type for an HTTP status."""
    return _TYPE_OF_STATUS.get(status) or ("invalid_request_error" if 400 <= status < 500 else "api_error")


def with_id(message: str, request_id: str) -> str:
    """The message with the request id at its end."""
    return f"{message} (request id: {request_id})"


def _detail(body: bytes) -> _Detail | None:
    try:
        return _decode(body).error
    except (ValueError, RecursionError):
        return None


def _excerpt(body: bytes, status: int) -> str:
    text = body[:200].decode("utf-8", "replace").strip()
    return f"the upstream answered {status}: {text}" if text and not text.startswith("<") else ""
