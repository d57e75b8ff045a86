"""Errors of upstreams understood in every shape, and ours in OpenAI's envelope."""

import msgspec
import pytest

from tollway.core.errors import (
    BadRequest,
    CreditsExhausted,
    Internal,
    ModelNotFound,
    RateLimited,
    Remedy,
    TollwayError,
    Unauthenticated,
)
from tollway.gateway.dialects.openai_chat import dialect


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        (b'{"error":{"message":"bad","type":"invalid_request_error","param":"x","code":"c"}}', "bad", "c"),
        (b'{"error":"bad"}', "bad", "upstream_error"),
        (b'{"code":"invalid-argument","error":"bad"}', "bad", "invalid-argument"),
        (b'{"object":"error","message":"bad","type":"BadRequestError","code":400}', "bad", "BadRequestError"),
        (b'{"detail":[{"loc":["body","top_k"],"msg":"extra"}]}', "body.top_k: extra", "upstream_error"),
        (b'[{"error":{"code":400,"message":"bad","status":"INVALID_ARGUMENT"}}]', "bad", "INVALID_ARGUMENT"),
        (b"upstream sad", "upstream sad", "upstream_error"),
        (b"<html>nginx</html>", "the provider answered 400 Bad Request", "upstream_error"),
        (b"", "the provider answered 400 Bad Request", "upstream_error"),
    ],
)
def test_an_upstreams_error_keeps_its_message(body: bytes, message: str, code: str) -> None:
    fault = dialect.read_error(400, {}, body)
    assert (fault.message, fault.code, fault.status, fault.remedy) == (message, code, 400, Remedy.NONE)


def test_a_rate_limit_says_when_to_come_back() -> None:
    fault = dialect.read_error(429, {b"retry-after": b"7"}, b'{"error":{"message":"slow"}}')
    assert (fault.remedy, fault.retry_after_s) == (Remedy.NEXT_CHANNEL, 7.0)


def test_a_missing_model_is_told_from_a_missing_path() -> None:
    gone = b'{"error":{"message":"The model `x` does not exist","code":"model_not_found"}}'
    assert dialect.read_error(404, {}, gone).remedy is Remedy.NEXT_CHANNEL
    assert dialect.read_error(404, {}, b'{"error":{"message":"Invalid URL"}}').remedy is Remedy.NONE


def test_keys_and_hosts_are_masked() -> None:
    body = b'{"error":{"message":"Incorrect API key provided: sk-abc123def. See https://x.test/keys"}}'
    assert dialect.read_error(401, {}, body).message == "Incorrect API key provided: [key]. See [url]"


@pytest.mark.parametrize(
    ("error", "status", "kind", "code"),
    [
        (BadRequest("m", field="n"), 400, "invalid_request_error", "invalid_request"),
        (Unauthenticated("m"), 401, "authentication_error", "invalid_api_key"),
        (ModelNotFound("m"), 404, "invalid_request_error", "model_not_found"),
        (RateLimited("m"), 429, "rate_limit_error", "rate_limit_exceeded"),
        (CreditsExhausted(1, 2), 429, "insufficient_quota", "insufficient_quota"),
        (Internal("m"), 500, "server_error", "internal_error"),
    ],
)
def test_our_errors_wear_openais_envelope(error: TollwayError, status: int, kind: str, code: str) -> None:
    told, body = dialect.write_error(error, "rid")
    said = msgspec.json.decode(body)["error"]
    assert (told, said["type"], said["code"], said["param"]) == (status, kind, code, error.field)
    assert said["message"].endswith(" (request id: rid)")
    assert {name: said[name] for name in error.details} == error.details
