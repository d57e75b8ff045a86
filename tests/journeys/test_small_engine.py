"""A real engine behind the gateway: llama.cpp's server with a small model, asked by OpenAI's own client."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any

import openai
import pytest

from tests.journeys.hub import Hub
from tests.mocks.openai import app as openai_app
from tests.mocks.server import MockServer
from tests.small_engine import NAME, SmallEngine

RELIEF = 'models."llamacpp/smollm2" = { to = "gpt-5-mini", max_queue = 1 }'
PATIENCE_S = 120.0


@dataclass
class World:
    """Two engines, a vendor beside them, and the gateway before all three."""

    engines: list[SmallEngine]
    vendor: MockServer
    hub: Hub
    key: str

    def client(self) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.hub.url}/v1", api_key=self.key, max_retries=0, timeout=300)

    def chat(self, text: str, most: int = 4, earlier: tuple[str, ...] = (), **more: Any) -> Any:
        """A chat call, with the answer's headers."""
        turns = [{"role": ("user", "assistant")[place % 2], "content": said} for place, said in enumerate(earlier)]
        return self.client().chat.completions.with_raw_response.create(
            model=NAME,
            messages=[*turns, {"role": "user", "content": text}],  # type: ignore[list-item,misc]
            max_tokens=most,
            temperature=0,
            **more,
        )

    def until_idle(self) -> None:
        """The gateway has heard from both engines that nobody is there."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            why = self.chat("hi", 1).headers["x-tollway-offload"]
            if why.startswith("local") and why.endswith(" has 0 waiting"):
                return
            time.sleep(0.2)
        raise AssertionError("it hears nothing of the engines")

    def until_relieved(self) -> Any:
        """An answer of the vendor's; calls that came before the gateway had heard of the queue are given up."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            with suppress(openai.APITimeoutError):
                answer = self.chat("hi", 4, timeout=2)
                if answer.headers["x-tollway-offload"].startswith("remote: "):
                    return answer
        raise AssertionError("it hears nothing of the queue")


@contextmanager
def crowded(engine: SmallEngine) -> Iterator[None]:
    """Somebody else asks the engine for more than it has slots, at length."""
    question = {"messages": [{"role": "user", "content": "Tell me everything."}], "stream": True}
    body = json.dumps({**question, "max_tokens": 1500, "ignore_eos": True})
    with ExitStack() as others:
        for _ in range(3):
            wire = HTTPConnection(engine.url.removeprefix("http://"))
            others.callback(wire.close)
            wire.request("POST", "/v1/chat/completions", body)
        deadline = time.monotonic() + PATIENCE_S
        while engine.metric("requests_deferred") < 1:
            assert time.monotonic() < deadline, "they do not come"
            time.sleep(0.05)
        yield


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with ExitStack() as stack:
        engines = [stack.enter_context(SmallEngine()) for _ in range(2)]
        vendor = stack.enter_context(MockServer(openai_app))
        environ = {
            "LLAMACPP_BASE_URL": ",".join(engine.url for engine in engines),
            "OPENAI_API_KEY": "sk-test",
            "OPENAI_BASE_URL": f"{vendor.url}/v1",
            "TOLLWAY_ENGINES_POLL_S": "0.2",
            "TOLLWAY_ENGINES_STALE_S": "30",
        }
        hub = Hub(tmp_path_factory.mktemp("engines"), environ, f"[offload]\n{RELIEF}\n").start()
        stack.callback(hub.stop)
        world = World(engines, vendor, hub, hub.user(1000)[1])
        world.until_idle()
        yield world
        assert hub.audit() == []


def test_the_engines_model_is_on_sale_with_the_context_it_was_given(world: World) -> None:
    status, _, told = world.hub.ask("/v1/models", key=world.key, anthropic_version="2023-06-01")
    row = next(row for row in told["data"] if row["id"] == f"llamacpp/{NAME}")
    assert status == 200 and row["max_input_tokens"] == 2048, "4096 tokens over two slots"


