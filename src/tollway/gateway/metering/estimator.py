"""Token counts without a tokenizer: weighted classes of characters (relay.md 7.1)."""

import math
import re
from collections import Counter

_CLASSES = ("word", "number", "cjk", "symbol", "math", "url", "at", "emoji", "newline", "space")
_WEIGHTS = {
    "gemini": (1.15, 2.8, 0.68, 0.38, 1.05, 1.2, 2.5, 1.08, 1.15, 0.2),
    "anthropic": (1.13, 1.63, 1.21, 0.4, 4.52, 1.26, 2.82, 2.6, 0.89, 0.39),
    "openai": (1.02, 1.55, 0.85, 0.4, 2.68, 1.0, 2.0, 2.12, 0.5, 0.42),
}
_UNIT = re.compile(
    r"(?P<word>[A-Za-z\u00c0-\u024f]+)"
    r"|(?P<number>[0-9]+)"
    r"|(?P<newline>[\n\r])"
    r"|(?P<space>\s)"
    r"|(?P<at>@)"
    r"|(?P<url>[/:?&=;#%])"
    r"|(?P<cjk>[\u1100-\u11ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff])"
    r"|(?P<math>[\u2200-\u22ff\u2a00-\u2aff\u00b1\u00d7\u00f7\u2070-\u209f\U0001d400-\U0001d7ff])"
    r"|(?P<emoji>[\u2600-\u27bf\U0001f000-\U0001faff])"
    r"|(?P<symbol>.)"
)
"""A Latin word or a run of digits is one unit; every other character is a unit of its own."""


def estimate(weights: str, text: str) -> int:
    """Tokens of `text` by the weights of `openai`, `anthropic` or `gemini`; any other word means `openai`."""
    row = dict(zip(_CLASSES, _WEIGHTS.get(weights, _WEIGHTS["openai"]), strict=True))
    counts = Counter(unit.lastgroup or "symbol" for unit in _UNIT.finditer(text))
    return math.ceil(sum(row[name] * count for name, count in counts.items()))
