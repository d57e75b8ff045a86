"""Errors of chat completions: the family's envelope, and the frame that ends a broken stream."""

import msgspec

from tollway.core.errors import kind_of_status
from tollway.gateway.openai_family.error import envelope, read_error, read_failure, read_fault, write_error

__all__ = ["failure_body", "read_error", "read_failure", "read_fault", "write_error"]

_dump = msgspec.json.Encoder().encode


def failure_body(status: int, code: str, message: str, request_id: str) -> bytes:
    """The last frame of a stream that failed; no `[DONE]` follows it."""
    error = envelope(kind_of_status(status), code, message, None, request_id)
    return b"data: " + _dump({"error": error}) + b"\n\n"
