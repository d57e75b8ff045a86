"""What the front says by itself, in the words of the path it was asked on."""

import json
from pathlib import Path

import pytest

from tests.gateway.pipeline.stage import open_stage
from tollway.gateway.refusals import refusal_of, screen_of
from tollway.kit.http1.wire import Request


def asked(path: str, query: str = "", **headers: bytes) -> Request:
    return Request("POST", path, query, {k.replace("_", "-").encode(): v for k, v in headers.items()}, b"", "192.0.2.1")


@pytest.mark.parametrize(("status", "kind"), [(400, "invalid_request_error"), (413, "request_too_large"),
                                              (503, "overloaded_error"), (408, "invalid_request_error")])  # fmt: skip
async def test_an_error_of_the_wire_has_the_callers_envelope_and_a_fitting_type(
    tmp_path: Path, status: int, kind: str
) -> None:
    async with open_stage(tmp_path, environ={}) as stage:
        refuse = refusal_of(stage.front)
        headers, body = refuse(status, "some_code", "Some words.", "/v1/messages")
        told = json.loads(body)
        assert dict(headers)[b"content-type"] == b"application/json"
        assert told["type"] == "error" and told["error"]["type"] == kind
        assert json.loads(refuse(status, "some_code", "Some words.", "/chat/completions")[1])["error"]["code"]
        assert json.loads(refuse(status, "some_code", "Some words.", None)[1])["error"]["message"] == "Some words."


async def test_strangers_are_refused_before_their_bodies_are_read_and_others_are_not(tmp_path: Path) -> None:
    async with open_stage(tmp_path, environ={}) as stage:
        screen = screen_of(stage.front)
        for path in ("/v1/chat/completions", "/v1/messages", "/v1beta/models/m:generateContent", "/chat"):
            answer = screen(asked(path))
            assert answer is not None and answer[0] == 401 and b"no API key" in answer[2]
            assert screen(asked(path, authorization=b"Bearer x")) is None
        assert screen(asked("/v1beta/models/m:generateContent", "key=abc")) is None
        assert screen(asked("/health")) is None and screen(asked("/v1/models")) is None
