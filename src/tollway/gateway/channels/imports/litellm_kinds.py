"""What the prefixes of LiteLLM's model names mean here: a provider, its address, and the variable of its key."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Kind(NamedTuple):
    """Whom a deployment asks."""

    provider: str
    address: str = ""
    """Unless the deployment states one; empty: the provider's own."""
    key_env: str = ""
    """The variable LiteLLM looks at unless a key is stated; empty: the one of our provider."""
    nowhere: bool = False
    """It has no address unless the deployment states one."""


KINDS: Mapping[str, Kind] = {
    **{name: Kind(name) for name in ("openai", "anthropic", "gemini", "openrouter", "groq", "deepseek", "mistral")},
    "xai": Kind("xai"),
    "sglang": Kind("sglang", nowhere=True),
    "hosted_vllm": Kind("vllm", key_env="HOSTED_VLLM_API_KEY", nowhere=True),
    "vllm": Kind("vllm", nowhere=True),
    "llamafile": Kind("llamacpp", key_env="LLAMAFILE_API_KEY", nowhere=True),
    "ollama": Kind("ollama", "http://localhost:11434"),
    "ollama_chat": Kind("ollama", "http://localhost:11434"),
    "custom_openai": Kind("openai", nowhere=True),
    "openai_like": Kind("openai", key_env="OPENAI_LIKE_API_KEY", nowhere=True),
    "litellm_proxy": Kind("openai", key_env="LITELLM_PROXY_API_KEY", nowhere=True),
    "lm_studio": Kind("openai", key_env="LM_STUDIO_API_KEY", nowhere=True),
    "together_ai": Kind("openai", "https://api.together.xyz/v1", "TOGETHERAI_API_KEY"),
    "fireworks_ai": Kind("openai", "https://api.fireworks.ai/inference/v1", "FIREWORKS_AI_API_KEY"),
    "perplexity": Kind("openai", "https://api.perplexity.ai", "PERPLEXITYAI_API_KEY"),
    "cerebras": Kind("openai", "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY"),
    "deepinfra": Kind("openai", "https://api.deepinfra.com/v1/openai", "DEEPINFRA_API_KEY"),
    "nvidia_nim": Kind("openai", "https://integrate.api.nvidia.com/v1", "NVIDIA_NIM_API_KEY"),
}


def kind_of(params: Mapping[str, Any], model: str) -> tuple[Kind, str]:
    """Whom a deployment asks, and what it calls the model there; a prefix we do not know is taken for a provider."""
    prefix, slash, rest = model.partition("/")
    stated = str(params.get("custom_llm_provider") or "")
    if stated:
        prefix, rest = stated, model.removeprefix(f"{stated}/")
    elif not slash:
        prefix, rest = ("anthropic" if model.startswith("claude") else "openai"), model
    return KINDS.get(prefix, Kind(prefix)), rest
