"""Says an error of the control plane in the words the caller of a path expects."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tollway.core.errors import TollwayError
from tollway.gateway.admin.models import family_of

WriteError = Callable[[TollwayError, str], tuple[int, bytes]]

_HUB_CODES = {"rate_limit_exceeded": "RATE_LIMITED", "insufficient_quota": "QUOTA_EXCEEDED"}
_VENDORS_PATHS = ("/v1/", "/v1beta/")
_OUR_PATHS = ("/v1/receipts",)


_DETAIL = {
    "type": "object",
    "properties": {
        "code": {"type": "string"},
        "message": {"type": "string"},
        "field": {"type": "string"},
        "retry_after": {"type": "number"},
        "request_id": {"type": "string"},
    },
    "required": ["code", "message"],
}


def _documented(schema: Mapping[str, Any]) -> dict[int | str, dict[str, Any]]:
    return {
        "4XX": {"description": "Refused", "content": {"application/json": {"schema": schema}}},
        "5XX": {"description": "Failed", "content": {"application/json": {"schema": schema}}},
    }


REFUSALS = _documented({"type": "object", "properties": {"detail": _DETAIL}, "required": ["detail"]})
"""What the OpenAPI document says of our errors, in place of the framework's own 422."""
REFUSALS_OF_VENDORS = _documented({"type": "object"})
"""Of errors in the shape of whichever vendor's client asks."""


def speaks_vendor(path: str) -> bool:
    """Whether a path belongs to a vendor's API, so that its errors must be the vendor's too."""
    return path.startswith(_VENDORS_PATHS) and not path.startswith(_OUR_PATHS)


def say(
    error: TollwayError,
    request_id: str,
    place: tuple[str, str, Mapping[bytes, bytes]],
    writers: Mapping[str, WriteError],
) -> tuple[int, bytes, dict[str, str]]:
    """(status, body, headers) of the answer. `place` is path, query and headers of the request, `writers` the
    dialects' error writers by family."""
    headers = {"content-type": "application/json", "x-request-id": request_id}
    if error.retry_after_s is not None:
        headers["retry-after"] = str(max(1, round(error.retry_after_s + 0.5)))
    if error.status == 501:
        headers["x-should-retry"] = "false"  # vendors' packages ask again after any 5xx
    if speaks_vendor(place[0]):
        write = writers.get(family_of(*place))
        if write is not None:
            status, body = write(error, request_id)
            return status, body, headers
    return error.status, msgspec.json.encode({"detail": detail(error, request_id)}), headers


def detail(error: TollwayError, request_id: str) -> dict[str, Any]:
    """The hub's error object (hub.md 2.3)."""
    told: dict[str, Any] = {"code": _HUB_CODES.get(error.code, error.code.upper()), "message": error.message}
    if error.field is not None:
        told["field"] = error.field
    if error.retry_after_s is not None:
        told["retry_after"] = error.retry_after_s
    if request_id:
        told["request_id"] = request_id
    return told | error.details
