"""OpenAI Embeddings at OpenAI's own address."""

from tollway.gateway.dialects.openai_embeddings import dialect
from tollway.gateway.surface import EMBED, Route, Surface

surface = Surface(
    name="openai_embeddings",
    dialect=dialect,
    routes=(Route("/v1/embeddings", EMBED),),
    credentials=("bearer", "x-api-key"),
)
