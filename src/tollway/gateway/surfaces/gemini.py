"""Google's generateContent at its own addresses."""

from tollway.gateway.dialects.gemini import dialect
from tollway.gateway.surface import CHAT, COUNT, Route, Surface

_ACTIONS = {"generateContent": CHAT, "streamGenerateContent": CHAT, "countTokens": COUNT}
_FRAMING = {"streamGenerateContent": {"framing": "array"}}
"""A stream is one JSON array unless the query says `alt=sse`."""

surface = Surface(
    name="gemini",
    dialect=dialect,
    routes=tuple(
        Route(f"/{version}/models/{{model}}:{action}", does, {"action": action, **_FRAMING.get(action, {})})
        for version in ("v1beta", "v1")
        for action, does in _ACTIONS.items()
    ),
    credentials=("x-goog-api-key", "query:key", "bearer"),
)