def test_a_whole_answer_and_a_streamed_one_carry_the_engines_own_count(world: World) -> None:
    whole = world.chat("Name a colour.", 8).parse()
    assert whole.choices[0].message.content and whole.usage.prompt_tokens > 10
    assert 0 < whole.usage.completion_tokens <= 8
    said, usage = "", None
    options: Any = {"include_usage": True}
    for chunk in world.client().chat.completions.create(
        model=NAME, messages=[{"role": "user", "content": "Name a colour."}], max_tokens=8, temperature=0,
        stream=True, stream_options=options,
    ):  # fmt: skip
        said += (chunk.choices[0].delta.content or "") if chunk.choices else ""
        usage = chunk.usage or usage
    assert said == whole.choices[0].message.content, "at temperature 0 it says the same"
    assert usage is not None and usage.prompt_tokens == whole.usage.prompt_tokens


def test_conversations_go_on_at_the_engine_whose_cache_is_warm(world: World) -> None:
    talks: dict[int, tuple[str, ...]] = {}
    for number in range(3):
        text = f"Story {number}. " + " ".join(f"In year {number}{year} the sea rose." for year in range(14))
        talks[number] = (text, world.chat(text).parse().choices[0].message.content)
    for _ in range(2):
        for number, earlier in talks.items():
            answer = world.chat("And then?", earlier=earlier).parse()
            usage = answer.usage
            assert usage.prompt_tokens_details.cached_tokens > usage.prompt_tokens / 2, "another engine had read it"
            talks[number] = (*earlier, "And then?", answer.choices[0].message.content)


def test_when_every_slot_is_taken_and_others_wait_the_vendor_answers(world: World) -> None:
    world.until_idle()
    with ExitStack() as crowd:
        for engine in world.engines:
            crowd.enter_context(crowded(engine))
        elsewhere = world.until_relieved()
    assert elsewhere.headers["x-tollway-provider"] == "openai"
    assert elsewhere.headers["x-tollway-model"] == "gpt-5-mini"
    assert elsewhere.parse().choices[0].message.content
    receipt = world.hub.receipt(elsewhere.headers["x-request-id"], world.key)
    assert receipt["attempts"][0]["why"] == elsewhere.headers["x-tollway-offload"]
    assert receipt["attempts"][0]["channel"] == "openai"
    world.until_idle()


def test_whoever_pins_a_channel_gets_that_engine(world: World) -> None:
    world.until_idle()
    before = [engine.metric("prompt_tokens_total") for engine in world.engines]
    root = world.hub.tollway("users", "create", "root@test.example", "--credits", "100", "--admin")
    key = world.hub.tollway("keys", "create", root["user_id"], "--admin")["api_key"]
    admin = openai.OpenAI(base_url=f"{world.hub.url}/v1", api_key=key, max_retries=0)
    for _ in range(3):
        admin.chat.completions.create(
            model=NAME,
            messages=[{"role": "user", "content": "Who is there?"}],
            max_tokens=1,
            extra_headers={"x-tollway-route": "channel:llamacpp-2"},
        )
    after = [engine.metric("prompt_tokens_total") for engine in world.engines]
    assert after[0] == before[0] and after[1] > before[1]


def test_the_route_is_explained_with_what_the_engines_say(world: World) -> None:
    told = world.hub.tollway("route", "explain", NAME)["local"]
    assert told["offload"].startswith("local: ") and set(told["order"]) == {"llamacpp", "llamacpp-2", "openai"}
    assert told["order"][-1] == "openai"
    assert {load["running"] for load in told["engines"].values()} == {0}
    assert all(load["age_s"] is not None and not load["trouble"] for load in told["engines"].values())
    status, _, seen = world.hub.ask(f"/admin/routing?model={NAME}", key=world.hub.keys["admin_key"])
    assert status == 200 and set(seen["local"]["engines"]) == {"llamacpp", "llamacpp-2"}
