"""Google's Gemini API, reached with an AI Studio key."""

from urllib.parse import quote

from tollway.gateway.dialect import Body, Target
from tollway.gateway.dialects.gemini import dialect
from tollway.gateway.dialects.gemini.mended import mended
from tollway.gateway.dialects.gemini_embeddings import dialect as embeddings
from tollway.gateway.provider import Aim, Disconnect, Embeds, HeaderLines, Provider


def _path(aim: Aim) -> str:
    action = "streamGenerateContent?alt=sse" if aim.stream else "generateContent"
    return f"/v1beta/models/{quote(aim.model, safe='')}:{action}"


def _embedding_path(aim: Aim) -> str:
    """Always the batch's: a single content is a batch of one."""
    return f"/v1beta/models/{quote(aim.model, safe='')}:batchEmbedContents"


def _goog_key(key: str) -> HeaderLines:
    return (("x-goog-api-key", key),) if key else ()


def _accent(body: Body, target: Target) -> Body:
    """Seals of other providers' answers in the conversation are not for Google's eyes."""
    given = body.get("contents")
    contents = mended(given, target.model)
    return body if contents is given else body | {"contents": contents}


provider = Provider(
    name="gemini",
    dialect=dialect,
    base_url="https://generativelanguage.googleapis.com",
    path=_path,
    authorize=_goog_key,
    accent=_accent,
    disconnect=Disconnect(
        False,
        "Google: cancelling does not reach the backend, charges apply: "
        "https://firebase.google.com/docs/reference/js/ai.singlerequestoptions",
    ),
    key_env="GEMINI_API_KEY",
    base_env="GEMINI_BASE_URL",
    models_path="/v1beta/models",
    embeds=Embeds(embeddings, _embedding_path),
)
