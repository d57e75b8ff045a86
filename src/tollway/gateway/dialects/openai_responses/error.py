"""Errors of responses: the family's envelope, a response that failed, and the frames that end a broken stream."""

from typing import Any

import msgspec

from tollway.core.errors import Fault
from tollway.core.stream import Failed
from tollway.gateway.openai_family.error import read_error, read_failure, read_fault, write_error
from tollway.gateway.remedy import remedy_of

__all__ = ["fault_of_failed", "read_error", "read_failed", "read_failure", "read_fault", "write_error"]

_dump = msgspec.json.Encoder().encode


def read_failed(error: Any) -> Failed:
    """The `error` of a response that failed, inside a stream."""
    if not isinstance(error, dict):
        return Failed(502, "upstream_error", "the provider failed")
    return read_failure(_dump({"error": error}))


def fault_of_failed(error: Any) -> Fault:
    """The `error` of a whole response that failed, though it came with status 200."""
    told = read_failed(error)
    remedy = remedy_of(told.status, told.message, told.code)
    return Fault(told.message, status=told.status, remedy=remedy, code=told.code)
