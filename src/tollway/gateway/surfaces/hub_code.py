"""`POST /code`: one turn of a tool-using client in the hub's own format; words come as `text` events."""

from tollway.gateway.dialects.hub import dialect as hub
from tollway.gateway.surface import Route, Surface

surface = Surface(
    name="hub_code",
    dialect=hub,
    routes=(Route("/code", options={"text_event": "text"}),),
    credentials=("x-api-key", "bearer"),
)
