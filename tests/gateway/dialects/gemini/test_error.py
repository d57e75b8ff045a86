"""Google's errors as faults with a remedy, and ours as Google's."""

import msgspec
import pytest

from tests.gateway.dialects.gemini.asking import GOLDEN
from tollway.core.errors import BadRequest, CreditsExhausted, Fault, RateLimited, Remedy, TollwayError, Unauthenticated
from tollway.gateway.dialects.gemini import dialect


def fault(status: int, body: bytes = b"", **headers: str) -> Fault:
    return dialect.read_error(status, {name.encode(): value.encode() for name, value in headers.items()}, body)


def test_a_spent_quota_says_when_to_come_back() -> None:
    found = fault(429, (GOLDEN / "error_429.json").read_bytes())
    assert (found.status, found.remedy, found.code) == (429, Remedy.NEXT_CHANNEL, "RESOURCE_EXHAUSTED")
    assert found.retry_after_s == 17.0 and "current quota" in found.message


def test_the_header_wins_over_retry_info() -> None:
    assert fault(429, (GOLDEN / "error_429.json").read_bytes(), **{"retry-after": "3"}).retry_after_s == 3.0


def test_a_bad_key_is_an_authentication_fault_though_google_says_400() -> None:
    found = fault(400, (GOLDEN / "error_bad_key.json").read_bytes())
    assert (found.status, found.kind, found.remedy) == (401, "authentication", Remedy.NEXT_CHANNEL)


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (400, Remedy.NONE),
        (401, Remedy.NEXT_CHANNEL),
        (403, Remedy.NEXT_CHANNEL),
        (404, Remedy.NONE),
        (408, Remedy.ONCE_MORE),
        (429, Remedy.NEXT_CHANNEL),
        (500, Remedy.NEXT_CHANNEL),
        (503, Remedy.NEXT_CHANNEL),
        (504, Remedy.ONCE_MORE),
    ],
)
@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"error":"x"}', b'{"error":{"details":[3,{"retryDelay":1}]}}']
)
def test_every_status_has_its_remedy_whatever_the_body(status: int, remedy: Remedy, body: bytes) -> None:
    found = fault(status, body)
    assert (found.status, found.remedy, found.retry_after_s) == (status, remedy, None)


def test_a_missing_model_may_be_elsewhere() -> None:
    body = b'{"error":{"code":404,"message":"models/x is not found for API version v1beta","status":"NOT_FOUND"}}'
    assert fault(404, body).remedy is Remedy.NEXT_CHANNEL


def test_an_error_inside_an_array_is_found_and_its_addresses_masked() -> None:
    found = fault(503, b'[{"error":{"code":503,"message":"http://10.0.0.1/x is down","status":"UNAVAILABLE"}}]')
    assert found.code == "UNAVAILABLE" and "10.0.0.1" not in found.message


@pytest.mark.parametrize(
    ("error", "status", "word"),
    [
        (BadRequest("no", field="contents"), 400, "INVALID_ARGUMENT"),
        (Unauthenticated("no"), 401, "UNAUTHENTICATED"),
        (RateLimited("slow", retry_after_s=2.5), 429, "RESOURCE_EXHAUSTED"),
        (CreditsExhausted(1_000_000, 2_000_000), 429, "RESOURCE_EXHAUSTED"),
        (TollwayError("oh"), 500, "INTERNAL"),
        (Fault("bad gateway", status=502, remedy=Remedy.NONE), 502, "UNAVAILABLE"),
    ],
)
def test_our_errors_wear_googles_envelope(error: TollwayError, status: int, word: str) -> None:
    found, body = dialect.write_error(error, "req-9")
    told = msgspec.json.decode(body)["error"]
    assert body.startswith(b'{"error":')  # google-genai looks for these very bytes in a stream
    assert (found, told["code"], told["status"]) == (status, status, word)
    assert told["message"] == f"{error.message} (request id: req-9)"


def test_details_tell_the_field_the_wait_and_the_credits() -> None:
    _, body = dialect.write_error(BadRequest("no", field="contents[0]", retry_after_s=2.5), "r")
    info, violation, retry = msgspec.json.decode(body)["error"]["details"]
    assert info["reason"] == "INVALID_REQUEST"
    assert violation["fieldViolations"][0]["field"] == "contents[0]" and retry["retryDelay"] == "2.5s"
    _, body = dialect.write_error(CreditsExhausted(1_000_000, 2_000_000), "r")
    metadata = msgspec.json.decode(body)["error"]["details"][0]["metadata"]
    assert metadata == {"credits_remaining": "1.0", "credits_required": "2.0"}
