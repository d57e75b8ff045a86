"""The echo model: speaks OpenAI Chat from inside the process, so that everything can be tried without a key."""

from tollway.gateway.dialects.openai_chat import dialect as openai_chat
from tollway.gateway.dialects.openai_embeddings import dialect as embeddings
from tollway.gateway.provider import Disconnect, Embeds, Provider, at, bearer, same

provider = Provider(
    name="echo",
    dialect=openai_chat,
    base_url="http://echo.inside/v1",
    path=at("/chat/completions"),
    authorize=bearer,
    accent=same,
    disconnect=Disconnect(True, "it runs inside this process and bills nobody"),
    needs_key=False,
    inside=True,
    embeds=Embeds(embeddings, at("/embeddings")),
)
