"""OpenAI Chat Completions at OpenAI's own address."""

from tollway.gateway.dialects.openai_chat import dialect
from tollway.gateway.surface import Route, Surface

surface = Surface(
    name="openai_chat",
    dialect=dialect,
    routes=(Route("/v1/chat/completions"),),
    credentials=("bearer", "x-api-key"),
)
