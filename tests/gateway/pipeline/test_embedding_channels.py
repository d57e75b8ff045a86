"""Channels that make vectors: tested and probed with a text, found at local engines, spoken to with an accent."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.pipeline.stage import JSON, Outside, Played, open_stage, refused
from tests.gateway.pipeline.test_embeddings import VECTOR, answered, by_google, embed, sent
from tollway.core.errors import Fault
from tollway.core.ids import ChannelId
from tollway.core.model import Channel, Model
from tollway.gateway.catalog import Catalog
from tollway.gateway.pipeline import probe
from tollway.gateway.pipeline.trial import Trial, model_for_test
from tollway.gateway.routing.candidate import candidate_of
from tollway.gateway.routing.chain import STRATEGIES
from tollway.gateway.stock import known_providers

PROVIDERS = known_providers()
CATALOG = Catalog.load()


def sold(name: str) -> Model:
    found = CATALOG.find(name)
    assert found is not None
    return found


def channel(provider: str, **more: Any) -> Channel:
    base = PROVIDERS[provider].base_url or "http://127.0.0.1:9/v1"
    return Channel(id=ChannelId("one"), provider=provider, base_url=base, keys=("k",), **more)


@pytest.mark.parametrize(
    ("provider", "model", "answer"),
    [("openai", "text-embedding-3-small", answered), ("gemini", "gemini-embedding-001", by_google)],
)
async def test_a_channel_is_tested_and_probed_with_a_text_to_embed(provider: str, model: str, answer: Any) -> None:
    outside, one = Outside(), channel(provider)
    outside.script = [answer(), answer(), refused(500), Played([b'{"choices":[]}'], headers=JSON)]
    (tried,) = await Trial(PROVIDERS, lambda _: outside)(one, sold(model), model)
    assert (tried.status, tried.problem) == (200, "")
    way = candidate_of(one, PROVIDERS[provider], sold(model), model)
    await probe.ask(way, outside)
    assert [b"hi" in asked.body for asked in outside.asked] == [True, True]
    assert all(asked.target == way.paths[0] and b"mbed" in asked.target for asked in outside.asked)
    for _ in range(2):  # an error, and an answer that is none
        with pytest.raises(Fault):
            await probe.ask(way, outside)


async def test_a_provider_without_vectors_says_so_when_it_is_tested_and_is_never_asked() -> None:
    outside = Outside()
    (tried,) = await Trial(PROVIDERS, lambda _: outside)(channel("anthropic"), sold("text-embedding-3-small"), "x")
    assert (tried.status, tried.problem) == (0, "anthropic makes no vectors")
    assert not outside.asked


def test_a_channel_that_talks_is_tested_with_a_conversation() -> None:
    found = model_for_test(channel("openai"), CATALOG)
    assert found is not None
    assert found[0].type == "chat"
    only = model_for_test(channel("openai", models={"text-embedding-3-large": "large"}), CATALOG)
    assert only is not None
    assert (only[0].id, only[1]) == ("text-embedding-3-large", "large")


@pytest.mark.parametrize("name", ["nomic-embed-text:latest", "BAAI/bge-m3", "all-minilm", "intfloat/e5-large-v2"])
async def test_a_local_engines_model_is_known_by_its_name(tmp_path: Path, name: str) -> None:
    rows = '[[channels]]\nid = "v"\nprovider = "ollama"\nbase_url = "http://127.0.0.1:9/v1"\n'
    async with open_stage(tmp_path, rows, {}) as stage:
        ear = await embed(stage, answered(1, 10), model=f"ollama/{name}", user="ann", dimensions=3)
        assert ear.json["data"][0]["embedding"] == VECTOR
        assert sent(stage) == {"model": name, "input": "some words", "dimensions": 3}
        assert ear.headers["x-tollway-dropped"] == "user"
        receipt = await stage.receipt(ear.call)
        assert receipt.charge_nano_usd == 10 * 140  # 0.10 US dollars a million, and the margin
        await stage.quiet()


@pytest.mark.parametrize("name", ["Qwen/Qwen3-8B", "BAAI/bge-reranker-v2-m3", "bgenius", "mistral-7b"])
def test_what_no_name_tells_talks(name: str) -> None:
    found = Catalog.load(local_providers=["vllm"]).find(f"vllm/{name}")
    assert found is not None
    assert found.type == "chat"


async def test_mistral_has_words_of_its_own(tmp_path: Path) -> None:
    async with open_stage(tmp_path, "", {"MISTRAL_API_KEY": "m"}) as stage:
        ear = await embed(stage, answered(), model="mistral-embed", dimensions=3, user="ann")
        assert stage.outside.asked[0].target == b"/v1/embeddings"
        assert sent(stage) == {"model": "mistral-embed", "input": "some words", "output_dimension": 3}
        assert ear.headers["x-tollway-dropped"] == "user"


async def test_a_row_of_the_operators_is_sold_at_its_price(tmp_path: Path) -> None:
    rows = (
        '[[models]]\nid = "ours"\ntype = "embedding"\nprovider = "vllm"\ncontext_window = 512\n'
        'served_by.vllm = "BAAI/strange"\nprice.input = 1.0\n'
        '[[channels]]\nid = "v"\nprovider = "vllm"\nbase_url = "http://127.0.0.1:9/v1"\n'
    )
    async with open_stage(tmp_path, rows, {}) as stage:
        ear = await embed(stage, answered(1, 10), model="ours")
        assert (json.loads(stage.outside.asked[0].body)["model"], ear.status) == ("BAAI/strange", 200)
        assert (await stage.receipt(ear.call)).charge_nano_usd == 10 * 1400


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
async def test_every_strategy_orders_channels_of_vectors_too(tmp_path: Path, strategy: str) -> None:
    row = '[[channels]]\nid = "{0}"\nprovider = "openai"\nkey = "k-{0}"\nrpm = 1000\n'
    rules = f'[routing]\nstrategy = "{strategy}"\n' + "".join(row.format(name) for name in "abc")
    async with open_stage(tmp_path, rules, {}) as stage:
        for given in ("some words", ["a", "b"], [1, 2], "x" * 40_000):
            ear = await embed(stage, refused(500), answered(), given=given)
            assert (ear.status, len({one.channel for one in (await stage.receipt(ear.call)).attempts})) == (200, 2)
        await stage.quiet()
