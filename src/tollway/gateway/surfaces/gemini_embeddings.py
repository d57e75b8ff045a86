"""Google's batchEmbedContents at its own addresses."""

from tollway.gateway.dialects.gemini_embeddings import dialect
from tollway.gateway.surface import EMBED, Route, Surface

surface = Surface(
    name="gemini_embeddings",
    dialect=dialect,
    routes=tuple(
        Route(f"/{version}/models/{{model}}:batchEmbedContents", EMBED, {"action": "batchEmbedContents"})
        for version in ("v1beta", "v1")
    ),
    credentials=("x-goog-api-key", "query:key", "bearer"),
)
