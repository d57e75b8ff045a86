"""Google's embedContent at its own addresses, and where older relays' clients expect it."""

from tollway.gateway.dialects.gemini_embed_content import dialect
from tollway.gateway.surface import EMBED, Route, Surface

_PATHS = ("/v1beta/models/{model}:embedContent", "/v1/models/{model}:embedContent", "/v1/engines/{model}/embeddings")

surface = Surface(
    name="gemini_embed_content",
    dialect=dialect,
    routes=tuple(Route(path, EMBED, {"action": "embedContent"}) for path in _PATHS),
    credentials=("x-goog-api-key", "query:key", "bearer"),
)
