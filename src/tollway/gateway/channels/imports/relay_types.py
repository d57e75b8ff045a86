"""What the numbered channel types of new-api and one-api are here: a provider, and where it is reached."""

from typing import NamedTuple


class Kind(NamedTuple):
    """A channel type that has a counterpart."""

    provider: str
    base_url: str = ""
    """Its usual address there, without `tail`."""
    tail: str = ""
    """What is added to an address to get one of ours; nothing is, where the address has a version already."""


_OPENAI = Kind("openai", "https://api.openai.com", "/v1")
_SHARED = {
    1: _OPENAI,
    14: Kind("anthropic", "https://api.anthropic.com"),
    20: Kind("openrouter", "https://openrouter.ai/api", "/v1"),
    24: Kind("gemini", "https://generativelanguage.googleapis.com"),
    25: Kind("openai", "https://api.moonshot.cn", "/v1"),
    31: Kind("openai", "https://api.lingyiwanwu.com", "/v1"),
    17: Kind("openai", "https://dashscope.aliyuncs.com", "/compatible-mode/v1"),
}
NEW_API = _SHARED | {
    4: Kind("ollama", "http://localhost:11434"),
    26: Kind("openai", "https://open.bigmodel.cn", "/api/paas/v4"),
    27: Kind("openai", "https://api.perplexity.ai"),
    40: Kind("openai", "https://api.siliconflow.cn", "/v1"),
    42: Kind("mistral", "https://api.mistral.ai", "/v1"),
    43: Kind("deepseek", "https://api.deepseek.com"),
    45: Kind("openai", "https://ark.cn-beijing.volces.com", "/api/v3"),
    46: Kind("openai", "https://qianfan.baidubce.com", "/v2"),
    47: Kind("openai", "", "/v1"),
    48: Kind("xai", "https://api.x.ai", "/v1"),
    58: Kind("advanced_custom"),
    53: Kind("openai", "https://llm.submodel.ai", "/v1"),
}
ONE_API = _SHARED | {
    28: Kind("mistral", "https://api.mistral.ai", "/v1"),
    29: Kind("groq", "https://api.groq.com/openai", "/v1"),
    30: Kind("ollama", "http://localhost:11434"),
    32: Kind("openai", "https://api.stepfun.com", "/v1"),
    36: Kind("deepseek", "https://api.deepseek.com"),
    39: Kind("openai", "https://api.together.xyz", "/v1"),
    40: Kind("openai", "https://ark.cn-beijing.volces.com", "/api/v3"),
    41: Kind("openai", "https://api.novita.ai/v3/openai"),
    44: Kind("openai", "https://api.siliconflow.cn", "/v1"),
    45: Kind("xai", "https://api.x.ai", "/v1"),
    50: Kind("openai"),
}
NAMES = {
    2: "Midjourney", 3: "Azure", 5: "Midjourney Plus", 8: "custom", 11: "PaLM", 15: "Baidu", 16: "Zhipu", 18: "Xunfei",
    19: "360", 23: "Tencent", 33: "AWS Bedrock",
}  # fmt: skip
"""Types without a counterpart that both number alike."""
