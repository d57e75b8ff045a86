"""Errors in the hub's envelope (hub.md 2.3): `{"detail": {"code", "message", …}}`."""

from typing import Any

import msgspec

from tollway.core.errors import Fault, TollwayError, Unsupported

_CODES = {
    "rate_limit_exceeded": "RATE_LIMITED",
    "insufficient_quota": "QUOTA_EXCEEDED",
    "upstream_error": "PROVIDER_ERROR",
}
_STATUSES = {"ALL_PROVIDERS_FAILED": 503, "PROVIDER_ERROR": 502}
_RETRIED = frozenset({408, 429})
_encode = msgspec.json.Encoder().encode


def write_error(error: TollwayError, request_id: str) -> tuple[int, bytes]:
    """(status, body); a provider's refusal of *our* key is never told as a refusal of the caller's."""
    code = _code(error)
    detail: dict[str, Any] = {"code": code, "message": f"{error.message} (request id: {request_id})"}
    if error.retry_after_s is not None:
        detail["retry_after"] = error.retry_after_s
    if error.field is not None:
        detail["field"] = error.field
    return _STATUSES.get(code, error.status), _encode({"detail": detail | error.details | {"request_id": request_id}})


def told_in_stream(status: int, message: str) -> str:
    """Words for an error inside a stream. Clients retry on `model experienced`, and on nothing else we say."""
    if status >= 500 or status in _RETRIED:
        return f"the model experienced an error ({status}): {message}"
    return message


def _code(error: TollwayError) -> str:
    if isinstance(error, Fault):
        return "PROVIDER_ERROR" if error.status in (401, 402, 403) or error.status >= 500 else "PROVIDER_REFUSED"
    if isinstance(error, Unsupported) and (error.field or "").startswith("tools"):
        return "TOOLS_NOT_SUPPORTED"
    return _CODES.get(error.code, error.code.upper())
