"""An address that is asked by routes which its operator states: path, format, models and credential of each."""

from tollway.gateway.dialects.openai_chat import dialect
from tollway.gateway.provider import Disconnect, Provider, at, bearer, same

provider = Provider(
    name="advanced_custom",
    dialect=dialect,
    base_url="",
    path=at("/chat/completions"),
    authorize=bearer,
    accent=same,
    disconnect=Disconnect(
        False,
        "Nothing is known of such an address: the whole answer may be billed",
    ),
    needs_key=False,
)
