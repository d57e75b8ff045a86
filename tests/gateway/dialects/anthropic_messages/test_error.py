"""Errors of the Messages dialect, both ways."""

import json

import pytest

from tollway.core.errors import (
    BadRequest,
    CreditsExhausted,
    Draining,
    Fault,
    Forbidden,
    Internal,
    ModelNotFound,
    NoChannelAnswered,
    RateLimited,
    Remedy,
    TollwayError,
    TooLarge,
    Unauthenticated,
)
from tollway.gateway.dialects.anthropic_messages import dialect


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (BadRequest("x"), 400, "invalid_request_error"),
        (Unauthenticated("x"), 401, "authentication_error"),
        (Forbidden("x"), 403, "permission_error"),
        (ModelNotFound("x"), 404, "not_found_error"),
        (TooLarge("x"), 413, "request_too_large"),
        (RateLimited("x"), 429, "rate_limit_error"),
        (Internal("x"), 500, "api_error"),
        (Draining("x"), 503, "overloaded_error"),
        (NoChannelAnswered([Fault("x", status=502, remedy=Remedy.NEXT_CHANNEL)]), 502, "api_error"),
        (NoChannelAnswered([Fault("x", status=504, remedy=Remedy.ONCE_MORE)]), 504, "timeout_error"),
    ],
)
def test_every_error_has_its_type_and_ends_with_the_request_id(error: TollwayError, status: int, kind: str) -> None:
    told, body = dialect.write_error(error, "req_1")
    assert told == status
    assert json.loads(body) == {
        "type": "error",
        "error": {"type": kind, "message": "x (request id: req_1)"},
        "request_id": "req_1",
    }


def test_what_is_left_of_the_credits_is_told() -> None:
    status, body = dialect.write_error(CreditsExhausted(2_000_000, 5_000_000), "r")
    error = json.loads(body)["error"]
    assert (status, error["type"]) == (429, "rate_limit_error")
    assert (error["credits_remaining"], error["credits_required"]) == (2.0, 5.0)


@pytest.mark.parametrize(
    ("status", "kind", "message", "remedy"),
    [
        (400, "invalid_request_error", "messages: bad", Remedy.NONE),
        (401, "authentication_error", "invalid x-api-key", Remedy.NEXT_CHANNEL),
        (404, "not_found_error", "model: claude-9", Remedy.NEXT_CHANNEL),
        (404, "not_found_error", "Not found", Remedy.NONE),
        (413, "request_too_large", "too large", Remedy.NONE),
        (429, "rate_limit_error", "slow down", Remedy.NEXT_CHANNEL),
        (500, "api_error", "Internal server error", Remedy.NEXT_CHANNEL),
        (504, "timeout_error", "took too long", Remedy.ONCE_MORE),
        (529, "overloaded_error", "Overloaded", Remedy.NEXT_CHANNEL),
    ],
)
def test_an_upstreams_error_keeps_its_words_and_gets_its_remedy(
    status: int, kind: str, message: str, remedy: Remedy
) -> None:
    body = json.dumps({"type": "error", "error": {"type": kind, "message": message}, "request_id": "r"}).encode()
    fault = dialect.read_error(status, {b"retry-after": b"7"}, body)
    assert (fault.status, fault.code, fault.message, fault.remedy, fault.retry_after_s) == (
        status,
        kind,
        message,
        remedy,
        7.0,
    )


@pytest.mark.parametrize("body", [b"", b"<html>bad gateway</html>", b"[1]", b'{"error":"text"}', b"\xff", b"[" * 5000])
def test_a_body_that_is_no_error_of_the_vendor_is_still_a_fault(body: bytes) -> None:
    fault = dialect.read_error(502, {}, body)
    assert fault.status == 502 and fault.remedy is Remedy.NEXT_CHANNEL
    assert "<html>" not in fault.message and fault.message


def test_addresses_and_keys_are_masked() -> None:
    body = (
        b'{"type":"error","error":{"type":"api_error","message":"https://10.0.0.1/x failed for sk-ant-abcdef123456"}}'
    )
    assert dialect.read_error(500, {}, body).message == "[url] failed for [key]"
