"""OpenAI Responses at OpenAI's own address."""

from tollway.gateway.dialects.openai_responses import dialect
from tollway.gateway.surface import Route, Surface

surface = Surface(
    name="openai_responses",
    dialect=dialect,
    routes=(Route("/v1/responses"),),
    credentials=("bearer", "x-api-key"),
)
