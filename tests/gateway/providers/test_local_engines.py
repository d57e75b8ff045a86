"""What each local engine says of itself, in the very words of its own pages."""

from pathlib import Path

import msgspec
import pytest

from tests.gateway.providers.test_openai_wire import spoken
from tollway.gateway.engine import Gauges, Served
from tollway.gateway.provider import Provider
from tollway.gateway.providers import llamacpp, ollama, sglang, vllm

GOLDEN = Path(__file__).parents[2] / "golden"
LOCAL = [llamacpp.provider, ollama.provider, sglang.provider, vllm.provider]


def gauges(provider: Provider, *pages: bytes | None) -> Gauges:
    assert provider.engine is not None
    return provider.engine.read_gauges(pages)


def listed(provider: Provider, *pages: bytes | None) -> list[Served]:
    assert provider.engine is not None
    return provider.engine.read_list(pages)


def golden(name: str) -> bytes:
    return (GOLDEN / name).read_bytes()


@pytest.mark.parametrize("provider", LOCAL, ids=lambda provider: provider.name)
def test_a_local_engine_needs_no_key_and_has_the_operators_price(provider: Provider) -> None:
    assert not provider.needs_key and provider.local_price and provider.base_url == ""
    assert provider.bare_path == "/v1"
    assert provider.authorize("") == ()
    assert provider.key_env == f"{provider.name.upper()}_API_KEY"


def test_vllm_tells_what_runs_waits_and_fills_its_cache_over_all_its_parts() -> None:
    assert gauges(vllm.provider, golden("vllm/metrics.txt")) == Gauges(
        running=5, waiting=4, kv_used=0.5, prompt_tokens=9000.0, prompt_seconds=4.5
    )


def test_vllm_before_version_0_10_had_another_name_for_its_cache() -> None:
    old = b'vllm:num_requests_running{model_name="m"} 1.0\nvllm:gpu_cache_usage_perc{model_name="m"} 0.25\n'
    assert gauges(vllm.provider, old) == Gauges(running=1, kv_used=0.25)


def test_sglang_counts_ranks_that_say_the_same_once_and_priorities_by_their_sum() -> None:
    assert gauges(sglang.provider, golden("sglang/metrics.txt")) == Gauges(
        running=14, waiting=2, kv_used=0.28, prompt_tokens=8000.0, prompt_seconds=16.0
    )


def test_llamacpp_tells_from_its_metrics_and_its_slots() -> None:
    assert gauges(llamacpp.provider, golden("llamacpp/metrics.txt"), golden("llamacpp/slots.json")) == Gauges(
        running=2, waiting=1, kv_used=198 / 2048, slots=2, prompt_tokens=31.0, prompt_seconds=0.209107
    )


def test_llamacpp_needs_only_one_of_the_two() -> None:
    assert gauges(llamacpp.provider, None, golden("llamacpp/slots.json")) == Gauges(
        running=2, kv_used=198 / 2048, slots=2
    )
    old = b"llamacpp:requests_processing 1\nllamacpp:requests_deferred 0\nllamacpp:kv_cache_usage_ratio 0.5\n"
    assert gauges(llamacpp.provider, old, None) == Gauges(running=1, waiting=0, kv_used=0.5)
    with pytest.raises(ValueError, match="--metrics"):
        gauges(llamacpp.provider, None, None)


def test_ollama_tells_that_it_is_there_and_no_more() -> None:
    assert gauges(ollama.provider, golden("ollama/ps.json")) == Gauges()
    with pytest.raises(msgspec.DecodeError):
        gauges(ollama.provider, b"<html>")


@pytest.mark.parametrize("provider", [vllm.provider, sglang.provider], ids=lambda provider: provider.name)
@pytest.mark.parametrize("page", [None, b"", b"<html>", b"\xff", b"python_info 1\n"])
def test_a_page_without_the_engines_own_metrics_says_nothing(provider: Provider, page: bytes | None) -> None:
    with pytest.raises(ValueError):
        gauges(provider, page)


def test_numbers_that_are_none_are_left_out() -> None:
    page = b"vllm:num_requests_running NaN\nvllm:num_requests_waiting +Inf\nvllm:kv_cache_usage_perc -3\n"
    assert gauges(vllm.provider, page) == Gauges(kv_used=0.0)
    for said, told in ("1.0000001", 1.0), ("45", None), ("9e99", None):
        assert gauges(vllm.provider, f"vllm:kv_cache_usage_perc {said}\n".encode()) == Gauges(kv_used=told), said


def test_lists_tell_names_and_context() -> None:
    rows = b'{"object":"list","data":[{"id":"a","max_model_len":4096},{"id":"b"},{"id":"gr\xc3\xbcn"}]}'
    assert listed(vllm.provider, rows) == [Served("a", 4096), Served("b")]
    assert listed(sglang.provider, rows) == [Served("a", 4096), Served("b")]
    assert listed(llamacpp.provider, golden("llamacpp/models.json")) == [Served("smollm2", 1024)]
    assert listed(ollama.provider, golden("ollama/tags.json"), golden("ollama/ps.json")) == [
        Served("gemma3:4b", 8192),
        Served("qwen3:0.6b"),
    ]
    assert listed(ollama.provider, golden("ollama/tags.json"), None)[0] == Served("gemma3:4b")


def test_ollama_hears_what_it_knows_and_the_rest_is_named() -> None:
    turns = [{"role": "developer", "content": "s"}, {"role": "user", "content": "u"}]
    body, dropped = spoken(ollama.provider, "m", max_completion_tokens=5, n=2, user="x", tool_choice="auto",
                           logit_bias={}, messages=turns, seed=1, logprobs=True)  # fmt: skip
    assert body == {
        "max_tokens": 5,
        "messages": [{"role": "system", "content": "s"}, turns[1]],
        "seed": 1,
        "logprobs": True,
    }
    assert set(dropped) == {"n", "user", "tool_choice", "logit_bias"}


@pytest.mark.parametrize("provider", [llamacpp.provider, sglang.provider], ids=lambda provider: provider.name)
def test_the_others_take_everything(provider: Provider) -> None:
    said = {"max_completion_tokens": 5, "n": 2, "logit_bias": {"1": 2}, "tool_choice": "auto", "top_k": 4}
    assert spoken(provider, "m", **said) == (said, ())
