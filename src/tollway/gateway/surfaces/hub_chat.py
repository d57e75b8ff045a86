"""`POST /chat`: conversation in the hub's own format; words come as `chunk` events."""

from tollway.gateway.dialects.hub import dialect as hub
from tollway.gateway.surface import Route, Surface

surface = Surface(
    name="hub_chat",
    dialect=hub,
    routes=(Route("/chat", options={"text_event": "chunk"}),),
    credentials=("x-api-key", "bearer"),
)
