"""Engines that say themselves what they serve: asked over real HTTP, up, down and coming up later."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.pipeline.stage import open_stage
from tests.mocks.server import MockAnswer, MockRequest, MockServer

NAMES: list[object] = ["meta-llama/Llama-3.1-8B", "qwen:7b"]


class Engine:
    """What the mock engine says of itself."""

    def __init__(self) -> None:
        self.names = list(NAMES)
        self.body: bytes | None = None
        self.status = 200

    def __call__(self, request: MockRequest) -> MockAnswer:
        if request.path == "/v1/models":
            listed = {"object": "list", "data": [{"id": name, "object": "model"} for name in self.names]}
            kind = {"content-type": "application/json"}
            return MockAnswer(self.status, kind, json.dumps(listed).encode() if self.body is None else self.body)
        message = {"role": "assistant", "content": f"I am {request.json['model']}"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
        return MockAnswer.of_json({"id": "x", "object": "chat.completion", "created": 1, "model": "m",
                                   "choices": [choice], "usage": usage})  # fmt: skip


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def server(engine: Engine) -> Iterator[MockServer]:
    with MockServer(engine) as running:
        yield running


async def test_what_an_engine_lists_is_on_sale_under_both_names(tmp_path: Path, server: MockServer) -> None:
    async with open_stage(tmp_path, environ={"VLLM_BASE_URL": f"{server.url}/v1"}) as stage:
        catalog = stage.hub.catalog
        for name in ("meta-llama/Llama-3.1-8B", "vllm/meta-llama/Llama-3.1-8B", "qwen:7b", "vllm/qwen:7b"):
            model = catalog.find(name)
            assert model is not None and stage.hub.router.serves(model.id), name
            (one,) = stage.hub.router.plan(model, "req_1", 0.0).candidates
            assert one.upstream_model == name.removeprefix("vllm/")


async def test_an_engine_that_is_down_at_the_start_is_found_when_it_comes_up(tmp_path: Path, engine: Engine) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with open_stage(tmp_path, environ={"VLLM_BASE_URL": f"http://127.0.0.1:{port}/v1"}) as stage:
        assert stage.hub.catalog.find("qwen:7b") is None
        with MockServer(engine, port):
            await stage.hub.ask_engines()
            assert stage.hub.front.gateway.catalog.find("qwen:7b") is not None
            engine.names = ["other"]
            await stage.hub.ask_engines()
            assert stage.hub.front.gateway.catalog.find("other") is not None
        await stage.hub.ask_engines()
        assert stage.hub.catalog.find("other") is not None


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"<html>", b'{"data":{}}', b'{"data":[{"name":"x"}]}', b'{"data":[{"id":"\xff\xfe"}]}',
     b"[" * 100_000, b'{"data":[{"id":7}]}'],
)  # fmt: skip
async def test_an_engine_that_talks_rubbish_stops_nothing(tmp_path: Path, server: MockServer, engine: Engine,
                                                          body: bytes) -> None:  # fmt: skip
    engine.body = body
    async with open_stage(tmp_path, environ={"VLLM_BASE_URL": f"{server.url}/v1"}) as stage:
        assert stage.hub.catalog.find("qwen:7b") is None


async def test_names_that_no_header_can_carry_are_not_put_on_sale(
    tmp_path: Path, server: MockServer, engine: Engine
) -> None:
    engine.names = ["", "a\r\nx-evil: 1", "gr\u00fc\u00df", "fine", "x" * 5000]
    async with open_stage(tmp_path, environ={"VLLM_BASE_URL": f"{server.url}/v1"}) as stage:
        assert [model.name for model in stage.hub.catalog if model.provider == "vllm"] == ["fine"]


async def test_an_engine_that_refuses_to_list_is_still_reached_by_its_full_name(
    tmp_path: Path, server: MockServer, engine: Engine
) -> None:
    engine.status = 404
    async with open_stage(tmp_path, environ={"VLLM_BASE_URL": f"{server.url}/v1"}) as stage:
        model = stage.hub.catalog.find("vllm/whatever/it-is")
        assert model is not None
        (one,) = stage.hub.router.plan(model, "req_1", 0.0).candidates
        assert one.upstream_model == "whatever/it-is"
