"""What is not served says so in the vendor's words, once, and to known callers only."""

import pytest

from tests.gateway.admin.conftest import Hub

REFUSED = (
    ("GET", "/v1/responses/resp_1"), ("DELETE", "/v1/responses/resp_1"), ("POST", "/v1/responses/resp_1/cancel"),
    ("GET", "/v1/responses/resp_1/input_items"), ("POST", "/v1/responses/compact"), ("GET", "/v1/files"),
    ("POST", "/v1/files"), ("GET", "/v1/files/file_1/content"), ("POST", "/v1/fine-tunes"), ("GET", "/v1/batches"),
    ("POST", "/v1/batches/b/cancel"), ("POST", "/v1/images/variations"), ("DELETE", "/v1/models/gpt-5-mini"),
)  # fmt: skip


@pytest.mark.parametrize(("method", "path"), REFUSED)
async def test_it_is_a_501_in_openais_envelope_that_nobody_repeats(hub: Hub, method: str, path: str) -> None:
    client = await hub.newcomer()
    answer = await client.request(method, path)
    assert answer.status_code == 501, answer.text
    error = answer.json()["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "not_implemented") and error["message"]
    assert answer.headers["x-should-retry"] == "false"


async def test_it_speaks_as_the_caller_does(hub: Hub) -> None:
    client = await hub.newcomer()
    answer = await client.get("/v1/files", headers={"anthropic-version": "2023-06-01"})
    assert (answer.status_code, answer.json()["type"]) == (501, "error")


async def test_a_stranger_is_told_nothing(hub: Hub) -> None:
    assert (await hub.client().get("/v1/responses/resp_1")).status_code == 401


async def test_models_are_still_listed_and_the_document_does_not_promise_what_is_not_there(hub: Hub) -> None:
    client = await hub.newcomer()
    assert (await client.get("/v1/models/echo")).status_code == 200
    assert "/v1/files" not in (await client.get("/openapi.json")).json()["paths"]
