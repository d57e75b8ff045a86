"""Engines that are asked for their load over real HTTP: busy, silent, hanging, talking rubbish, coming and going."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from tests.mocks.server import MockAnswer, MockRequest, MockServer
from tollway.core.engines import EngineRules
from tollway.core.ids import ChannelId
from tollway.core.model import Channel
from tollway.gateway.catalog import Catalog
from tollway.gateway.engines.fleet import Engines
from tollway.gateway.engines.load import EngineLoad
from tollway.gateway.routing.candidate import candidate_of
from tollway.gateway.routing.plan import Candidate
from tollway.gateway.stock import known_providers
from tollway.kit.http1.client import Client
from tollway.kit.http1.wire import Outbound

GOLDEN = Path(__file__).parents[2] / "golden"
PROVIDERS = known_providers()
RULES = EngineRules(stale_s=3.0)


def pages(folder: str, **names: str) -> Callable[[MockRequest], MockAnswer]:
    """An engine that tells what it told once; other addresses are not found."""

    def app(request: MockRequest) -> MockAnswer:
        name = names.get(request.path.strip("/").replace("/", "_"))
        return MockAnswer(200, {}, (GOLDEN / folder / name).read_bytes()) if name else MockAnswer(404, {}, b"no")

    return app


def channel(provider: str, url: str, name: str = "one") -> Channel:
    return Channel(id=ChannelId(name), provider=provider, base_url=url)


def through(channel: Channel) -> Candidate:
    model = Catalog.load(local_providers=list(PROVIDERS)).find(f"{channel.provider}/m")
    assert model is not None
    return candidate_of(channel, PROVIDERS[channel.provider], model, "m")


@asynccontextmanager
async def fleet(*channels: Channel) -> AsyncIterator[Engines]:
    client = Client()
    engines = Engines(PROVIDERS, client, RULES, time.monotonic)
    engines.take(channels)
    try:
        yield engines
    finally:
        await engines.close()
        await client.close()


async def told(engines: Engines, channel: Channel) -> EngineLoad:
    await engines.poll()
    await engines.heard()
    load = engines.load(through(channel))
    assert load is not None
    return load


async def test_each_kind_of_engine_tells_its_load_in_its_own_words() -> None:
    known = {
        "vllm": (pages("vllm", metrics="metrics.txt"), (5, 4, 0.5)),
        "sglang": (pages("sglang", metrics="metrics.txt"), (14, 2, 0.28)),
        "llamacpp": (pages("llamacpp", metrics="metrics.txt", slots="slots.json"), (2, 1, 198 / 2048)),
    }
    for provider, (app, expected) in known.items():
        with MockServer(app) as server:
            one = channel(provider, f"{server.url}/v1")
            async with fleet(one) as engines:
                load = await told(engines, one)
                assert (load.running, load.waiting, load.kv_used) == expected
                assert load.age_s is not None and load.age_s < RULES.stale_s


async def test_ollama_is_heard_but_tells_no_queue() -> None:
    with MockServer(pages("ollama", api_ps="ps.json")) as server:
        one = channel("ollama", server.url)
        async with fleet(one) as engines:
            assert await told(engines, one) == EngineLoad(0, 0, None, None, None)


async def test_how_many_requests_ollama_works_on_at_once_is_stated_by_its_channel() -> None:
    one = channel("ollama", "http://ollama")
    async with fleet(one) as engines:
        busy = engines.busy(through(one))
        assert busy is not None and busy.slots == 1
        engines.take([msgspec.structs.replace(one, parallel=4)])
        assert busy.slots == 4


async def test_an_engine_behind_a_path_is_asked_below_it() -> None:
    with MockServer(pages("vllm", gpu_metrics="metrics.txt")) as server:
        one = channel("vllm", f"{server.url}/gpu/v1")
        async with fleet(one) as engines:
            assert (await told(engines, one)).running == 5


async def test_an_engine_with_a_key_is_asked_with_it() -> None:
    with MockServer(pages("vllm", metrics="metrics.txt")) as server:
        one = Channel(id=ChannelId("one"), provider="vllm", base_url=f"{server.url}/v1", keys=("k",))
        async with fleet(one) as engines:
            await told(engines, one)
            assert server.requests[-1].headers["authorization"] == "Bearer k"


async def test_one_that_is_silent_refuses_or_talks_rubbish_is_known_by_our_own_calls_alone() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    for app in (None, lambda request: MockAnswer(404, {}, b"no"), lambda request: MockAnswer(200, {}, b"<html>\xff")):
        if app is None:
            one = channel("vllm", nobody)
            async with fleet(one) as engines:
                await _is_silent(engines, one)
        else:
            with MockServer(app) as server:
                one = channel("vllm", f"{server.url}/v1")
                async with fleet(one) as engines:
                    await _is_silent(engines, one)


async def _is_silent(engines: Engines, one: Channel) -> None:
    assert await told(engines, one) == EngineLoad(0, 0, None, None, None)
    busy = engines.busy(through(one))
    assert busy is not None and busy.trouble


async def test_one_that_hangs_holds_up_nobody_and_is_not_asked_twice() -> None:
    with (
        MockServer(pages("vllm", metrics="metrics.txt")) as well,
        MockServer(lambda _: MockAnswer(200, {}, b"")) as ill,
    ):
        ill.hold()
        good, bad = channel("vllm", f"{well.url}/v1", "good"), channel("vllm", f"{ill.url}/v1", "bad")
        async with fleet(good, bad) as engines:
            async with asyncio.timeout(RULES.stale_s):
                while len(well.requests) < 4:
                    await engines.poll()
                    await asyncio.sleep(0.01)
            load = engines.load(through(good))
            assert load is not None and load.running == 5
            assert len(ill.requests) <= 1
        ill.release()


async def test_what_is_known_of_an_engine_outlives_a_change_of_channels() -> None:
    with MockServer(pages("vllm", metrics="metrics.txt")) as server:
        one, other = channel("vllm", f"{server.url}/v1"), channel("vllm", f"{server.url}/v1", "other")
        async with fleet(one) as engines:
            await told(engines, one)
            engines.take([one, other])
            assert len(engines) == 1, "two channels to one engine"
            load = engines.load(through(other))
            assert load is not None and load.running == 5
            engines.take([])
            assert engines.load(through(one)) is None


async def test_calls_are_counted_from_their_sending_to_their_end() -> None:
    def app(request: MockRequest) -> MockAnswer:
        return MockAnswer(200, {}, b"{}") if request.path == "/v1/chat/completions" else MockAnswer(404, {}, b"no")

    with MockServer(app) as server, MockServer(app) as stranger:
        one = channel("vllm", f"{server.url}/v1")
        async with fleet(one) as engines:
            elsewhere = await engines.watch.send(question(stranger.url))
            elsewhere.close()
            listing = await engines.watch.send(question(server.url, b"/other"))
            listing.close()
            server.hold()
            sending = asyncio.create_task(engines.watch.send(question(server.url)))
            while len(server.requests) < 2:
                await asyncio.sleep(0.01)
            assert engines.load(through(one)) == EngineLoad(0, 1, None, None, None)
            server.release()
            answer = await sending
            assert await answer.read() == b"{}"
            assert engines.load(through(one)) == EngineLoad(0, 1, None, None, None)
            answer.close()
            answer.close()
            assert engines.load(through(one)) == EngineLoad(0, 0, None, None, None)


async def test_a_call_that_is_given_up_is_counted_no_more() -> None:
    with MockServer(lambda request: MockAnswer(200, {}, b"{}")) as server:
        one = channel("vllm", f"{server.url}/v1")
        async with fleet(one) as engines:
            server.hold()
            sending = asyncio.create_task(engines.watch.send(question(server.url)))
            while not server.requests:
                await asyncio.sleep(0.01)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            assert engines.load(through(one)) == EngineLoad(0, 0, None, None, None)
            server.release()


def question(url: str, path: bytes = b"/v1/chat/completions") -> Outbound:
    return Outbound(url, path, ((b"content-type", b"application/json"),), b"{}")


async def test_strategies_are_told_how_busy_an_engine_is() -> None:
    with MockServer(pages("llamacpp", slots="slots.json")) as server:
        full, stranger = channel("llamacpp", f"{server.url}/v1"), channel("vllm", "http://stranger/v1", "other")
        async with fleet(full) as engines:
            assert engines.pressure(through(full), time.monotonic()) == 0.0
            await told(engines, full)
            assert engines.pressure(through(full), time.monotonic()) == 1.0
            assert engines.pressure(through(stranger), time.monotonic()) == 0.0
