"""OpenRouter: OpenAI's wire to everyone's models, with thoughts and costs of its own."""

from tollway.gateway.dialect import Body, Target
from tollway.gateway.dialects.openai_chat import dialect
from tollway.gateway.dialects.openai_chat.accents import word
from tollway.gateway.dialects.openai_embeddings import dialect as embeddings
from tollway.gateway.provider import Disconnect, Embeds, Provider, at, bearer


def _accent(body: Body, target: Target) -> Body:
    said = {**body}
    said.setdefault("usage", {"include": True})
    effort = word(said.get("reasoning_effort"))
    if effort is not None and "reasoning" not in said:
        del said["reasoning_effort"]
        said["reasoning"] = {"enabled": False} if effort == "none" else {"effort": effort}
    return said


provider = Provider(
    name="openrouter",
    dialect=dialect,
    base_url="https://openrouter.ai/api/v1",
    path=at("/chat/completions"),
    authorize=bearer,
    accent=_accent,
    disconnect=Disconnect(
        False,
        "it depends on who serves the model; these stop: https://openrouter.ai/docs/api-reference/streaming",
        except_for=("openai/", "anthropic/", "x-ai/", "deepseek/"),
    ),
    headers=(("http-referer", "http://localhost"), ("x-title", "Tollway")),
    key_env="OPENROUTER_API_KEY",
    base_env="OPENROUTER_BASE_URL",
    embeds=Embeds(embeddings, at("/embeddings")),
)
