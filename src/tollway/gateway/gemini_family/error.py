"""Google's error envelope, both directions (relay.md 1.3, 4.5)."""

from collections.abc import Mapping
from typing import Any

import msgspec

from tollway.core.errors import Fault, TollwayError
from tollway.gateway.remedy import masked, remedy_of, retry_after_s

_STATUS_WORDS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "FAILED_PRECONDITION",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "INVALID_ARGUMENT",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    422: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_BAD_KEY = frozenset({"API_KEY_INVALID", "API_KEY_EXPIRED", "API_KEY_SERVICE_BLOCKED"})
_LONGEST_MESSAGE = 2000
_encode = msgspec.json.Encoder().encode


def status_word(status: int) -> str:
    """Google's word for an HTTP status."""
    return _STATUS_WORDS.get(status) or ("UNAVAILABLE" if status >= 500 else "INVALID_ARGUMENT")


def read_error(status: int, headers: Mapping[bytes, bytes], body: bytes) -> Fault:
    """An upstream's non-200 answer as a fault."""
    try:
        told = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        told = None
    if isinstance(told, list) and told:
        told = told[0]  # an array stream wraps its error
    return fault_of(status, headers, told if isinstance(told, dict) else {})


def fault_of(status: int, headers: Mapping[bytes, bytes], told: dict[str, Any]) -> Fault:
    """The fault in `{"error": {…}}`; the envelope's own code wins over a 200's status."""
    error = told.get("error")
    error = error if isinstance(error, dict) else {"message": error} if isinstance(error, str) else {}
    code = error.get("code")
    if isinstance(code, int) and 400 <= code < 600:
        status = code
    message = masked(str(error.get("message") or f"the provider answered {status}")[:_LONGEST_MESSAGE])
    details = [detail for detail in _list(error.get("details")) if isinstance(detail, dict)]
    reasons = [str(detail["reason"]) for detail in details if "reason" in detail]
    bad_key = status in (400, 403) and any(reason in _BAD_KEY for reason in reasons)
    word = next((reason for reason in reasons if reason in _BAD_KEY), str(error.get("status") or "upstream_error"))
    waits = [wait for detail in details if (wait := _delay_s(detail.get("retryDelay"))) is not None]
    told_wait = retry_after_s(headers)
    wait_s = told_wait if told_wait is not None else max(waits, default=None)
    if bad_key or "api key not valid" in message.lower():
        return Fault(message, status=401, remedy=remedy_of(401), code="API_KEY_INVALID", retry_after_s=wait_s)
    return Fault(message, status=status, remedy=remedy_of(status, message, word), code=word, retry_after_s=wait_s)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _delay_s(value: Any) -> float | None:
    """Seconds of protobuf's duration text (`17s`, `1.5s`)."""
    if not isinstance(value, str) or not value.endswith("s"):
        return None
    try:
        wait_s = float(value[:-1])
    except ValueError:
        return None
    return wait_s if 0 <= wait_s < float("inf") else None


def write_error(error: TollwayError, request_id: str) -> tuple[int, bytes]:
    """(status, body) in Google's envelope."""
    return error.status, _encode({"error": error_object(error, request_id)})


def error_object(error: TollwayError, request_id: str) -> dict[str, Any]:
    """The object under `error`."""
    told: dict[str, Any] = {
        "code": error.status,
        "message": f"{error.message} (request id: {request_id})",
        "status": status_word(error.status),
    }
    info: dict[str, Any] = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": error.code.upper(),
        "domain": "tollway",
        "metadata": {name: str(value) for name, value in error.details.items()},
    }
    details = [info]
    if error.field is not None:
        violation = {"field": error.field, "description": error.message}
        details.append({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]})
    if error.retry_after_s is not None:
        delay = f"{error.retry_after_s:g}s"
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay})
    return told | {"details": details}
