"""SGLang: OpenAI's wire at an address the operator states, and its metrics where `--enable-metrics` is given."""

from tollway.gateway.dialects.openai_chat import dialect
from tollway.gateway.dialects.openai_embeddings import dialect as embeddings
from tollway.gateway.engine import Engine, Gauges, Pages, Series, openai_list, text_of
from tollway.gateway.provider import Disconnect, Embeds, Provider, at, bearer, same

_RUNNING, _WAITING, _KV = "sglang:num_running_reqs", "sglang:num_queue_reqs", "sglang:token_usage"
_TOKENS, _CACHED = "sglang:prompt_tokens_total", "sglang:cached_tokens_total"
_FIRST_TOKEN = "sglang:time_to_first_token_seconds_sum"


def _gauges(pages: Pages) -> Gauges:
    series = Series(text_of(pages[0]), {_RUNNING, _WAITING, _KV, _TOKENS, _CACHED, _FIRST_TOKEN})
    tokens = series.total(_TOKENS)
    return Gauges(
        running=series.count(_RUNNING),
        waiting=series.count(_WAITING),
        kv_used=series.fullest(_KV),
        prompt_tokens=None if tokens is None else max(0.0, tokens - (series.total(_CACHED) or 0.0)),
        prompt_seconds=series.total(_FIRST_TOKEN),  # with what was spent in the queue: slower than it is, never faster
    )


provider = Provider(
    name="sglang",
    dialect=dialect,
    base_url="",
    path=at("/chat/completions"),
    authorize=bearer,
    accent=same,
    disconnect=Disconnect(
        True,
        "SGLang aborts a request whose client has left: https://github.com/sgl-project/sglang/pull/457",
    ),
    key_env="SGLANG_API_KEY",
    base_env="SGLANG_BASE_URL",
    bare_path="/v1",
    needs_key=False,
    local_price=True,
    engine=Engine(("models",), openai_list, ("/metrics",), _gauges),
    embeds=Embeds(embeddings, at("/embeddings")),
)
