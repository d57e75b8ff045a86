"""Anthropic Messages for callers: the vendor's own paths, and the same under `/anthropic`."""

from tollway.gateway.dialects.anthropic_messages import dialect
from tollway.gateway.surface import COUNT, Route, Surface

_PATHS = ("/v1/messages", "/anthropic/v1/messages")

surface = Surface(
    name="anthropic_messages",
    dialect=dialect,
    routes=(
        *(Route(path) for path in _PATHS),
        *(Route(f"{path}/count_tokens", does=COUNT, options={"action": "count"}) for path in _PATHS),
    ),
    credentials=("x-api-key", "bearer"),
)
