"""Which tokenizer counts for which model, and by how much it may be off."""

from fnmatch import fnmatchcase
from typing import NamedTuple

from tollway.core.model import Model


class Vocabulary(NamedTuple):
    """A way to count tokens."""

    encoding: str
    """quicktok's name of a byte-pair table; it stands in for vocabularies nobody can have offline."""
    factor: float = 1.0
    """Tokens of this family for one token of `encoding` in ASCII text."""
    foreign: float = 0.0
    """Added to the factor in proportion to the share of multi-byte characters."""
    claude: str = ""
    """Version of Claude's tokenizer as ctok knows it; empty for other families."""
    weights: str = "other"
    """Row of the weighted estimate used when no table can be loaded."""


_OPENAI = Vocabulary("o200k_base", weights="openai")
_OLD_OPENAI = Vocabulary("cl100k_base", weights="openai")
_CLAUDE = Vocabulary("o200k_base", 1.2, 0.8, "4.6", "anthropic")
"""Measured against ctok: English and code 1.12 to 1.19, Chinese 1.6, Russian 1.7, Arabic 2.1."""
_NEW_CLAUDE = Vocabulary("o200k_base", 1.5, 0.5, "4.8", "anthropic")
"""Measured against ctok: English and code 1.45 to 1.48; other scripts as before."""
_FAMILIES = {
    "openai": _OPENAI,
    "anthropic": _CLAUDE,
    "gemini": Vocabulary("o200k_base", 1.1, weights="gemini"),
    "other": Vocabulary("o200k_base", 1.1),
}
_BY_NAME = (
    ("gpt-4o*", _OPENAI),
    ("gpt-4-1-*", _OPENAI),
    ("gpt-4-1", _OPENAI),
    ("gpt-4-5*", _OPENAI),
    ("gpt-4*", _OLD_OPENAI),
    ("gpt-3-5*", _OLD_OPENAI),
    ("text-embedding-*", _OLD_OPENAI),
    ("gpt-oss*", Vocabulary("o200k_harmony", weights="openai")),
    ("claude-3*", _CLAUDE),
    ("claude-*-4-[0-6]*", _CLAUDE),
    ("claude-*-4-[7-9]*", _NEW_CLAUDE),
    ("claude-*-[5-9]", _NEW_CLAUDE),
    ("llama-3*", Vocabulary("llama3")),
    ("qwen3*", Vocabulary("qwen3")),
)
"""Name patterns that know better than the family; the first that fits wins. Upstreams' dots count as dashes."""


def of_family(family: str) -> Vocabulary:
    """The vocabulary of `openai`, `anthropic` or `gemini`; any other word means `other`."""
    return _FAMILIES.get(family, _FAMILIES["other"])


def of_model(model: Model) -> Vocabulary:
    """The vocabulary of a model, by an upstream's name for it or else by its family."""
    for upstream in model.served_by.values():
        name = upstream.lower().rpartition("/")[2].replace(".", "-")
        for pattern, vocabulary in _BY_NAME:
            if fnmatchcase(name, pattern):
                return vocabulary
    return of_family(model.family)
