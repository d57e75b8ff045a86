"""How long a first word may take: the channel's own word, else the model's, else the hub's."""

import asyncio
from pathlib import Path

import pytest

from tests.gateway.pipeline.stage import Played, chunk, open_stage, spoken, whole
from tollway.kit.http1.wire import UpstreamError
from tollway.kit.toml import TomlError

TWO = """
[upstream]
first_byte_timeout_s = 40

[[models]]
id = "gpt-5-mini"
first_byte_timeout_s = {model_s}

[[channels]]
id = "a"
provider = "openai"
key = "k"
priority = 1

[[channels]]
id = "b"
provider = "openai"
key = "k"
first_byte_timeout_s = 7
"""


async def test_a_model_says_how_long_its_first_word_may_take_unless_the_channel_does(tmp_path: Path) -> None:
    async with open_stage(tmp_path, TWO.format(model_s=300), {}) as stage:
        for model in ("gpt-5-mini", "gpt-5.2"):
            ear = await stage.chat(UpstreamError("connect", "no"), whole(), model=model)
            assert ear.status == 200, ear.data
        assert [one.first_byte_timeout_s for one in stage.outside.asked] == [300.0, 7.0, 40.0, 7.0]


async def test_a_stream_whose_model_is_impatient_goes_to_the_next_channel(tmp_path: Path) -> None:
    async with open_stage(tmp_path, TWO.format(model_s=0.2), {}) as stage:
        slow = Played([chunk({"role": "assistant", "content": ""})], lingers=True)
        body = {"model": "gpt-5-mini", "messages": [{"role": "user", "content": "hi"}], "stream": True}
        ear, task = stage.begin("/v1/chat/completions", body, slow, Played([spoken("from b")]))
        await asyncio.wait_for(task, 30)
        assert b"from b" in ear.data and slow.closed
        assert "in time" in (await stage.receipt(ear.call)).attempts[0].fault
        await stage.quiet()


async def test_a_patience_of_nothing_is_refused_by_its_place(tmp_path: Path) -> None:
    with pytest.raises(TomlError, match=r"models\[0\]\.first_byte_timeout_s"):
        async with open_stage(tmp_path, TWO.format(model_s=0), {}):
            raise AssertionError("it must not open")
