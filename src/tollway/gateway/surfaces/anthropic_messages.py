"""Anthropic Messages for callers: the vendor's own paths, and the same under `/anthropic`, kept for accounts."""

from tollway.gateway.dialects.anthropic_messages import dialect
from tollway.gateway.surface import COUNT, Route, Surface

_OWN, _ACCOUNTS = "/v1/messages", "/anthropic/v1/messages"

surface = Surface(
    name="anthropic_messages",
    dialect=dialect,
    routes=(
        Route(_OWN),
        Route(_ACCOUNTS, for_accounts=True),
        *(Route(f"{path}/count_tokens", does=COUNT, options={"action": "count"}) for path in (_OWN, _ACCOUNTS)),
    ),
    credentials=("x-api-key", "bearer"),
)
