"""Engines that say themselves what they serve: asked over real HTTP, up, down and coming up later."""

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.gateway.pipeline.stage import Stage, open_stage, whole
from tests.mocks.server import MockAnswer, MockRequest, MockServer

GOLDEN = Path(__file__).parents[2] / "golden"
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
            assert stage.hub.front.gateway.catalog.find("qwen:7b") is None, "the engine lists it no longer"
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


TWO = """
[[channels]]
id = "{0}"
provider = "vllm"
base_url = "{1}/v1"
[[channels]]
id = "{2}"
provider = "vllm"
base_url = "{3}/v1"
"""


def ways(stage: Stage, name: str) -> list[str]:
    """The channels that may answer for a model; none when it is not on sale."""
    gateway = stage.hub.front.gateway
    model = gateway.catalog.find(name)
    return [] if model is None else [one.channel.id for one in gateway.router.plan(model, "req_1", 0.0).candidates]


async def test_two_engines_are_asked_only_for_what_each_of_them_lists(tmp_path: Path, server: MockServer) -> None:
    other = Engine()
    other.names = ["gemma", "qwen:7b"]
    with MockServer(other) as second:
        async with open_stage(tmp_path, TWO.format("a", server.url, "b", second.url), {}) as stage:
            assert ways(stage, "meta-llama/Llama-3.1-8B") == ["a"]
            assert ways(stage, "gemma") == ways(stage, "vllm/gemma") == ["b"]
            assert set(ways(stage, "qwen:7b")) == {"a", "b"}
            assert ways(stage, "vllm/unheard-of") == []
            other.names = ["gemma"]
            await stage.hub.ask_engines()
            assert ways(stage, "qwen:7b") == ["a"]
            other.names = []
            await stage.hub.ask_engines()
            assert ways(stage, "gemma") == []


async def test_a_stated_row_goes_to_the_engine_that_lists_it(tmp_path: Path, server: MockServer) -> None:
    other = Engine()
    other.names = ["gemma"]
    row = '[[models]]\nid = "mine"\nserved_by.vllm = "gemma"\nprice = { input = 1, output = 1 }\n'
    more = 'category = "custom"\nfamily = "other"\nprovider = "vllm"\ncontext_window = 1000\nmax_output = 100\n'
    with MockServer(other) as second:
        async with open_stage(tmp_path, TWO.format("a", server.url, "b", second.url) + row + more, {}) as stage:
            assert ways(stage, "mine") == ["b"]


async def test_an_engine_that_hangs_holds_up_neither_the_start_nor_another_engine(
    tmp_path: Path, server: MockServer
) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        hanging = f"http://127.0.0.1:{silent.getsockname()[1]}"
        async with open_stage(tmp_path, TWO.format("a", hanging, "b", server.url), {}) as stage:
            assert not stage.hub.engines.asked.is_set(), "the start did not wait for it"
            assert ways(stage, "qwen:7b") == ["b"]


async def test_an_address_without_a_path_gets_the_engines_own(tmp_path: Path, server: MockServer) -> None:
    async with open_stage(tmp_path, environ={"SGLANG_BASE_URL": server.url}) as stage:
        told = await stage.chat(whole(), model="sglang/qwen:7b")
        assert told.status == 200 and stage.outside.asked[-1].target == b"/v1/chat/completions"


class Ollama(Engine):
    """Speaks of itself as Ollama does."""

    def __call__(self, request: MockRequest) -> MockAnswer:
        if request.path in ("/api/tags", "/api/ps"):
            page = GOLDEN / "ollama" / f"{request.path.removeprefix('/api/')}.json"
            return MockAnswer(200, {"content-type": "application/json"}, page.read_bytes())
        return super().__call__(request)


async def test_ollama_is_asked_in_its_own_words(tmp_path: Path) -> None:
    with MockServer(Ollama()) as server:
        async with open_stage(tmp_path, environ={"OLLAMA_HOST": server.url.removeprefix("http://")}) as stage:
            loaded, pulled = (stage.hub.catalog.find(name) for name in ("gemma3:4b", "ollama/qwen3:0.6b"))
            assert loaded is not None and (loaded.context_window, loaded.max_output) == (8192, 8192)
            assert pulled is not None and pulled.context_window == 131_072
            assert (await stage.chat(whole(), model="gemma3:4b")).status == 200
            assert stage.outside.asked[-1].target == b"/v1/chat/completions"


async def test_of_replicas_the_one_with_the_least_context_decides(tmp_path: Path) -> None:
    def app(context: int) -> Callable[[MockRequest], MockAnswer]:
        row = {"id": "qwen", "max_model_len": context}
        return lambda request: MockAnswer.of_json({"object": "list", "data": [row]})

    with MockServer(app(8000)) as one, MockServer(app(4000)) as other:
        async with open_stage(tmp_path, environ={"VLLM_BASE_URL": f"{one.url}/v1,{other.url}/v1"}) as stage:
            model = stage.hub.catalog.find("qwen")
            assert model is not None and model.context_window == 4000
            assert set(ways(stage, "qwen")) == {"vllm", "vllm-2"}
