"""Ollama: OpenAI's wire without choice of tool, bias or copies; it tells which models are loaded, but no queue."""

import msgspec

from tollway.gateway.dialect import Body, Target
from tollway.gateway.dialects.openai_chat import dialect
from tollway.gateway.dialects.openai_chat.accents import Turn, present, renamed, retouched, with_role, without
from tollway.gateway.dialects.openai_embeddings import dialect as embeddings
from tollway.gateway.engine import Engine, Gauges, Pages, Served, is_speakable, positive
from tollway.gateway.provider import Disconnect, Embeds, Provider, at, bearer

_UNKNOWN = frozenset({"tool_choice", "parallel_tool_calls", "logit_bias", "user", "n", "store", "metadata"})
"""What it passes over in silence: https://docs.ollama.com/api/openai-compatibility."""


class _Model(msgspec.Struct):
    name: str
    context_length: int | None = None


class _Models(msgspec.Struct):
    models: list[_Model]


def _unwanted(body: Body, target: Target) -> tuple[str, ...]:
    return present(body, _UNKNOWN)


def _accent(body: Body, target: Target) -> Body:
    said = renamed(without(body, _UNKNOWN), {"max_completion_tokens": "max_tokens"})
    if "messages" in said:
        said["messages"] = retouched(said["messages"], _instructed)
    return said


def _instructed(place: int, turn: Turn) -> Turn:
    """Templates know no `developer`."""
    return with_role(turn, "developer", "system")


def _list(pages: Pages) -> list[Served]:
    """All that is pulled; only of a loaded model it is known how much context it was given."""
    pulled, loaded = pages
    contexts = {row.name: positive(row.context_length) for row in _rows(loaded)} if loaded else {}
    return [Served(row.name, contexts.get(row.name)) for row in _rows(pulled) if is_speakable(row.name)]


def _rows(page: bytes | None) -> list[_Model]:
    return msgspec.json.decode(page or b"", type=_Models).models


def _gauges(pages: Pages) -> Gauges:
    """It is there. How many requests it works on, and how many wait, it does not tell."""
    _rows(pages[0])
    return Gauges()


def _nobody(body: Body, target: Target) -> tuple[str, ...]:
    return present(body, {"user"})


def _without_user(body: Body, target: Target) -> Body:
    return without(body, {"user"})


provider = Provider(
    name="ollama",
    dialect=dialect,
    base_url="",
    path=at("/chat/completions"),
    authorize=bearer,
    accent=_accent,
    disconnect=Disconnect(
        True,
        "Ollama stops when the connection is closed: https://github.com/ollama/ollama/issues/9813",
    ),
    drops=_unwanted,
    key_env="OLLAMA_API_KEY",
    base_env="OLLAMA_BASE_URL",
    bare_path="/v1",
    host_env="OLLAMA_HOST",
    host_port=11434,
    needs_key=False,
    local_price=True,
    engine=Engine(("/api/tags", "/api/ps"), _list, ("/api/ps",), _gauges, slots=1, usual_tag=":latest"),
    embeds=Embeds(embeddings, at("/embeddings"), _without_user, _nobody),
)
