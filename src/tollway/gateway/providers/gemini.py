"""Google's Gemini API, reached with an AI Studio key."""

from urllib.parse import quote

from tollway.gateway.dialects.gemini import dialect
from tollway.gateway.provider import Aim, HeaderLines, Provider, same


def _path(aim: Aim) -> str:
    action = "streamGenerateContent?alt=sse" if aim.stream else "generateContent"
    return f"/v1beta/models/{quote(aim.model, safe='')}:{action}"


def _goog_key(key: str) -> HeaderLines:
    return (("x-goog-api-key", key),) if key else ()


provider = Provider(
    name="gemini",
    dialect=dialect,
    base_url="https://generativelanguage.googleapis.com",
    path=_path,
    authorize=_goog_key,
    accent=same,
    key_env="GEMINI_API_KEY",
    base_env="GEMINI_BASE_URL",
)
