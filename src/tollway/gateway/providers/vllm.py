"""vLLM, and any other engine that speaks OpenAI Chat at an address the operator states."""

from tollway.gateway.dialects.openai_chat import dialect
from tollway.gateway.provider import Provider, at, bearer, same

provider = Provider(
    name="vllm",
    dialect=dialect,
    base_url="",
    path=at("/chat/completions"),
    authorize=bearer,
    accent=same,
    key_env="VLLM_API_KEY",
    base_env="VLLM_BASE_URL",
    needs_key=False,
    local_price=True,
)
