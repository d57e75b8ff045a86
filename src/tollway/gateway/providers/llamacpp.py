"""llama.cpp's server: OpenAI's wire at an address the operator states; metrics with `--metrics`, slots by itself."""

import msgspec

from tollway.gateway.dialects.openai_chat import dialect
from tollway.gateway.dialects.openai_embeddings import dialect as embeddings
from tollway.gateway.engine import Engine, Gauges, Pages, Series, openai_list
from tollway.gateway.provider import Disconnect, Embeds, Provider, at, bearer, same

_RUNNING, _WAITING, _KV = "llamacpp:requests_processing", "llamacpp:requests_deferred", "llamacpp:kv_cache_usage_ratio"
_TOKENS, _SECONDS = "llamacpp:prompt_tokens_total", "llamacpp:prompt_seconds_total"


class _Slot(msgspec.Struct):
    n_ctx: int = 0
    is_processing: bool = False
    n_prompt_tokens: int = 0
    """Of the request in it: its prompt and what was said so far."""


def _gauges(pages: Pages) -> Gauges:
    """From both pages, or from the one the operator left open."""
    metrics, slots = pages
    if metrics is None and slots is None:
        raise ValueError("neither metrics nor slots: start it with --metrics or --slots")
    told = _metrics(metrics.decode()) if metrics is not None else Gauges()
    return _with_slots(told, msgspec.json.decode(slots, type=list[_Slot])) if slots is not None else told


def _metrics(text: str) -> Gauges:
    series = Series(text, {_RUNNING, _WAITING, _KV, _TOKENS, _SECONDS})
    return Gauges(
        running=series.count(_RUNNING),
        waiting=series.count(_WAITING),
        kv_used=series.fullest(_KV),
        prompt_tokens=series.total(_TOKENS),
        prompt_seconds=series.total(_SECONDS),
    )


def _with_slots(told: Gauges, slots: list[_Slot]) -> Gauges:
    busy = [slot for slot in slots if slot.is_processing]
    room = sum(slot.n_ctx for slot in slots)
    used = min(1.0, sum(slot.n_prompt_tokens for slot in busy) / room) if room > 0 else None
    return Gauges(
        running=len(busy) if told.running is None else told.running,
        waiting=told.waiting,
        kv_used=used if told.kv_used is None else told.kv_used,
        slots=len(slots) or None,
        prompt_tokens=told.prompt_tokens,
        prompt_seconds=told.prompt_seconds,
    )


provider = Provider(
    name="llamacpp",
    dialect=dialect,
    base_url="",
    path=at("/chat/completions"),
    authorize=bearer,
    accent=same,
    disconnect=Disconnect(
        True,
        "llama.cpp cancels the task of a closed connection: https://github.com/ggml-org/llama.cpp/pull/18459",
    ),
    key_env="LLAMACPP_API_KEY",
    base_env="LLAMACPP_BASE_URL",
    bare_path="/v1",
    needs_key=False,
    local_price=True,
    engine=Engine(("models",), openai_list, ("/metrics", "/slots"), _gauges),
    embeds=Embeds(embeddings, at("/embeddings")),
)
