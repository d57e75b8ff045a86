"""vLLM, and any other engine that speaks OpenAI Chat at an address the operator states."""

from tollway.gateway.dialects.openai_chat import dialect
from tollway.gateway.provider import Disconnect, Provider, at, bearer, same

provider = Provider(
    name="vllm",
    dialect=dialect,
    base_url="",
    path=at("/chat/completions"),
    authorize=bearer,
    accent=same,
    disconnect=Disconnect(
        True,
        "vLLM aborts a request whose client has left: https://github.com/vllm-project/vllm/pull/32442",
    ),
    key_env="VLLM_API_KEY",
    base_env="VLLM_BASE_URL",
    needs_key=False,
    local_price=True,
)
