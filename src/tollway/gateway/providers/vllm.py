"""vLLM, and any other engine that speaks OpenAI Chat at an address the operator states."""

from tollway.gateway.dialects.openai_chat import dialect
from tollway.gateway.dialects.openai_embeddings import dialect as embeddings
from tollway.gateway.engine import Engine, Gauges, Pages, Series, openai_list, text_of
from tollway.gateway.provider import Disconnect, Embeds, Provider, at, bearer, same

_RUNNING, _WAITING = "vllm:num_requests_running", "vllm:num_requests_waiting"
_KV = ("vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc")
"""Its name now, and before version 0.10."""
_TOKENS = "vllm:prompt_tokens_total"
_CACHED = ("vllm:prompt_tokens_cached_total", "vllm:prefix_cache_hits_total")
_SECONDS = "vllm:request_prefill_time_seconds_sum"


def _gauges(pages: Pages) -> Gauges:
    series = Series(text_of(pages[0]), {_RUNNING, _WAITING, *_KV, _TOKENS, *_CACHED, _SECONDS})
    tokens = series.total(_TOKENS)
    return Gauges(
        running=series.count(_RUNNING),
        waiting=series.count(_WAITING),
        kv_used=series.fullest(*_KV),
        prompt_tokens=None if tokens is None else max(0.0, tokens - (series.total(*_CACHED) or 0.0)),
        prompt_seconds=series.total(_SECONDS),
    )


provider = Provider(
    name="vllm",
    dialect=dialect,
    base_url="",
    path=at("/chat/completions"),
    authorize=bearer,
    accent=same,
    disconnect=Disconnect(
        True,
        "vLLM aborts a request whose client has left: https://github.com/vllm-project/vllm/pull/32442",
    ),
    key_env="VLLM_API_KEY",
    base_env="VLLM_BASE_URL",
    bare_path="/v1",
    needs_key=False,
    local_price=True,
    engine=Engine(("models",), openai_list, ("/metrics",), _gauges),
    embeds=Embeds(embeddings, at("/embeddings")),
)
